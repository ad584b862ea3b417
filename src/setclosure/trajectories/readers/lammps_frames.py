"""Snapshots of LAMMPS files become frames, with unwrapped positions where image flags or the file allow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.base import Frame, Source, SourceFacts
from setclosure.trajectories.readers.finishing import facts, finished, least_and_most, require_columns
from setclosure.trajectories.readers.lammps_data import read_data
from setclosure.trajectories.readers.lammps_dump import Snapshot, dump_snapshots, require_snapshots
from setclosure.trajectories.readers.options import MDAnalysisOptions
from setclosure.trajectories.readers.selection import Selector, topology_rows
from setclosure.trajectories.readers.text import CutOffError, whole_numbers
from setclosure.trajectories.readers.units import LAMMPS_UNITS

Array = np.ndarray[Any, Any]

AXES = "xyz"
SUFFIXES = {"x": "", "xs": "s", "xu": "u", "xsu": "su"}
"""The ends of the names of columns, which begin with x, y and z, by the name of the first."""

UNWRAPPED = ("xu", "xsu")
IMAGES = ("ix", "iy", "iz")


@dataclass
class LammpsFrames:
    """The reading of one source of LAMMPS text dumps or data files.

    Parameters
    ----------
    source : Source
        The files.
    is_data : bool
        Whether they are data files.
    options : MDAnalysisOptions
        The options of the reader.
    topology : Universe, optional
        The topology, as MDAnalysis reads it.
    """

    source: Source
    is_data: bool
    options: MDAnalysisOptions
    topology: Any = None

    def scan(self) -> SourceFacts:
        """Count the frames and look at the first one.

        Raises
        ------
        ReaderError
            If a file cannot be read.
        """
        first: Snapshot | None = None
        numbers: list[int] = []
        for snapshot in self._snapshots(lambda frame: frame == 0):
            first = first or snapshot
            numbers.append(snapshot.n)
        if first is None:
            raise ReaderError(f"{self.source.name} has no frame.")
        frame = self._frame(first, self._selector(), 0)
        sizes = (min(numbers), max(numbers)) if self.options.select is None else least_and_most(self.frames())
        length, time, velocity = LAMMPS_UNITS.get(self.options.lammps_units or first.units or "", ("", "", ""))
        return facts(frame, len(numbers), sizes, length, velocity, self._time_unit(time, first))

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give the frames asked for.

        Raises
        ------
        ReaderError
            If a file is damaged; the message names the line.
        """
        if stop is not None and stop <= start:
            return
        selector = self._selector()
        last: tuple[float, str] | None = None
        columns: tuple[str, ...] | None = None

        def wanted(frame: int) -> bool:
            return frame >= start and (stop is None or frame < stop) and (frame - start) % step == 0

        for i, snapshot in enumerate(self._snapshots(wanted)):
            time = self._time(snapshot, i)
            if last is not None and time <= last[0]:
                raise ReaderError(
                    f"{snapshot.where}: its time {time:g} is not after {last[0]:g}, that of {last[1]}. Expected times "
                    "that rise; a run that was started again may have written a frame twice: remove the first of them."
                )
            last = (time, snapshot.where)
            if wanted(i):
                frame = self._frame(snapshot, selector, i)
                require_columns(frame, columns, snapshot.where)
                columns = tuple(frame.columns)
                yield frame
            if stop is not None and i + 1 >= stop:
                return

    def _snapshots(self, wanted: Callable[[int], bool]) -> Iterator[Snapshot]:
        if self.is_data:
            yield from (read_data(path, self.options.atom_style, self._open_end) for path in self.source.paths)
            return
        before = 0
        for number, path in enumerate(self.source.paths):
            count = 0
            try:
                for snapshot in dump_snapshots(path, partial(_wanted_after, wanted, before), self._open_end):
                    count += 1
                    yield snapshot
            except CutOffError:
                # what is missing at the end of one of several files would be a hole within the trajectory
                if self.options.cut_off != "drop" or number < len(self.source.paths) - 1:
                    raise
            require_snapshots(path, count)
            before += count

    def where(self, frame: int, particle: int) -> str:
        """Say in which line of a dump a particle of a frame stands."""
        if self.is_data:
            return ""
        known = next(self.frames(frame, frame + 1))
        for i, snapshot in enumerate(self._snapshots(lambda number: number == frame)):
            if i == frame:
                row = particle
                if known.ids is not None:
                    row = int(np.flatnonzero(snapshot.table["id"] == known.ids[particle])[0])
                return f"line {snapshot.first_row + row}"
        return ""

    @property
    def _unwrapped(self) -> bool:
        """Whether positions are unwrapped, so that image flags would unwrap them twice."""
        return bool(self.options.unwrap or self.options.coordinates in UNWRAPPED)

    @property
    def _open_end(self) -> bool:
        return bool(self.options.cut_off == "whole")

    def _selector(self) -> Selector | None:
        return None if self.options.select is None else Selector(self.options.select, self.topology)

    def _time(self, snapshot: Snapshot, frame: int) -> float:
        step = self.options.time_step
        if self.options.times == "frames":
            return frame * (1.0 if step is None else step)
        if snapshot.time is not None:
            if step is not None:
                raise ReaderError(
                    f"{snapshot.where}: the file says the time itself; leave 'time_step' out, or say times: frames."
                )
            return snapshot.time
        number = frame if snapshot.step is None else snapshot.step
        return float(number) if step is None else number * float(step)

    def _time_unit(self, unit: str, first: Snapshot) -> str:
        counted = self.options.times == "frames" or first.time is None
        if not counted or self.options.time_step is not None:
            return unit
        return "frames" if first.step is None or self.options.times == "frames" else "steps"

    def _frame(self, snapshot: Snapshot, selector: Selector | None, number: int) -> Frame:
        content = snapshot.table
        ids = whole_numbers(content["id"], "id", snapshot.where) if "id" in content else None
        if ids is not None:
            ids, content = _sorted(ids, content, snapshot.where)
        periodic = self._periodic(snapshot)
        lattice = snapshot.vectors * np.array(periodic)[:, None]
        positions = _positions(snapshot, content, self.options.coordinates, self.options.unwrap, lattice)
        done = (*positions, "id", *(IMAGES if self._unwrapped else ()))
        content = {**positions, **{name: column for name, column in content.items() if name not in done}}
        if "q" in content and "charge" not in content:
            content["charge"] = content["q"]
        return finished(
            self.options,
            selector,
            content,
            where=snapshot.where,
            time=self._time(snapshot, number),
            step=snapshot.step,
            ids=ids,
            cell=lattice if any(periodic) else None,
            topology=self.topology,
            rows=None if self.topology is None else topology_rows(self.topology, ids, snapshot.where),
        )

    def _periodic(self, snapshot: Snapshot) -> tuple[bool, ...]:
        said = None if self.options.periodic is None else tuple(flag == "p" for flag in self.options.periodic)
        if snapshot.periodic is None and said is None:
            raise ReaderError(
                f"{snapshot.where}: the file does not say which directions of the box are periodic. Say it: "
                "reader: {periodic: ppp}, with f in place of p for a direction that is not."
            )
        if said is not None and snapshot.periodic is not None and said != snapshot.periodic:
            flags = "".join("p" if flag else "f" for flag in snapshot.periodic)
            raise ReaderError(
                f"{snapshot.where}: the file says that the box is periodic as {flags}, and the option 'periodic' says "
                f"{self.options.periodic}. Leave the option out."
            )
        return snapshot.periodic if said is None else said  # type: ignore[return-value]


def _wanted_after(wanted: Callable[[int], bool], before: int, frame: int) -> bool:
    return wanted(before + frame)


def _sorted(ids: Array, content: dict[str, Array], where: str) -> tuple[Array, dict[str, Array]]:
    if (ids[1:] > ids[:-1]).all():
        return ids, content
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (twice := ids[1:] == ids[:-1]).any():
        raise ReaderError(f"{where}: the particle {ids[1:][twice][0]} is there twice; expected different identities.")
    return ids, {name: column[order] for name, column in content.items()}


def _positions(
    snapshot: Snapshot, content: dict[str, Array], wanted: str | None, unwrap: bool, lattice: Array
) -> dict[str, Array]:
    """Give x, y and z of the particles as the file has them, or unwrapped, without moving the origin."""
    names = set(snapshot.names)
    there = {kind: [axis for axis in AXES if axis + end in names] for kind, end in SUFFIXES.items()}
    if unwrap and wanted is None:
        wanted = next((kind for kind in UNWRAPPED if there[kind]), None)
    if wanted is None:
        most = max(len(axes) for axes in there.values())
        wanted = next(kind for kind in SUFFIXES if len(there[kind]) == most)
    axes = there[wanted]
    if not axes:
        raise ReaderError(
            f"{snapshot.where}: there are no columns {wanted}, …; it has {' '.join(snapshot.names)}. Dump positions, "
            "or name the coordinates that the file has: reader: {coordinates: xs}."
        )
    end = SUFFIXES[wanted]
    if end in ("s", "su"):
        columns = _unscaled(snapshot, {axis: content[axis + end] for axis in axes})
    else:
        columns = {axis: content[axis + end] for axis in axes}
    if unwrap and wanted not in UNWRAPPED:
        columns = _unwrapped(snapshot, content, columns, lattice)
    for axis, column in columns.items():
        if not (np.issubdtype(column.dtype, np.number) and np.isfinite(column).all()):
            raise ReaderError(f"{snapshot.where}: a coordinate {axis} is NaN, infinite or no number.")
    return columns


def _unscaled(snapshot: Snapshot, scaled: dict[str, Array]) -> dict[str, Array]:
    lacking = [i for i, axis in enumerate(AXES) if axis not in scaled]
    for i in lacking:
        if np.delete(snapshot.vectors[i], i).any():
            raise ReaderError(
                f"{snapshot.where}: the box is tilted along {AXES[i]}, and the scaled coordinate of that direction is "
                "not there; expected all three of xs ys zs."
            )
    fractions = np.stack([scaled.get(axis, np.zeros(snapshot.n)) for axis in AXES], axis=1)
    places = snapshot.origin + fractions @ snapshot.vectors
    return {axis: places[:, i] for i, axis in enumerate(AXES) if axis in scaled}


def _unwrapped(
    snapshot: Snapshot, content: dict[str, Array], columns: dict[str, Array], lattice: Array
) -> dict[str, Array]:
    needed = [i for i, axis in enumerate(AXES) if axis in columns or lattice[i].any()]
    needed = [i for i in needed if any(lattice[i][AXES.index(axis)] for axis in columns)]
    lacking = [f"i{AXES[i]}" for i in needed if f"i{AXES[i]}" not in content]
    if lacking:
        raise ReaderError(
            f"{snapshot.where}: positions cannot be unwrapped, because the image flags {' '.join(lacking)} are not "
            "there, and neither are xu yu zu. Leave 'unwrap' out; a periodic cell needs no unwrapping."
        )
    shift = sum((content[f"i{AXES[i]}"][:, None] * lattice[i] for i in needed), start=np.zeros((snapshot.n, 3)))
    return {axis: column + shift[:, AXES.index(axis)] for axis, column in columns.items()}
