"""The sources of imported trajectories are kept beside the data set: file, size, time and checksum of each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from setclosure.files import storage_errors, write_text

NAME = "sources.jsonl"
"""The file in the folder of a data set, with a line of JSON for each trajectory."""


def read_sources(path: Path) -> dict[int, dict[str, Any]]:
    """Read where the trajectories of a data set come from; nothing if they were not imported.

    A line that a killed process left unfinished counts as not written.

    Parameters
    ----------
    path : Path
        The folder of the data set.
    """
    found: dict[int, dict[str, Any]] = {}
    try:
        text = (path / NAME).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return found
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            found[int(entry["trajectory"])] = entry
        except (ValueError, KeyError, TypeError):
            continue
    return dict(sorted(found.items()))


def add_source(path: Path, index: int, entry: dict[str, Any]) -> None:
    """Write down where trajectory ``index`` comes from, so that it survives a power cut.

    Raises
    ------
    StorageError
        If the disk is full or the folder may not be written.
    """
    with storage_errors(path / NAME), (path / NAME).open("a", encoding="utf-8") as stream:
        stream.write(_line(index, entry))
        stream.flush()
        os.fsync(stream.fileno())


def tidy_sources(path: Path) -> None:
    """Write the file anew with one whole line for each trajectory.

    Raises
    ------
    StorageError
        If the disk is full or the folder may not be written.
    """
    known = read_sources(path)
    if known or (path / NAME).exists():
        write_text(path / NAME, "".join(_line(index, entry) for index, entry in known.items()))


def _line(index: int, entry: dict[str, Any]) -> str:
    return json.dumps({"trajectory": index} | entry, ensure_ascii=False) + "\n"
