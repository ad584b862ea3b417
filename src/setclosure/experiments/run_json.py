"""The file ``run.json`` of a run folder: its schema, and how it is read and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from setclosure.errors import DamagedFileError, RunError, SchemaVersionError
from setclosure.files import read_json
from setclosure.provenance import writer

SCHEMA = 2
"""Version of the files of a run."""

_TYPES: dict[str, type] = {
    "name": str, "description": str, "observables": list, "time_unit": str, "features": list, "species": list,
    "context": list, "tests": dict, "data": dict, "provenance": dict, "videos": str,
}  # fmt: skip
_JSON_WORDS: dict[type, str] = {str: "text", list: "a list", dict: "an object"}


def read_run_json(path: Path) -> dict[str, Any]:
    """Read and check ``run.json`` of the run folder ``path``.

    Raises
    ------
    RunError
        If the folder is not a run, or its ``run.json`` is damaged.
    SchemaVersionError
        If it was written under another schema.
    """
    if not path.is_dir():
        raise RunError(f"{path} is not a run folder: it is not a folder. Give the folder that 'setclosure run' wrote.")
    file = path / "run.json"
    try:
        info = read_json(file)
    except FileNotFoundError as error:
        raise RunError(
            f"{path} is not a run folder: it has no run.json, which 'setclosure train' and 'setclosure run' write. "
            "Give the folder that they wrote, or run again."
        ) from error
    except DamagedFileError as error:
        raise RunError(f"the run in {path} cannot be read: {error}") from error
    if not isinstance(info, dict) or not isinstance(info.get("seeds"), list):
        raise RunError(
            f"{file} lacks 'seeds': it is not what `setclosure run` writes. Restore it from a copy, or run again."
        )
    if info.get("schema") != SCHEMA:
        raise SchemaVersionError(
            f"{file} has schema version {info.get('schema')!r}, written by setclosure {writer(info)}; this version "
            f"reads {SCHEMA}. Use the version that wrote it."
        )
    if not info["seeds"] or not all(isinstance(seed, int) for seed in info["seeds"]):
        raise RunError(f"{file}: seeds are {info['seeds']!r}; expected a list of integers, at least one.")
    for key, kind in _TYPES.items():
        if not isinstance(info.get(key, kind()), kind):
            raise RunError(
                f"{file}: {key} is {info[key]!r}; expected {_JSON_WORDS[kind]}. "
                "Restore the file from a copy, or run again."
            )
    for key in ("observables", "context"):
        if not all(isinstance(entry, dict) and "name" in entry for entry in info.get(key, [])):
            raise RunError(f"{file}: {key} are {info[key]!r}; expected a list of objects that have a name.")
    for key in ("tests", "data"):
        if not all(isinstance(entry, dict) for entry in info.get(key, {}).values()):
            raise RunError(f"{file}: {key} are {info[key]!r}; expected an object for each name.")
    return info
