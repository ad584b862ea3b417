"""Text dumps of LAMMPS are read with every column that they have, and with image flags, boundaries and true identities.

The format is that of the command ``dump … custom`` or ``atom``: orthogonal boxes, triclinic ones and general triclinic
ones, with or without ``dump_modify time yes units yes``. The number of particles may vary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.text import Lines, opened, table

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Snapshot:
    """One time of a LAMMPS file, as it is written there.

    Attributes
    ----------
    where : str
        The file and the line, for messages.
    n : int
        Particles, N.
    names : tuple of str
        The columns.
    origin, vectors : array
        The corner of the box ``(3,)``, and its edges as rows ``(3, 3)``.
    periodic : tuple of bool, optional
        Which directions are periodic, if the file says so.
    step : int, optional
        The number of the step.
    time : float, optional
        The time, if the file says it.
    units : str, optional
        LAMMPS' style of units, if the file says it.
    first_row : int
        The line of the first particle.
    table : dict
        The columns ``(N,)``, numbers or words; empty if the frame was not asked for.
    """

    where: str
    n: int
    names: tuple[str, ...]
    origin: Array
    vectors: Array
    periodic: tuple[bool, ...] | None = None
    step: int | None = None
    time: float | None = None
    units: str | None = None
    first_row: int = 0
    table: dict[str, Array] = field(default_factory=dict)


def dump_snapshots(path: Path, wanted: Callable[[int], bool], open_end: bool = False) -> Iterator[Snapshot]:
    """Read the snapshots of a dump one after another.

    Parameters
    ----------
    path : Path
        The file, which may be compressed.
    wanted : callable
        Whether the table of the snapshot with this number, counted from zero, is read; it is skipped otherwise.
    open_end : bool
        Whether a last line without a line break is whole.

    Raises
    ------
    ReaderError
        If the file is no text dump, is cut off, or has something unexpected in it; the message names the line.
    CutOffError
        If it ends within a snapshot.
    """
    with opened(path, open_end) as lines:
        frame = 0
        units = None
        while (first := _first_item(lines)) is not None:
            head = _Head(units=units)
            head.read(lines, first)
            units = head.units
            what = f"frame {frame}, whose step is {head.step}"
            begin = lines.number + 1
            if wanted(frame):
                content = table(lines.take(head.n, what), head.names, path, begin)
            else:
                content = {}
                lines.skip(head.n, what)
            yield Snapshot(
                f"{path}, line {head.line} (frame {frame}, step {head.step})",
                head.n,
                head.names,
                head.origin,
                head.vectors,
                head.periodic,
                head.step,
                head.time,
                head.units,
                begin,
                content,
            )
            frame += 1


@dataclass
class _Head:
    """The lines of a snapshot that come before its particles."""

    units: str | None = None
    step: int | None = None
    time: float | None = None
    n: int = -1
    origin: Array = field(default_factory=lambda: np.zeros(3))
    vectors: Array = field(default_factory=lambda: np.zeros((3, 3)))
    periodic: tuple[bool, ...] | None = None
    names: tuple[str, ...] = ()
    line: int = 0
    has_box: bool = False

    def read(self, lines: Lines, item: bytes) -> None:
        self.line = lines.number
        while True:
            text = item.decode(errors="replace").strip()
            if text.startswith("ITEM: ATOMS"):
                break
            if text == "ITEM: TIMESTEP":
                self.step = int(_number(lines, "the number of a step"))
            elif text == "ITEM: UNITS":
                self.units = lines.required("the style of units").decode(errors="replace").strip()
            elif text == "ITEM: TIME":
                self.time = _number(lines, "the time")
            elif text == "ITEM: NUMBER OF ATOMS":
                self.n = int(_number(lines, "the number of particles"))
            elif text.startswith("ITEM: BOX BOUNDS"):
                self._read_box(lines, text.split()[3:])
            elif text.startswith(("ITEM: ENTRIES", "ITEM: NUMBER OF ENTRIES", "ITEM: GRID", "ITEM: DIMENSION")):
                raise lines.wrong(f"{text!r}", "particles", "A dump of bonds or of a grid has no microstates.")
            else:
                raise lines.wrong(f"{text[:60]!r}", "'ITEM: TIMESTEP' or another item of a text dump of LAMMPS")
            item = lines.required("the head of a frame")
        if self.step is None or self.n < 0 or not self.has_box:
            lacking = [
                name
                for name, there in (("TIMESTEP", self.step is not None), ("NUMBER OF ATOMS", self.n >= 0))
                if not there
            ] + ([] if self.has_box else ["BOX BOUNDS"])
            raise lines.wrong(f"the frame has no {' and no '.join(lacking)}", "it before the particles")
        self.names = tuple(text.split()[2:])
        if len(set(self.names)) < len(self.names) or not self.names:
            raise lines.wrong(f"the columns are {' '.join(self.names) or 'not named'}", "names that differ")

    def _read_box(self, lines: Lines, words: list[str]) -> None:
        self.has_box = True
        flags = [word for word in words if len(word) == 2 and set(word) <= set("pfsm")]
        if len(flags) == 3:
            self.periodic = tuple(flag == "pp" for flag in flags)
        tilted, general = words[:3] == ["xy", "xz", "yz"], words[:2] == ["abc", "origin"]
        count = 4 if general else 3 if tilted else 2
        rows = np.array([_numbers(lines, count, "the bounds of the box") for _ in range(3)])
        if general:
            self.vectors, self.origin = rows[:, :3].copy(), rows[:, 3].copy()
            return
        low, high = rows[:, 0].copy(), rows[:, 1].copy()
        xy, xz, yz = rows[:, 2] if tilted else (0.0, 0.0, 0.0)
        # the bounds are those of the box that surrounds a tilted one
        low[:2] -= min(0.0, xy, xz, xy + xz), min(0.0, yz)
        high[:2] -= max(0.0, xy, xz, xy + xz), max(0.0, yz)
        self.origin = low
        self.vectors = np.diag(high - low)
        self.vectors[1, 0], self.vectors[2, 0], self.vectors[2, 1] = xy, xz, yz


def _first_item(lines: Lines) -> bytes | None:
    """Go to the first line of the next snapshot; None at the end of the file."""
    while line := lines.line():
        if line.strip():
            return line
    return None


def _numbers(lines: Lines, count: int, what: str) -> list[float]:
    text = lines.required(what).decode(errors="replace")
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise lines.wrong(f"{text.strip()[:60]!r}", f"{what}: {count} number{'s' * (count > 1)}")
    return numbers


def _number(lines: Lines, what: str) -> float:
    return _numbers(lines, 1, what)[0]


def require_snapshots(path: Path, count: int) -> None:
    """Require that a file has snapshots.

    Raises
    ------
    ReaderError
        If it has none.
    """
    if count == 0:
        raise ReaderError(f"{path} is empty; expected a text dump of LAMMPS, which begins with 'ITEM: TIMESTEP'.")
