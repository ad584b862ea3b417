"""Configuration files: YAML, checked against the study they name, with overrides from the command line."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from setclosure.errors import ConfigurationError
from setclosure.files import write_text
from setclosure.model.methods import METHODS
from setclosure.paper.studies.interacting_particles import InteractingParticlesStudy
from setclosure.paper.studies.lennard_jones import LennardJonesStudy
from setclosure.paper.studies.polymer import PolymerStudy

PACKAGE = Path(__file__).parents[1]
Study = InteractingParticlesStudy | LennardJonesStudy | PolymerStudy
STUDIES: dict[str, type[InteractingParticlesStudy] | type[LennardJonesStudy] | type[PolymerStudy]] = {
    "interacting_particles": InteractingParticlesStudy,
    "lennard_jones": LennardJonesStudy,
    "polymer": PolymerStudy,
}


def load_study(path: str | Path, overrides: list[str] | None = None) -> Study:
    """Read a configuration file and apply ``section.key=value`` overrides.

    Raises
    ------
    ConfigurationError
        If the file is missing or not YAML, names no known study, or has an unknown key or a value out of range.
    """
    values = read_values(path)
    apply_overrides(values, overrides or [])
    return parse_study(values, f"in {path}")


def configuration_file(study: str, scale: str) -> Path:
    """The configuration of a study at a scale, as it comes with setclosure.

    Raises
    ------
    ConfigurationError
        If there is none of these names.
    """
    name = Path(study, f"{scale}.yaml")
    places = [PACKAGE / "configs", PACKAGE.parents[1] / "configs"]  # in an installed package, and in a checkout
    for place in places:
        if (place / name).is_file():
            return place / name
    raise ConfigurationError(f"setclosure comes with no configuration {name}.")


def read_values(path: str | Path) -> dict[str, Any]:
    """The values of a configuration file as they stand there, not yet checked.

    Raises
    ------
    ConfigurationError
        If the file is missing, is not YAML, or holds no mapping.
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"the configuration {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the configuration {path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"the configuration {path} is not a mapping of keys to values, with 'study' set to one of: "
            f"{', '.join(STUDIES)}."
        )
    return values


def parse_study(values: dict[str, Any], where: str) -> Study:
    """Check values against the study that they name.

    Raises
    ------
    ConfigurationError
        If they name no known study, or hold an unknown key or a value out of range.
    """
    name = values.get("study")
    if not isinstance(name, str) or name not in STUDIES:
        raise ConfigurationError(f"{where}, 'study' is {name!r}; expected one of: {', '.join(STUDIES)}.")
    return STUDIES[name].parse(values, where)


def use_method(values: dict[str, Any], method: str) -> None:
    """Change the method of a configuration, and keep of the options those that the new method's parts have, too.

    Raises
    ------
    ConfigurationError
        If there is no such method.

    Examples
    --------
    >>> values = {"model": {"method": "ours", "encoder": {"width": 64, "phi_layers": 3}, "decoder": {"bins": 8}}}
    >>> use_method(values, "ae-aug")
    >>> values
    {'model': {'method': 'ae-aug', 'encoder': {'width': 64}, 'decoder': {}}}
    """
    if method not in METHODS:
        raise ConfigurationError(f"there is no method '{method}'; known methods: {', '.join(METHODS)}.")
    model = values.setdefault("model", {})
    before, now = METHODS.get(model.get("method", "ours")), METHODS[method]
    for part in ("encoder", "decoder", "reconstruction"):
        config, options = getattr(now, part), model.get(part)
        if isinstance(options, dict) and config is not getattr(before, part, None):  # else mistakes are told as ever
            known = config.model_fields if config else {}
            model[part] = {key: value for key, value in options.items() if key in known}
    if now is not before and now.reads_images:
        model.pop("weight_feature", None)  # models of images read pixels as they are
    model["method"] = method


def set_value(values: dict[str, Any], key: str, value: Any) -> None:
    """Set ``section.key`` of a configuration, making sections on the way.

    Raises
    ------
    ConfigurationError
        If a section on the way is a value.
    """
    *sections, last = key.split(".")
    place = values
    for section in sections:
        if place.get(section) is None:
            place[section] = {}
        place = place[section]
        if not isinstance(place, dict):
            raise ConfigurationError(f"'{key}' cannot be set: '{section}' is a value, not a section.")
    place[last] = deepcopy(value)  # a later key may lie in it, and it may belong to somebody


def save_study(study: Study, path: Path) -> None:
    """Write the whole configuration, defaults included, as YAML that :func:`load_study` reads."""
    write_text(path, yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False))


def apply_overrides(values: dict[str, Any], overrides: list[str]) -> None:
    """Apply ``section.key=value`` of the command line: another method first, then the options, which are its own.

    Raises
    ------
    ConfigurationError
        If an override reads otherwise, or its value is not YAML.
    """
    for override in sorted(overrides, key=lambda text: not text.startswith("model.method=")):
        _apply(values, override)


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigurationError(
            f"an override reads section.key=value, for instance model.closure_dim=4; got '{override}'."
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"override '{override}': the value is not YAML: {error}") from error
    if key == "model.method" and value in list(METHODS):  # an unknown one is told by the section's own check
        use_method(values, value)
    else:
        set_value(values, key, value)
