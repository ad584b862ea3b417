"""GSD files of HOOMD-blue are read with velocities, image flags, tilted boxes and changing numbers of particles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.extras import optional_packages
from setclosure.trajectories.readers.base import Frame, Source, SourceFacts
from setclosure.trajectories.readers.finishing import AXES, facts, finished, least_and_most, require_columns
from setclosure.trajectories.readers.options import MDAnalysisOptions
from setclosure.trajectories.readers.selection import Selector, quiet

Array = np.ndarray[Any, Any]

NUMBERS = ("mass", "charge", "diameter", "body")
"""The quantities of a particle that are one number."""


@dataclass
class GSDFrames:
    """The reading of one source of GSD files.

    Parameters
    ----------
    source : Source
        The files.
    options : MDAnalysisOptions
        The options of the reader.
    topology : Universe, optional
        The topology, whose particles are those of the file in their order.
    """

    source: Source
    options: MDAnalysisOptions
    topology: Any = None

    def scan(self) -> SourceFacts:
        """Count the frames and the particles of each.

        Raises
        ------
        ReaderError
            If a file cannot be read.
        """
        counts = self._counts()
        first = next(self.frames(0, 1), None)
        if first is None:
            raise ReaderError(f"{self.source.name} has no frame.")
        sizes = min(counts), max(counts)
        counted = "frames" if self.options.times == "frames" else "steps"
        time = counted if self.options.time_step is None else ""
        if self.options.select is not None:
            sizes = least_and_most(self.frames())
        return facts(first, len(counts), sizes, "", "", time)

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give the frames asked for.

        Raises
        ------
        ReaderError
            If a file is damaged; the message names the frame.
        """
        counts = self._counts()
        # a particle keeps its number while none comes or goes
        constant = len(set(counts)) == 1
        selector = None if self.options.select is None else Selector(self.options.select, self.topology)
        wanted = set(range(len(counts))[slice(start, stop, step)])
        last = -1
        columns: tuple[str, ...] | None = None
        number = 0
        for path in self.source.paths:
            with _opened(path) as file:
                for i in range(len(file)):
                    where = f"{path}, frame {i}"
                    if number in wanted:
                        with _reading(where):
                            snapshot = file[i]
                            content = self._content(file, snapshot, where)
                        if snapshot.configuration.step <= last and self.options.times == "file":
                            raise ReaderError(
                                f"{where}: its step {snapshot.configuration.step} is not after {last}, that of the "
                                "frame before; expected steps that rise. Frames can be counted instead: reader: "
                                "{times: frames}."
                            )
                        last = snapshot.configuration.step
                        frame = self._frame(snapshot, content, selector, number, constant, where)
                        require_columns(frame, columns, where)
                        columns = tuple(frame.columns)
                        yield frame
                    number += 1

    def _counts(self) -> list[int]:
        counts = []
        for path in self.source.paths:
            with _opened(path) as file, _reading(str(path)):
                before = 0
                for i in range(len(file)):
                    if file.file.chunk_exists(frame=i, name="particles/N"):
                        before = int(file.file.read_chunk(frame=i, name="particles/N")[0])
                    elif i and file.file.chunk_exists(frame=0, name="particles/N"):
                        before = int(file.file.read_chunk(frame=0, name="particles/N")[0])
                    counts.append(before)
        return counts

    def _content(self, file: Any, snapshot: Any, where: str) -> dict[str, Array]:
        particles = snapshot.particles
        content = _vectors("", particles.position)
        if _has(file, "velocity"):
            content |= _vectors("v", particles.velocity)
        images = {f"i{axis}": c for axis, c in _vectors("", particles.image).items()} if _has(file, "image") else {}
        content |= images
        if self.options.unwrap:
            if not images:
                raise ReaderError(f"{where}: the file has no image flags, so positions cannot be unwrapped.")
            shift = np.asarray(particles.image, dtype=np.float64) @ _lattice(snapshot)
            for k, axis in enumerate(AXES):
                content[axis] = content[axis] + shift[:, k]
        content["type"] = np.array(particles.types, dtype=str)[np.asarray(particles.typeid, dtype=int)]
        for name in NUMBERS:
            if _has(file, name):
                content[name] = np.array(getattr(particles, name), dtype=np.float64)
        if _has(file, "orientation"):
            quaternions = np.asarray(particles.orientation, dtype=np.float64)
            content |= {f"orientation{k}": quaternions[:, k].copy() for k in range(4)}
        return content

    def _frame(
        self,
        snapshot: Any,
        content: dict[str, Array],
        selector: Selector | None,
        number: int,
        constant: bool,
        where: str,
    ) -> Frame:
        n = int(snapshot.particles.N)
        if self.topology is not None and self.topology.atoms.n_atoms != n:
            raise ReaderError(
                f"{where} has {n} particles, and the topology {self.topology.atoms.n_atoms}; expected the same."
            )
        step = int(snapshot.configuration.step)
        counted = number if self.options.times == "frames" else step
        lattice = _lattice(snapshot)
        if self.options.periodic is not None:
            lattice = lattice * np.array([flag == "p" for flag in self.options.periodic])[:, None]
        return finished(
            self.options,
            selector,
            content,
            where=where,
            time=counted * (1.0 if self.options.time_step is None else self.options.time_step),
            step=step,
            ids=np.arange(n) if constant else None,
            topology=self.topology,
            rows=np.arange(n),
            cell=lattice if lattice.any() else None,
            observables={
                str(name): float(np.ravel(value)[0]) for name, value in snapshot.log.items() if np.size(value) == 1
            },
        )


def _lattice(snapshot: Any) -> Array:
    """Give the lattice vectors; HOOMD's box has tilt factors, and no third direction in the plane."""
    a, b, c, xy, xz, yz = np.asarray(snapshot.configuration.box, dtype=np.float64)
    if snapshot.configuration.dimensions == 2:
        c = 0.0
    return np.array([[a, 0, 0], [xy * b, b, 0], [xz * c, yz * c, c]])


def _vectors(prefix: str, values: Any) -> dict[str, Array]:
    array = np.asarray(values, dtype=np.float64)
    return {prefix + axis: array[:, k].copy() for k, axis in enumerate(AXES)}


def _has(file: Any, name: str) -> bool:
    """Say whether the first frame, from which later ones inherit, has a quantity of the particles."""
    there: bool = file.file.chunk_exists(frame=0, name=f"particles/{name}")
    return there


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with optional_packages():
        import gsd.hoomd
    if not path.is_file():
        raise ReaderError(f"{path} is not there.")
    with _reading(str(path)):
        file = gsd.hoomd.open(str(path), "r")
    try:
        yield file
    finally:
        file.close()


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        with quiet():
            yield
    except (ReaderError, MemoryError):
        raise
    except Exception as error:  # the package raises several kinds
        raise ReaderError(
            f"{where} cannot be read: {type(error).__name__}: {' '.join(str(error).split())}. Expected a GSD file of "
            "HOOMD-blue that is whole; copy it again."
        ) from error
