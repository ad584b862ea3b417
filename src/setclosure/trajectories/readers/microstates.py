"""Frames become microstates: columns get their roles, labels become species, images unwrap."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from setclosure.errors import MicrostateError, ReaderError
from setclosure.sets.cell import cell_matrices
from setclosure.trajectories.readers.base import Array, Frame, ReaderConfig, Source
from setclosure.trajectories.readers.spec import Angle, ImportSpec

_AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True)
class Microstates:
    """The microstates of some frames of one source.

    Attributes
    ----------
    frames : list of Frame
        What was read.
    index : list of int
        Which frame of the source each one is.
    points, species, masses : list of array
        ``(N_t, d)``, ``(N_t,)`` and ``(N_t,)`` for each frame; None where there is none.
    cell : array or None
        Lattice vectors ``(T, k, k)``.
    """

    frames: list[Frame]
    index: list[int]
    points: list[Array]
    species: list[Array] | None
    masses: list[Array] | None
    cell: Array | None

    @property
    def times(self) -> Array:
        """The times of the frames, ``(T,)``."""
        return np.array([frame.time for frame in self.frames])


def needed_columns(spec: ImportSpec) -> tuple[str, ...]:
    """List the columns that a specification needs of every frame, each once."""
    images = tuple(f"i{name}" for name in spec.features.position) if spec.unwrap == "images" else ()
    weights = () if spec.weights is None else (spec.weights,)
    return tuple(dict.fromkeys((*spec.features.columns(), *weights, *images)))


def missing_column(name: str, known: Iterable[str], where: str, needed_by: str = "the specification") -> ReaderError:
    """Give the error that tells which column is missing, and which ones there are."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return ReaderError(
        f"{where} has no column '{name}' of numbers, which {needed_by} names.{hint} Its columns are: "
        f"{', '.join(known) or 'none'}."
    )


class Interpreter:
    """The meaning of the columns of a source, as a specification says it.

    Parameters
    ----------
    spec : ImportSpec
        The specification.
    labels : dict
        The index of each species by its label in the files; without any, all particles are of one species.
    has_cell : bool
        Whether microstates get a cell.
    """

    def __init__(self, spec: ImportSpec, labels: dict[str, int], has_cell: bool) -> None:
        self.spec, self.labels, self.has_cell = spec, labels, has_cell
        self._columns = spec.features.columns()

    def microstates(self, source: Source, reader: ReaderConfig, indices: range) -> Microstates:
        """Read frames of a source.

        Raises
        ------
        ReaderError
            If a frame is damaged or missing, lacks a column, or holds a number that cannot be kept.
        """
        frames: list[Frame] = []
        points, species, masses, cells = [], [], [], []
        unwrap = _Unwrapping(self.spec) if self.spec.unwrap else None
        index = list(indices)
        for frame in reader.frames(source, indices.start, indices[-1] + 1, indices.step):
            place = _Place(source, reader, index[len(frames)], frame)
            values = self._values(frame, place)
            cell = self._cell(frame, place) if self.has_cell or unwrap else None
            if unwrap is not None and cell is not None:
                k = len(self.spec.features.position)
                values[:, :k] = unwrap(frame, values[:, :k], cell, place)
            points.append(values)
            if self.labels:
                species.append(self._species(frame, place))
            if self.spec.weights is not None:
                masses.append(_weights(frame, self.spec.weights, place))
            if cell is not None:
                cells.append(cell)
            frames.append(frame)
            if len(frames) == len(index):
                break
        if len(frames) < len(index):
            raise ReaderError(
                f"{source.name} ended before frame {index[len(frames)]}; frames up to {index[-1]} were expected, as it "
                "had them when it was looked at. Is it still being written?"
            )
        return Microstates(
            frames,
            index,
            points,
            species if self.labels else None,
            masses if self.spec.weights is not None else None,
            np.stack(cells) if self.has_cell else None,
        )

    def _values(self, frame: Frame, place: _Place) -> Array:
        """Give the features of the particles, ``(N, d)``."""
        raw = np.empty((len(frame), len(self._columns)))
        for j, name in enumerate(self._columns):
            raw[:, j] = column_of(frame, name, place)
        if not np.isfinite(raw).all():
            i, j = np.argwhere(~np.isfinite(raw))[0].tolist()
            raise ReaderError(
                f"{place.of(i)}: '{self._columns[j]}' is {raw[i, j]}; expected a finite number. Repair the file, or "
                "leave that particle or that frame out of it."
            )
        if not any(isinstance(vector, Angle) for vector in self.spec.features.vectors):
            return raw
        k = len(self.spec.features.position)
        parts, j = [raw[:, :k]], k
        for vector in self.spec.features.vectors:
            width = 1 if isinstance(vector, Angle) else k
            part = raw[:, j : j + width]
            if isinstance(vector, Angle):
                angle = np.deg2rad(part) if vector.unit == "degrees" else part
                part = np.hstack([np.cos(angle), np.sin(angle)])
            parts.append(part)
            j += width
        return np.hstack([*parts, raw[:, j:]])

    def _species(self, frame: Frame, place: _Place) -> Array:
        """Give the species 0 … S − 1 of each particle, ``(N,)``."""
        raw = raw_species(self.spec, frame)
        if raw is None:
            column = self.spec.species.column if self.spec.species else None
            raise missing_column(str(column), frame.columns, place.of(), "species: {from: …}")
        labels, inverse = np.unique(raw, return_inverse=True)
        unknown = [k for k, label in enumerate(labels) if label_text(label) not in self.labels]
        if unknown:
            i = int(np.argmax(inverse == unknown[0]))
            raise ReaderError(
                f"{place.of(i)}: its species is '{label_text(labels[unknown[0]])}'; expected one of "
                f"{', '.join(self.labels)}. Name all species of the files in species: {{names: …}}, or leave those "
                "particles out."
            )
        index = np.array([self.labels[label_text(label)] for label in labels], dtype=np.int64)
        return np.asarray(index[inverse.reshape(-1)] if len(labels) else np.zeros(0, np.int64))

    def _cell(self, frame: Frame, place: _Place) -> Array:
        """Give the lattice vectors along the axes of the position, ``(k, k)``."""
        k, given = len(self.spec.features.position), self.spec.cell
        if isinstance(given, tuple):
            return _checked_cell(given, k, "the specification")
        if frame.cell is None:
            raise ReaderError(
                f"{place.of()} has no cell; expected one, as in the other frames. Give it in the specification: "
                "cell: [length, …], or cell: none."
            )
        cell = np.asarray(frame.cell, dtype=np.float64)
        axes = [_AXES[name] for name in self.spec.features.position if name in _AXES]
        if len(cell) != k:
            if len(axes) != k:
                raise ReaderError(
                    f"{place.of()} has a cell of {len(cell)} directions, and the position has the {k} coordinates "
                    f"{', '.join(self.spec.features.position)}; which are which cannot be told. Give the cell in the "
                    "specification, or call the columns x, y, z."
                )
            rest = [axis for axis in range(len(cell)) if axis not in axes]
            if np.any(cell[np.ix_(axes, rest)]) or np.any(cell[np.ix_(rest, axes)]):
                raise ReaderError(
                    f"{place.of()} has a cell whose lattice vectors mix {', '.join(self.spec.features.position)} with "
                    f"the other directions: {cell.tolist()}. Make all of them coordinates of the position."
                )
            cell = cell[np.ix_(axes, axes)]
        return _checked_cell(cell, k, place.of())


@dataclass(frozen=True)
class _Place:
    """A frame of a source, for messages."""

    source: Source
    reader: ReaderConfig
    index: int
    frame: Frame

    def of(self, particle: int | None = None) -> str:
        """Name the frame, or a particle in it with its identity and its line."""
        text = f"{self.source.name}, frame {self.index}"
        if particle is None:
            return text
        ids = self.frame.ids
        text += f", particle {particle if ids is None else ids[particle]}"
        where = self.reader.where(self.source, self.index, particle)
        return f"{text} ({where})" if where else text


class _Unwrapping:
    """Positions of a wrapped trajectory become those that a particle would have had without the wrapping."""

    def __init__(self, spec: ImportSpec) -> None:
        self.by_images = spec.unwrap == "images"
        self.position = spec.features.position
        self._last: tuple[Array, Array, Array] | None = None  # ids, wrapped, unwrapped

    def __call__(self, frame: Frame, x: Array, cell: Array, place: _Place) -> Array:
        """Unwrap the positions ``(N, k)`` of the next frame."""
        if self.by_images:
            images = np.stack([column_of(frame, f"i{name}", place) for name in self.position], axis=1)
            if (images != np.rint(images)).any():
                i = int(np.argwhere(images != np.rint(images))[0, 0])
                raise ReaderError(f"{place.of(i)}: its images are {images[i].tolist()}; expected whole numbers.")
            return np.asarray(x + images @ cell)
        if frame.ids is None:
            raise ReaderError(
                f"{place.of()} has no identities of particles, without which nobody can say who moved. Write them into "
                "the file (id), or write images (ix iy iz) and say unwrap: images."
            )
        out = x.copy()
        if self._last is not None:
            ids, wrapped, unwrapped = self._last
            if np.array_equal(ids, frame.ids):
                now = then = np.arange(len(ids))
            else:
                _, then, now = np.intersect1d(ids, frame.ids, return_indices=True)
            periodic = np.any(cell != 0, axis=1)
            whole = cell + np.diag(np.where(periodic, 0.0, 1.0))
            step = (x[now] - wrapped[then]) @ np.linalg.inv(whole)
            step[:, periodic] -= np.rint(step[:, periodic])
            out[now] = unwrapped[then] + step @ whole
        self._last = (frame.ids, x, out)
        return out


def column_of(frame: Frame, name: str, place: Any) -> Array:
    """Give one column of a frame.

    Raises
    ------
    ReaderError
        If the frame has no such column.
    """
    if name not in frame.columns:
        raise missing_column(name, frame.columns, place.of())
    return frame.columns[name]


def raw_species(spec: ImportSpec, frame: Frame) -> Array | None:
    """Give the labels of the species of a frame as the file has them, None if it has none."""
    column = spec.species.column if spec.species else None
    if column is not None and (frame.species is None or "species" not in type(spec.reader).model_fields):
        return frame.columns.get(column, frame.species)
    return frame.species


def label_text(label: Any) -> str:
    """Give the label of a species as text: whole numbers without a point.

    Examples
    --------
    >>> label_text(1.0), label_text(b"Na")
    ('1', 'Na')
    """
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    if isinstance(label, (float, np.floating)) and float(label).is_integer():
        return str(int(label))
    return str(label)


def _weights(frame: Frame, name: str, place: _Place) -> Array:
    weights = column_of(frame, name, place)
    wrong = ~(np.isfinite(weights) & (weights > 0))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ReaderError(f"{place.of(i)}: its weight '{name}' is {weights[i]}; expected a positive number.")
    return weights


def _checked_cell(cell: Any, k: int, where: str) -> Array:
    try:
        matrices = cell_matrices(cell, k)
    except MicrostateError as error:
        raise ReaderError(f"{where}: {error}") from error
    if matrices.shape != (k, k):
        raise ReaderError(f"{where} has a cell of shape {matrices.shape}; expected ({k},) or ({k}, {k}).")
    return matrices
