"""The thermodynamic output in a log file of LAMMPS becomes columns over the steps.

Logs of ``thermo_style one``, ``custom``, ``multi`` and ``yaml`` are read, several runs after another, with warnings in
between, and up to the last complete row of a log that is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.text import Lines, opened

Array = np.ndarray[Any, Any]

MULTI_HEAD = re.compile(r"^-{2,}\s*Step\s+(?P<step>\d+)\s*-+(?:\s*CPU\s*=\s*(?P<cpu>[-+.\deE]+).*)?")
MULTI_PAIR = re.compile(r"(?P<name>[A-Za-z_][\w\[\]*/.]*)\s*=\s*(?P<number>[-+.\deE]+|-?nan|-?inf)")
YAML_ROW = re.compile(r"^\s*-\s*\[(?P<numbers>.*?),?\s*\]\s*$")

Row = dict[str, float]


def read_thermo(path: str | Path) -> dict[str, Array]:
    """Read the thermodynamic output of a log file of LAMMPS.

    Steps rise: where a run begins at a step that an earlier one had reached, because it goes on from there, was started
    again, or its steps were reset, the earlier rows from this step on are left out. A number that only some runs write
    is NaN in the others.

    Parameters
    ----------
    path : str or Path
        The log file, which may be compressed.

    Returns
    -------
    dict
        Columns ``(T,)`` by the names in the log, in the order of the steps; ``Step`` holds whole numbers.

    Raises
    ------
    ReaderError
        If there is no such file, it has no thermodynamic output with steps, or a row within a run is damaged.
    """
    path = Path(path)
    rows: dict[int, Row] = {}
    names: dict[str, None] = {}
    last = -1
    with opened(path) as lines:
        for row in _rows(lines):
            step = int(row["Step"])
            for later in [known for known in rows if known >= step] if rows and step <= last else ():
                del rows[later]
            rows[step], last = row, step
            names |= dict.fromkeys(row)
    if not rows:
        raise ReaderError(
            f"{path} has no thermodynamic output with steps; expected a log file of LAMMPS with a table that "
            "begins with 'Step'."
        )
    steps = list(rows)
    columns = {name: np.array([rows[step].get(name, np.nan) for step in steps]) for name in names if name != "Step"}
    return {"Step": np.array(steps, dtype=np.int64), **columns}


def _rows(lines: Lines) -> Iterator[Row]:
    while line := lines.line():
        text = line.decode(errors="replace").strip()
        words = text.split()
        if MULTI_HEAD.match(text):
            yield from _multi(lines, text)
        elif text.startswith("keywords:"):
            names = re.findall(r"'([^']*)'|\"([^\"]*)\"|([^\s,\[\]'\"]+)", text.split(":", 1)[1])
            yield from _table(lines, _distinct(["".join(name) for name in names]), yaml=True)
        elif "Step" in words and _are_names(words):
            yield from _table(lines, _distinct(words), yaml=False)


def _are_names(words: list[str]) -> bool:
    return words[0] == "Step" or all(word[:1].isupper() or "_" in word for word in words)


def _distinct(names: list[str]) -> tuple[str, ...]:
    return tuple(name if name not in names[:i] else f"{name}_{i}" for i, name in enumerate(names))


def _table(lines: Lines, names: tuple[str, ...], yaml: bool) -> Iterator[Row]:
    """Read the rows of a run until it ends."""
    while line := lines.line():
        text = line.decode(errors="replace").strip()
        if yaml:
            if text in ("...", "") or text.startswith(("Loop time", "keywords:")):
                return
            match = YAML_ROW.match(text)
            words = match["numbers"].replace(",", " ").split() if match else []
        else:
            if text.startswith("Loop time"):
                return
            words = text.split()
            if "Step" in words and _are_names(words):  # the run before stopped without a summary
                names = _distinct(words)
                continue
        numbers = _numbers(words)
        complete = line.endswith(b"\n")
        if numbers is not None and len(numbers) == len(names) and complete:
            yield dict(zip(names, numbers, strict=True))
        elif numbers and complete and len(numbers) != len(names):
            following = lines.line()
            if following:
                raise lines.wrong(
                    f"{len(numbers)} numbers ({text[:60]!r})",
                    f"{len(names)}, which are {' '.join(names)}",
                    "The log is damaged, or two runs wrote into it.",
                    line=lines.number - 1,
                )
        elif text.startswith("ERROR"):
            return


def _multi(lines: Lines, head: str) -> Iterator[Row]:
    """Read the blocks of ``thermo_style multi``; a block ends where the next one or the run's summary begins."""
    row = _of_head(head)
    complete = True
    while line := lines.line():
        text = line.decode(errors="replace").strip()
        complete = line.endswith(b"\n")
        if MULTI_HEAD.match(text):
            yield row
            row = _of_head(text)
        elif text.startswith("Loop time"):
            yield row
            return
        elif not text.startswith(("WARNING", "ERROR")) and complete:
            row |= {pair["name"]: float(pair["number"]) for pair in MULTI_PAIR.finditer(text)}
    # the log ends here, so it cannot be known whether the last block is whole


def _of_head(text: str) -> Row:
    match = MULTI_HEAD.match(text)
    if match is None:
        return {}
    row = {"Step": float(match["step"])}
    return row | ({} if match["cpu"] is None else {"CPU": float(match["cpu"])})


def _numbers(words: list[str]) -> list[float] | None:
    try:
        return [float(word) for word in words]
    except ValueError:
        return None
