"""The work on one file of an import, which any process can do that sees the file."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import MicrostateError, ReaderError, SetclosureError
from setclosure.registry import Plugin
from setclosure.trajectories.layout import Array, Trajectory
from setclosure.trajectories.readers.base import Source, SourceFacts, file_facts, files_of, when
from setclosure.trajectories.readers.microstates import (
    Interpreter,
    label_text,
    missing_column,
    needed_columns,
    raw_species,
)
from setclosure.trajectories.readers.observing import ContextValues, Observables
from setclosure.trajectories.readers.spec import ImportSpec


@dataclass(frozen=True)
class ImportOrder:
    """The facts that another process has to know to read for an import.

    Attributes
    ----------
    text : str
        The specification, as JSON.
    base : str
        The folder from which names of files count.
    plugins : tuple of Plugin
        What runs there before the specification is read.
    labels : tuple of (str, int)
        The index of each species by its label; none if all particles are of one.
    has_cell : bool
        Whether microstates get a cell.
    n_species : int
        S.
    fields : tuple of str
        The fields of the names of the files.
    """

    text: str
    base: str
    plugins: tuple[Plugin, ...] = ()
    labels: tuple[tuple[str, int], ...] = ()
    has_cell: bool = False
    n_species: int = 1
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Looked:
    """The findings of the first look at a trajectory.

    Attributes
    ----------
    source : Source
        The trajectory.
    facts : SourceFacts or None
        What the reader says; None if it cannot be used.
    frames : range
        The frames that are read.
    labels : tuple of str
        The species that were seen.
    has_cell : bool
        Whether it has a cell.
    problem : str
        Why it cannot be used; empty if it can.
    """

    source: Source
    facts: SourceFacts | None = None
    frames: range = range(0)
    labels: tuple[str, ...] = ()
    has_cell: bool = False
    problem: str = ""


@functools.lru_cache(maxsize=2)
def open_spec(order: ImportOrder) -> ImportSpec:
    """Read the specification of an order, in the process to which it was sent."""
    for plugin in order.plugins:
        plugin.load()
    spec = ImportSpec.parse(json.loads(order.text))
    return spec.model_copy(update={"reader": spec.reader.counted_from(Path(order.base))})


@functools.lru_cache(maxsize=2)
def _parts(order: ImportOrder) -> tuple[Interpreter, Observables, ContextValues]:
    spec = open_spec(order)
    return (
        Interpreter(spec, dict(order.labels), order.has_cell),
        Observables(spec, Path(order.base)),
        ContextValues(spec.context, Path(order.base), order.fields),
    )


def look(order: ImportOrder, source: Source) -> list[Looked]:
    """Look at the trajectories of a file; what cannot be used says why."""
    spec = open_spec(order)
    reader = spec.reading()
    try:
        parts = reader.sources(source)
    except Exception as error:  # of a reader's package: any
        return [Looked(source, problem=_said(source, error))]
    if not parts:
        return [Looked(source, problem=f"{source.name} holds no trajectory.")]
    return [_look(spec, part) for part in parts]


def _look(spec: ImportSpec, source: Source) -> Looked:
    reader, wanted = spec.reading(), spec.frames
    try:
        facts = reader.scan(source)
        frames = range(*slice(wanted.start, wanted.stop, wanted.step).indices(facts.n_frames))
        for name in needed_columns(spec):
            if name not in facts.columns:
                raise missing_column(name, facts.columns, source.name)
        if len(frames) < 2:
            raise ReaderError(
                f"{source.name} has {facts.n_frames} frames, of which {len(frames)} are read; expected at least two, "
                "because there is no course in time without. Leave it out, or change 'frames'."
            )
        labels = _labels(spec, source, facts)
    except Exception as error:  # of a reader's package: any
        return Looked(source, problem=_said(source, error))
    return Looked(source, facts, frames, labels, facts.has_cell)


def _labels(spec: ImportSpec, source: Source, facts: SourceFacts) -> tuple[str, ...]:
    """Give the species that are known of a source; the first frame tells, where its reader does not."""
    if spec.species is not None and (spec.species.column is None or spec.species.names):
        return tuple(spec.species.names)
    found: Any = facts.species
    if found is None:
        frame = next(iter(spec.reading().frames(source, 0, 1)), None)
        raw = None if frame is None else raw_species(spec, frame)
        if raw is None and spec.species is not None:
            raise missing_column(str(spec.species.column), facts.columns, source.name, "species: {from: …}")
        found = () if raw is None else np.unique(raw).tolist()
    labels = tuple(dict.fromkeys(label_text(label) for label in found))
    if spec.species is None and len(labels) > 1:
        raise ReaderError(
            f"{source.name} has particles of the species {', '.join(labels[:10])}, and the specification does not say "
            "what to do with them. Write species: {from: type} (or name, or a column), or species: none, by which all "
            "particles are alike."
        )
    return labels if spec.species is not None else ()


def read(order: ImportOrder, source: Source, frames: range) -> tuple[Trajectory, list[dict[str, Any]]]:
    """Read some frames of a source into a trajectory, and give the facts of the files that it comes from.

    Raises
    ------
    ReaderError
        If they cannot be read or kept; the message names the file, the frame and what was expected.
    """
    spec = open_spec(order)
    interpreter, observables, context = _parts(order)
    try:
        given = interpreter.microstates(source, spec.reading(), frames)
        features = spec.features.features()
        trajectory = Trajectory(
            points=_stacked(given.points),
            observables=observables.values(source, given, order.n_species, features),
            times=given.times,
            counts=np.array([len(x) for x in given.points]),
            species=_stacked(given.species) if given.species is not None and order.n_species > 1 else None,
            masses=None if given.masses is None else _stacked(given.masses),
            cell=given.cell,
            context=context.values(source, given),
        )
        files = [known_facts(path) for path in (*source.paths, *spec.reader.own_files, *observables.files(source))]
    except Exception as error:  # of a reader's package: any
        raise ReaderError(_said(source, error)) from error
    return trajectory, files


def known_facts(path: Path) -> dict[str, Any]:
    """Give what :func:`~setclosure.trajectories.readers.base.file_facts` gives; unchanged files are read once."""
    try:
        status = [file.stat() for file in files_of(path)]
    except OSError as error:
        raise ReaderError(f"{path} cannot be read: {error.strerror}.") from error
    return dict(_facts(path, sum(s.st_size for s in status), max((s.st_mtime_ns for s in status), default=0)))


def has_changed(file: dict[str, Any]) -> bool:
    """Tell whether a file that is still there has another content than these facts of it say."""
    path = Path(file["path"])
    if not path.exists():
        return False
    try:
        status = [of.stat() for of in files_of(path)]
    except OSError:
        return False
    if sum(of.st_size for of in status) == file["size"] and file["mtime"] == when(max(of.st_mtime for of in status)):
        return False
    return bool(known_facts(path)["sha256"] != file["sha256"])


@functools.lru_cache(maxsize=64)
def _facts(path: Path, size: int, changed: int) -> dict[str, Any]:
    return file_facts(path)


def _said(source: Source, error: Exception) -> str:
    """Give the message of an error, which names the file."""
    if isinstance(error, MicrostateError) or not isinstance(error, SetclosureError):
        kind = "" if isinstance(error, SetclosureError) else f"{type(error).__name__}: "
        return f"{source.name} cannot be read ({kind}{error}). Is it whole, and does the reader fit it?"
    return str(error)


def _stacked(rows: list[Array]) -> Array:
    """Give arrays of different lengths as one, with zeros behind."""
    out = np.zeros((len(rows), max(1, *(len(row) for row in rows)), *rows[0].shape[1:]))
    for t, row in enumerate(rows):
        out[t, : len(row)] = row
    return out
