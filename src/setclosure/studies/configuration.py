"""Configuration files: YAML, checked against the study they name, with overrides from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from setclosure.errors import ConfigurationError
from setclosure.files import write_text
from setclosure.studies.interacting_particles import InteractingParticlesStudy

STUDIES = {"interacting_particles": InteractingParticlesStudy}
Study = InteractingParticlesStudy


def load_study(path: str | Path, overrides: list[str] | None = None) -> Study:
    """Read a configuration file and apply ``section.key=value`` overrides.

    Raises
    ------
    ConfigurationError
        If the file is missing or not YAML, names no known study, or has an unknown key or a value out of range.
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
    for override in overrides or []:
        _apply(values, override)
    name = values.get("study")
    if not isinstance(name, str) or name not in STUDIES:
        raise ConfigurationError(f"in {path}, 'study' is {name!r}; expected one of: {', '.join(STUDIES)}.")
    return STUDIES[name].parse(values, f"in {path}")


def save_study(study: Study, path: Path) -> None:
    """Write the whole configuration, defaults included, as YAML that :func:`load_study` reads."""
    write_text(path, yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False))


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigurationError(
            f"an override reads section.key=value, for instance model.closure_dim=4; got '{override}'."
        )
    *sections, last = key.split(".")
    place = values
    for section in sections:
        if place.get(section) is None:
            place[section] = {}
        place = place[section]
        if not isinstance(place, dict):
            raise ConfigurationError(f"override '{override}': '{section}' is a value, not a section.")
    try:
        place[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"override '{override}': the value is not YAML: {error}") from error
