"""Configuration files are YAML, checked against the study that they name, with overrides from the command line."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from setclosure.errors import ConfigurationError
from setclosure.experiments.own_data import with_whole_paths
from setclosure.experiments.study import Study
from setclosure.files import write_text
from setclosure.model.specification import use_method
from setclosure.registry import find, names

_PACKAGE = Path(__file__).parents[1]


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, which refuses a key that stands twice in a section: the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands twice in one section", key_node.start_mark
                )
            seen.add(key)
        return dict(super().construct_mapping(node, deep))


def load_study(path: str | Path, overrides: list[str] | None = None) -> Study:
    """Read a configuration file and apply ``section.key=value`` overrides.

    Paths in the section ``data`` are relative to the file, those of an override to the working directory.

    Raises
    ------
    ConfigurationError
        If the file is missing or not YAML, names no known study, or has an unknown key or a value out of range.
    """
    values = read_values(path)
    with_whole_paths(values, Path(path).parent)
    apply_overrides(values, overrides or [])
    with_whole_paths(values, Path.cwd())  # of overrides: the others are whole already
    return parse_study(values, f"in {path}")


def configuration_file(study: str, scale: str) -> Path:
    """Find the configuration of a study at a scale, as it comes with setclosure.

    Raises
    ------
    ConfigurationError
        If there is none of these names.
    """
    name = Path(study, f"{scale}.yaml")
    places = [_PACKAGE / "configs", _PACKAGE.parents[1] / "configs"]  # in an installed package, and in a checkout
    for place in places:
        if (place / name).is_file():
            return place / name
    raise ConfigurationError(f"setclosure comes with no configuration {name}.")


def read_values(path: str | Path, what: str = "") -> dict[str, Any]:
    """Read the values of a configuration file as they stand there, not yet checked.

    Parameters
    ----------
    path : path
        The file.
    what : str
        What is expected to stand there, for the message; by default the configuration of a study.

    Raises
    ------
    ConfigurationError
        If the file is missing, is not YAML, or holds no mapping.
    """
    path = Path(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)  # it is a safe loader
    except OSError as error:
        raise ConfigurationError(f"the configuration {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the configuration {path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        expected = what or f"a section 'data', or 'study' set to one of: {', '.join(names('study'))}"
        raise ConfigurationError(f"the configuration {path} is not a mapping of keys to values; expected {expected}.")
    return values


def parse_study(values: dict[str, Any], where: str) -> Study:
    """Check values against the study that they name; a configuration with a section ``data`` needs to name none.

    Raises
    ------
    ConfigurationError
        If they name no known study, or hold an unknown key or a value out of range.
    """
    name = values.get("study", "own_data" if "data" in values else None)
    if not isinstance(name, str) or name not in names("study"):
        raise ConfigurationError(
            f"{where}, 'study' is {name!r}; expected a section 'data' with your own data, or 'study' set to one of: "
            f"{', '.join(names('study'))}. One of your own is registered in a file that --plugin names."
        )
    study: type[Study] = find("study", name).value
    return study.parse(values, where)


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


def set_method(values: dict[str, Any], method: str) -> None:
    """Change the method of a configuration; see :func:`setclosure.model.specification.use_method`."""
    use_method(values.setdefault("model", {}), method)


def save_study(study: Study, path: Path) -> None:
    """Write the whole configuration, defaults included, as YAML that :func:`load_study` reads."""
    write_text(path, yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False))


def apply_overrides(values: dict[str, Any], overrides: list[str]) -> None:
    """Apply ``section.key=value`` of the command line: another method first, then the options, which are its own.

    Raises
    ------
    ConfigurationError
        If an override reads otherwise, its value is not YAML, or it names no method.
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
    if key == "model.method" and isinstance(value, str):
        set_method(values, value)
    else:
        set_value(values, key, value)
