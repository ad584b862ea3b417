"""Every reader keeps the protocol here: it looks at a source, then gives its frames one after another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from setclosure.errors import ReaderError
from setclosure.parts import PartConfig

Array = np.ndarray[Any, Any]

HASHED_BYTES = 2**22
"""Bytes of a file that are read at a time for its checksum."""


@dataclass(frozen=True)
class Frame:
    """One microstate as a file holds it, before anybody has said what its columns mean.

    Attributes
    ----------
    time : float
        The time, in the unit of the file.
    columns : dict
        Numbers of each particle, ``(N,)`` float64, by name: ``x``, ``y``, ``z``, ``vx``, ``charge``, ``mass``, and any
        other column by its own name.
    ids : array or None
        The identity of each particle as in the file, whole numbers or text, ``(N,)``; None if the file has none.
    species : array or None
        The species of each particle as in the file, numbers or text, ``(N,)``; None if the file has none.
    cell : array or None
        Lattice vectors as rows, ``(k, k)``; a row of zeros is a direction that is not periodic. None if the file has
        no cell.
    observables : dict
        Numbers of the frame itself, by name.
    step : int or None
        The number of the step in the program that wrote the file, by which logs are joined.
    """

    time: float
    columns: dict[str, Array]
    ids: Array | None = None
    species: Array | None = None
    cell: Array | None = None
    observables: dict[str, float] = field(default_factory=dict)
    step: int | None = None

    def __len__(self) -> int:
        """Count the particles, N."""
        return len(next(iter(self.columns.values()), ()))


@dataclass(frozen=True)
class SourceFacts:
    """The facts that a reader finds at the first look at a source.

    Attributes
    ----------
    n_frames : int
        Frames, T.
    max_particles : int
        The most particles of a frame, N.
    columns : tuple of str
        Names of the columns of its frames.
    has_ids, has_cell : bool
        Whether its frames have identities of particles, and a cell.
    units : dict
        Unit of a column, by its name, where the file says it.
    time_unit : str
        Unit of the times, if the file says it.
    min_particles : int or None
        The fewest particles of a frame; None if that is known only when all is read.
    species : tuple or None
        The species that occur, as in the file; None if that is known only when all is read, or there are none.
    """

    n_frames: int
    max_particles: int
    columns: tuple[str, ...]
    has_ids: bool = False
    has_cell: bool = False
    units: dict[str, str] = field(default_factory=dict)
    time_unit: str = ""
    min_particles: int | None = None
    species: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Source:
    """The file or files of one trajectory.

    Attributes
    ----------
    paths : tuple of Path
        Its files, in order.
    values : dict
        What the names of the files say, by the names of the fields of their pattern.
    part : str or None
        Which trajectory it is, where a file holds several.
    """

    paths: tuple[Path, ...]
    values: dict[str, str] = field(default_factory=dict)
    part: str | None = None

    @property
    def path(self) -> Path:
        """The first file.

        :meta private:
        """
        return self.paths[0]  # left out of the reference, in which `path` is the type of arguments

    @property
    def name(self) -> str:
        """The name for messages: the file, and the trajectory in it if there are several."""
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.path}{more}" if self.part is None else f"{self.path}{more}, trajectory {self.part}"

    def files(self) -> list[dict[str, Any]]:
        """Give path, size in bytes, time of the last change and SHA-256 of every file, as JSON values.

        Raises
        ------
        ReaderError
            If a file cannot be read.
        """
        return [file_facts(path) for path in self.paths]


class ReaderConfig(PartConfig):
    """The base of the options of readers; a subclass has the options as fields, and says how to read.

    Readers give what a file says and interpret nothing: which columns are positions, and what a species is called, is
    said by an import specification. Particles are in the order of their identities, if the file has any.
    """

    path_options: ClassVar[tuple[str, ...]] = ()
    """The options that name files, such as a topology; in a specification they count from its folder."""

    def counted_from(self, folder: Path) -> Self:
        """Give the reader whose own files, where it names them by relative paths, count from a folder."""
        whole = {key: str(folder / value) for key in self.path_options if (value := getattr(self, key)) is not None}
        return self.model_copy(update=whole)

    @property
    def own_files(self) -> list[Path]:
        """The files that the options name; every trajectory comes from them, too."""
        return [Path(value) for key in self.path_options if (value := getattr(self, key)) is not None]

    def sources(self, source: Source) -> list[Source]:
        """List the trajectories of a file that may hold several; by default it holds one.

        Raises
        ------
        ReaderError
            If the file cannot be read.
        """
        return [source]

    def scan(self, source: Source) -> SourceFacts:
        """Look at a source without reading more of it than is needed.

        Raises
        ------
        ReaderError
            If it cannot be read; the message names the file, the place in it, and what was expected.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it looks at a source")

    def frames(self, source: Source, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give the frames ``start``, ``start`` + ``step``, … before ``stop``, in the order of the file.

        Raises
        ------
        ReaderError
            If a frame is damaged; the message names the file, the frame and the line or byte, and what was expected.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it reads frames")

    def giving_species(self, column: str) -> Self:
        """Give the reader whose frames have the species that a column, such as ``type`` or ``name``, says.

        A reader that can choose has the option ``species``; another one is returned as it is.

        Raises
        ------
        OptionsError
            If the reader knows no such column.
        """
        if "species" not in type(self).model_fields:
            return self
        return type(self).checked(self.options() | {"species": column})

    def where(self, source: Source, frame: int, particle: int) -> str:
        """Say for a message where a particle of a frame stands in the file, such as ``line 17``; empty if unknown."""
        return ""


def file_facts(path: Path) -> dict[str, Any]:
    """Give path, size, time of the last change and SHA-256 of a file, or of all files of a folder, as JSON values.

    Raises
    ------
    ReaderError
        If it cannot be read.
    """
    total, size, changed = hashlib.sha256(), 0, 0.0
    try:
        for file in files_of(path):
            if file != path:
                total.update(str(file.relative_to(path)).encode())
            with file.open("rb") as stream:
                while block := stream.read(HASHED_BYTES):
                    total.update(block)
            facts = file.stat()
            size, changed = size + facts.st_size, max(changed, facts.st_mtime)
    except OSError as error:
        raise ReaderError(f"{error.filename or path} cannot be read: {error.strerror}.") from error
    return {
        "path": str(path.resolve()),
        "size": size,
        "mtime": when(changed),
        "sha256": total.hexdigest(),
    }


def files_of(path: Path) -> list[Path]:
    """List the files of a folder, in the order of their names; a file stands for itself."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def when(seconds: float) -> str:
    """Give a time in seconds since 1970 as text in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
