"""Arrays of NumPy, HDF5 and Zarr files: a frame in each row, and a particle in each place."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from setclosure.errors import ReaderError
from setclosure.extras import optional_packages
from setclosure.registry import register
from setclosure.trajectories.readers.base import Array, Frame, ReaderConfig, Source, SourceFacts
from setclosure.trajectories.readers.microstates import missing_column
from setclosure.trajectories.readers.pattern import natural_order

HDF5 = (".h5", ".hdf5", ".hdf", ".he5", ".nxs")
"""Endings of HDF5 files."""


@register("reader", "arrays")
class ArraysReader(ReaderConfig):
    """Arrays of an ``.npz``, HDF5 or Zarr file by name, T frames long.

    An array of particles is ``(T, N, c)`` with c columns, ``(T, N)`` with one, or without the axis T if it never
    changes. Fewer particles than N are there where ``counts`` or ``present`` says so, or a mask covers them.
    """

    columns: dict[str, tuple[str, ...]] = Field(
        min_length=1, description="The columns of each array of particles: {positions: [x, y], charge: [q]}."
    )
    times: str | None = Field(None, description="Array (T,) of times; by default frame × time_step.")
    time_step: float = Field(1.0, gt=0, description="Time from one frame to the next, if there are no times.")
    counts: str | None = Field(
        None, description="Array (T,): how many of the N places hold a particle, the first ones."
    )
    present: str | None = Field(None, description="Array (T, N), true or one where a place holds a particle.")
    ids: str | None = Field(None, description="Array (N,) or (T, N) of identities.")
    species: str | None = Field(None, description="Array (N,) or (T, N) of species; species: {from: …} sets it.")
    cell: str | None = Field(None, description="Array of lengths (k,), (T, k) or lattice vectors (k, k), (T, k, k).")
    observables: dict[str, str] = Field({}, description="Arrays (T,) of numbers of the frames, and their names here.")
    steps: str | None = Field(None, description="Array (T,) of the program's numbers of steps.")
    groups: str | None = Field(
        None, description="Pattern of the groups of an HDF5 or Zarr file that each hold a trajectory, such as run_*."
    )

    def sources(self, source: Source) -> list[Source]:
        """List the groups of the file that hold trajectories."""
        if self.groups is None:
            return [source]
        names = _groups(_one(source), self.groups)
        if not names:
            raise ReaderError(f"{source.path} has no group like '{self.groups}'.")
        return [Source(source.paths, source.values, name) for name in names]

    def scan(self, source: Source) -> SourceFacts:
        """Look at the shapes, and at the counts where particles come and go."""
        arrays = _Arrays(self, source)
        fewest, most = arrays.sizes()
        return SourceFacts(
            n_frames=arrays.n_frames,
            max_particles=most,
            min_particles=fewest,
            columns=tuple(name for names in self.columns.values() for name in names),
            has_ids=self.ids is not None,
            has_cell=self.cell is not None,
        )

    def frames(self, source: Source, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give frames in the order of the arrays, particles in the order of their identities."""
        arrays = _Arrays(self, source)
        for t in range(*slice(start, stop, step).indices(arrays.n_frames)):
            yield arrays.frame(t)


class _Arrays:
    """The arrays of one trajectory, which are checked against each other, and read frame by frame."""

    def __init__(self, config: ArraysReader, source: Source) -> None:
        self.config, self.source = config, source
        self._get = _opened(_one(source), source.part)
        shapes = {name: self._array(name).shape for name in config.columns}
        lead = next((n for n in config.columns if len(shapes[n]) == (2 if self._one_column(n) else 3)), None)
        if lead is None:
            raise ReaderError(
                f"{source.name} has arrays of shapes {shapes}; expected at least one of shape (T, N, c) with "
                "the c columns that are named for it, or (T, N) with one."
            )
        self.n_frames, self.n_places = shapes[lead][:2]
        for name, shape in shapes.items():
            c = () if self._one_column(name) else (len(config.columns[name]),)
            self._require_shape(name, shape, [(self.n_frames, self.n_places, *c), (self.n_places, *c)])
        per_particle, per_frame = [(self.n_places,), (self.n_frames, self.n_places)], [(self.n_frames,)]
        for of_particles in (config.ids, config.species):
            if of_particles is not None:
                self._require_shape(of_particles, self._array(of_particles).shape, per_particle)
        for of_frames in (config.times, config.counts, config.steps, *config.observables):
            if of_frames is not None:
                self._require_shape(of_frames, self._array(of_frames).shape, per_frame)
        if config.present is not None:
            self._require_shape(config.present, self._array(config.present).shape, per_particle[1:])

    def sizes(self) -> tuple[int, int]:
        """Give the fewest and the most particles of a frame."""
        n = np.full(self.n_frames, self.n_places)
        if self.config.present is not None:
            n = np.asarray(self._array(self.config.present)[...]).astype(bool).sum(axis=1)
        if self.config.counts is not None:
            n = np.minimum(n, np.asarray(self._array(self.config.counts)[...]).astype(int))
        return int(n.min()), int(n.max())

    def frame(self, t: int) -> Frame:
        """Read frame ``t``."""
        config = self.config
        columns: dict[str, Array] = {}
        for name, names in config.columns.items():
            values = self._row(name, t, 1 if self._one_column(name) else 2)
            try:
                values = np.asarray(values, dtype=np.float64).reshape(self.n_places, len(names))
            except (TypeError, ValueError) as error:
                raise ReaderError(f"{self._where(t)}: '{name}' holds no numbers ({error}).") from error
            columns |= {column: values[:, j] for j, column in enumerate(names)}
        there = self._there(t)
        ids = None if config.ids is None else self._row(config.ids, t, 1)
        species = None if config.species is None else self._row(config.species, t, 1)
        chosen = np.flatnonzero(there)
        if ids is not None:
            order = np.argsort(ids[chosen], kind="stable")
            twice = np.flatnonzero(ids[chosen][order][1:] == ids[chosen][order][:-1])
            if len(twice):
                raise ReaderError(f"{self._where(t)}: two particles have the identity {ids[chosen][order][twice[0]]}.")
            chosen = chosen[order]
        return Frame(
            time=t * config.time_step if config.times is None else self._number(config.times, t),
            columns={name: column[chosen] for name, column in columns.items()},
            ids=None if ids is None else ids[chosen],
            species=None if species is None else species[chosen],
            cell=None if config.cell is None else self._cell(t),
            observables={here: self._number(name, t) for name, here in config.observables.items()},
            step=t if config.steps is None else int(self._number(config.steps, t)),
        )

    def _there(self, t: int) -> Array:
        there = np.ones(self.n_places, bool)
        if self.config.counts is not None:
            count = self._number(self.config.counts, t)
            if not (count == int(count) and 0 <= count <= self.n_places):
                raise ReaderError(f"{self._where(t)}: its count is {count:g}; expected 0 to {self.n_places} particles.")
            there = np.arange(self.n_places) < count
        if self.config.present is not None:
            there &= np.asarray(self._array(self.config.present)[t]).astype(bool)
        return there

    def _cell(self, t: int) -> Array:
        array = self._array(str(self.config.cell))
        if array.ndim == 3 or (array.ndim == 2 and array.shape[0] == self.n_frames != array.shape[1]):
            cell = np.asarray(array[t], dtype=np.float64)
        elif array.ndim == 2 and array.shape[0] == self.n_frames == array.shape[1]:
            raise ReaderError(
                f"{self.source.name}: the cell '{self.config.cell}' has the shape {array.shape}, which may be one "
                "matrix or the lengths of each frame. Store matrices (T, k, k)."
            )
        else:
            cell = np.asarray(array[...], dtype=np.float64)
        return np.diag(cell) if cell.ndim == 1 else cell

    def _number(self, name: str, t: int) -> float:
        value = float(self._array(name)[t])
        if not np.isfinite(value):
            raise ReaderError(f"{self._where(t)}: '{name}' is {value}; expected a finite number.")
        return value

    def _row(self, name: str, t: int, depth: int) -> Array:
        """Read the entries of frame ``t`` of an array that has ``depth`` axes a frame."""
        array = self._array(name)
        values = np.asarray(array[t] if array.ndim > depth else array[...])
        return values.astype(str) if values.dtype.kind in "SO" else values

    def _one_column(self, name: str) -> bool:
        return len(self.config.columns[name]) == 1 and len(self._array(name).shape) <= 2

    def _array(self, name: str) -> Any:
        return self._get(name)

    def _where(self, t: int) -> str:
        return f"{self.source.name}, frame {t}"

    def _require_shape(self, name: str, shape: tuple[int, ...], expected: Sequence[tuple[int, ...]]) -> None:
        if tuple(shape) not in expected:
            raise ReaderError(
                f"{self.source.name}: the array '{name}' has the shape {tuple(shape)}; expected "
                f"{' or '.join(map(str, expected))}, for {self.n_frames} frames of {self.n_places} places."
            )


def _one(source: Source) -> Path:
    if len(source.paths) > 1:
        raise ReaderError(f"{source.name} are several files; expected one for a trajectory.")
    return source.path


def _opened(path: Path, part: str | None) -> Callable[[str], Any]:
    """Open a file, and give what gives its arrays by name."""
    try:
        status = path.stat()
    except OSError as error:
        raise ReaderError(f"{path} cannot be read: {error.strerror}.") from error
    return _open(path, part, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _open(path: Path, part: str | None, size: int, changed: int) -> Callable[[str], Any]:
    if path.suffix == ".npz":
        held = _npz(path)
        known: Any = held
    else:
        known = _tree(path)
        if part is not None:
            known = known[part]

    @functools.cache
    def array(name: str) -> Any:
        found = known.get(name) if name in known else None
        if found is None or not hasattr(found, "shape"):
            raise missing_column(name, sorted(map(str, known)), str(path), "the reader")
        return found

    return array


def _npz(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds
        raise ReaderError(f"{path} cannot be read as .npz: {error}. Expected arrays of numbers by name.") from error


def _tree(path: Path) -> Any:
    """Open an HDF5 file or a Zarr group."""
    try:
        if path.suffix.lower() in HDF5:
            with optional_packages():
                import h5py
            return h5py.File(path, "r")
        import zarr

        return zarr.open_group(path, mode="r")
    except ImportError:
        raise
    except Exception as error:  # both raise many kinds
        raise ReaderError(
            f"{path} cannot be read: {error}. Expected an .npz file, an HDF5 file ({', '.join(HDF5)}) or a Zarr group."
        ) from error


def _groups(path: Path, pattern: str) -> list[str]:
    """List the groups of a file that a pattern names, numbers in their names as numbers."""
    if path.suffix == ".npz":
        raise ReaderError(f"{path} has no groups; an .npz file holds one trajectory.")
    tree = _tree(path)
    names = [str(name) for name in tree if fnmatch.fnmatchcase(str(name), pattern) and not hasattr(tree[name], "shape")]
    return [str(name) for name in natural_order([Path(name) for name in names])]
