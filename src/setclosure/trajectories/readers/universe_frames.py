"""Files that MDAnalysis reads without loss are read by it: XTC, TRR, DCD, NetCDF, XYZ and PDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.extras import optional_packages
from setclosure.trajectories.readers.base import Frame, Source, SourceFacts
from setclosure.trajectories.readers.finishing import (
    AXES,
    facts,
    finished,
    join_topology,
    least_and_most,
    require_columns,
)
from setclosure.trajectories.readers.options import MDAnalysisOptions
from setclosure.trajectories.readers.selection import moves, quiet, select_atoms
from setclosure.trajectories.readers.units import LAMMPS_UNITS, unit_name
from setclosure.trajectories.readers.whole_files import require_whole

Array = np.ndarray[Any, Any]

FORMATS = ("XTC", "TRR", "DCD", "LAMMPS", "NCDF", "XYZ", "PDB")
"""Formats that are read by MDAnalysis."""

TIMELESS = ("XYZ", "PDB")
"""Formats that say no time."""


@dataclass
class UniverseFrames:
    """The reading of one source through a universe of MDAnalysis.

    Parameters
    ----------
    source : Source
        The files.
    kind : str
        One of :data:`FORMATS`.
    options : MDAnalysisOptions
        The options of the reader.
    topology : Path, optional
        The topology.
    topology_options : dict
        How MDAnalysis reads the topology.
    """

    source: Source
    kind: str
    options: MDAnalysisOptions
    topology: Path | None = None
    topology_options: dict[str, Any] = field(default_factory=dict)

    def scan(self) -> SourceFacts:
        """Count the frames, and look at the first one.

        Raises
        ------
        ReaderError
            If a file cannot be read.
        """
        count = 0
        first: Frame | None = None
        sizes = 0, 0
        length = velocity = time = ""
        for path in self.source.paths:
            universe = self._universe(path)
            count += universe.trajectory.n_frames
            if first is None:
                first = next(self._of(universe, path, 0, range(1)))
                sizes = len(first), len(first)
                length, velocity, time = self._units(universe)
        if first is None:
            raise ReaderError(f"{self.source.name} has no frame.")
        if self.options.select is not None and moves(self.options.select):
            sizes = least_and_most(self.frames())
        return facts(first, count, sizes, length, velocity, time)

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give the frames asked for.

        Raises
        ------
        ReaderError
            If a file is damaged; the message names the frame.
        """
        before = 0
        last: float | None = None
        columns: tuple[str, ...] | None = None
        for path in self.source.paths:
            if stop is not None and before >= stop:
                return
            universe = self._universe(path)
            count = universe.trajectory.n_frames
            end = before + count if stop is None else min(stop, before + count)
            begin = start if before <= start else start + -(-(before - start) // step) * step
            for number, frame in enumerate(self._of(universe, path, before, range(begin - before, end - before, step))):
                where = f"{path}, frame {begin - before + number * step}"
                if last is not None and frame.time <= last:
                    raise ReaderError(
                        f"{where}: its time {frame.time:g} is not after {last:g}, that of the frame before. Expected "
                        "times that rise. A run that was started again may have written a frame twice; if the "
                        "file says no true times, count frames: reader: {times: frames, time_step: 0.5}."
                    )
                require_columns(frame, columns, where)
                last, columns = frame.time, tuple(frame.columns)
                yield frame
            before += count

    def _universe(self, path: Path) -> Any:
        with optional_packages():
            import MDAnalysis
        require_whole(path, self.kind, self.options.cut_off == "whole")
        given = [str(path)] if self.topology is None else [str(self.topology), str(path)]
        kind = "DCD" if self.kind == "LAMMPS" else self.kind
        try:
            with quiet():
                return MDAnalysis.Universe(
                    *given,
                    format=kind,
                    to_guess=(),
                    convert_units=self.options.units == "mdanalysis",
                    **self.topology_options,
                )
        except MemoryError:
            raise
        except Exception as error:  # readers of MDAnalysis raise whatever their file makes them raise
            of = f" with the topology {self.topology}" if self.topology else ""
            raise ReaderError(
                f"{path} cannot be read as {self.kind}{of}: {type(error).__name__}: {' '.join(str(error).split())}. "
                "It may be damaged or of another format, or the topology may be that of another system."
            ) from error

    def _of(self, universe: Any, path: Path, before: int, numbers: range) -> Iterator[Frame]:
        """Give the frames of one file by their numbers in it."""
        group = universe.atoms
        if self.options.select is not None:
            updating = moves(self.options.select)
            group = select_atoms(group, self.options.select, str(path), updating=updating)
        fixed: dict[str, Array] = {}
        for i in numbers:
            where = f"{path}, frame {i}"
            try:
                with quiet():
                    ts = universe.trajectory[i]
                    if not fixed or len(group) != len(fixed["index"]) or moves(self.options.select or ""):
                        fixed = {"index": np.array(group.indices)}
                        join_topology(fixed, group, slice(None))
                    content = self._moving(ts, fixed["index"])
            except MemoryError:
                raise
            except Exception as error:  # the same
                raise ReaderError(
                    f"{where} cannot be read: {type(error).__name__}: {' '.join(str(error).split())}. The file may be "
                    "damaged; copy it again, or stop before this frame."
                ) from error
            if "x" not in content:
                raise ReaderError(f"{where} has no positions; expected them in every frame.")
            content |= {name: column for name, column in fixed.items() if name != "index"}
            yield finished(
                self.options,
                None,
                content,
                where=where,
                time=self._time(universe, ts, before + i),
                step=_step(ts) if self.kind in ("XTC", "TRR") else None,
                ids=fixed["index"],
                cell=self._cell(ts, path, i, where),
                observables=_observables(ts),
            )

    def _moving(self, ts: Any, index: Array) -> dict[str, Array]:
        content: dict[str, Array] = {}
        for there, name, prefix in (
            (ts.has_positions, "positions", ""),
            (ts.has_velocities, "velocities", "v"),
            (ts.has_forces, "forces", "f"),
        ):
            if there:
                vectors = np.asarray(getattr(ts, name), dtype=np.float64)[index]
                content |= {prefix + axis: vectors[:, k].copy() for k, axis in enumerate(AXES)}
        return content

    def _time(self, universe: Any, ts: Any, number: int) -> float:
        step = self.options.time_step
        if self.kind in TIMELESS or self.options.times == "frames":
            return number * (1.0 if step is None else step)
        if step is not None:
            raise ReaderError(
                f"{self.source.path}: files of the format {self.kind} say times; leave 'time_step' out, or say "
                "times: frames."
            )
        if self.kind == "LAMMPS":
            header = universe.trajectory._file.header
            return float((header["istart"] + ts.frame * header["nsavc"]) * header["delta"])
        with quiet():
            return float(ts.time)

    def _cell(self, ts: Any, path: Path, frame: int, where: str) -> Array | None:
        with quiet():
            cell = ts.triclinic_dimensions
        if cell is None:
            return None
        cell = np.asarray(cell, dtype=np.float64)
        if self.kind in ("DCD", "LAMMPS") and np.any(ts.dimensions[3:] != 90.0):
            cell = _charmm_cell(_dcd_cell(path, frame), cell)
        if not np.isfinite(cell).all():
            raise ReaderError(f"{where}: the cell holds NaN or infinite numbers.")
        if self.options.periodic is not None:
            cell = cell * np.array([flag == "p" for flag in self.options.periodic])[:, None]
        return cell if cell.any() else None

    def _units(self, universe: Any) -> tuple[str, str, str]:
        if self.kind == "LAMMPS":
            length, time, velocity = LAMMPS_UNITS.get(self.options.lammps_units or "", ("", "", ""))
            counted = self.options.times == "frames" and self.options.time_step is None
            return length, velocity, "frames" if counted else time
        converted = self.options.units == "mdanalysis"
        units = {} if converted else universe.trajectory.units
        length = "Å" if converted else unit_name(units.get("length"))
        # MDAnalysis converts the AKMA times in the head of a DCD file, whatever is asked for
        time = "ps" if converted or self.kind == "DCD" else unit_name(units.get("time"))
        if self.kind in TIMELESS or self.options.times == "frames":
            time = "frames" if self.options.time_step is None else ""
        return length, "Å/ps" if converted else unit_name(units.get("velocity")), time


def _step(ts: Any) -> int | None:
    step = ts.data.get("step")
    return None if step is None else int(step)


def _observables(ts: Any) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in ts.data.items()
        if name not in ("step", "time", "dt", "time_offset") and np.ndim(value) == 0 and isinstance(value, float)
    }


def _dcd_cell(path: Path, frame: int) -> Array:
    """Read the six numbers that a frame of a DCD file has for its cell."""
    from MDAnalysis.lib.formats.libdcd import DCDFile

    with DCDFile(str(path)) as file:
        file.seek(frame)
        return np.array(file.read().unitcell, dtype=np.float64)


def _charmm_cell(raw: Array, cell: Array) -> Array:
    """Give the lattice vectors of CHARMM, whose symmetric matrix is turned against MDAnalysis's; others as they are."""
    angles = raw[[4, 3, 1]]
    as_cosines = (np.abs(angles) <= 1).all()
    if as_cosines or ((raw[[0, 2, 5]] >= 0).all() and (angles >= 0).all() and (angles <= 180).all()):
        return cell
    a, ab, b, ac, bc, c = raw
    return np.array([[a, ab, ac], [ab, b, bc], [ac, bc, c]])
