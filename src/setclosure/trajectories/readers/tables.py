"""Tables have a row for each particle and frame: tracking programs, pedestrians, cells, stars."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from setclosure.errors import ReaderError
from setclosure.extras import optional_packages
from setclosure.registry import register
from setclosure.settings import OptionsError
from setclosure.trajectories.readers.base import Array, Frame, ReaderConfig, Source, SourceFacts
from setclosure.trajectories.readers.microstates import label_text, missing_column

PARQUET = (".parquet", ".pq")
"""Endings of Parquet files; other files are read as text."""


@register("reader", "table")
class TableReader(ReaderConfig):
    """A CSV or Parquet file with a row for each particle and frame.

    Rows may be in any order. Particles come and go as they have rows, and a frame without any row is not there, so that
    the time over it is longer.
    """

    trajectory: str | None = Field(None, description="Column of the trajectory; by default a file holds one.")
    frame: str | None = Field(None, description="Column of the number of the frame.")
    time: str | None = Field(None, description="Column of the time; by default frame × time_step.")
    time_step: float = Field(1.0, gt=0, description="Time from one number of a frame to the next.")
    particle: str | None = Field(None, description="Column of the identity of a particle, if there is one.")
    species: str | None = Field(
        None, description="Column of the species; species: {from: …} of a specification sets it."
    )
    separator: str = Field(",", min_length=1, description="What stands between two columns of a text file.")
    cut_off: Literal["refuse", "whole"] = Field(
        "refuse", description="A last line without a line break is refused, as it may be half a row, or taken as whole."
    )

    @model_validator(mode="after")
    def _has_course(self) -> TableReader:
        if self.frame is None and self.time is None:
            raise OptionsError(["frame: the column of the frame, or of the time, is required."])
        return self

    def sources(self, source: Source) -> list[Source]:
        """List the trajectories of the table, in the order in which they begin."""
        return [Source(source.paths, source.values, part) for part in _table(self, source).parts]

    def scan(self, source: Source) -> SourceFacts:
        """Count frames and particles; the whole table is read, and kept for the frames."""
        table = _table(self, source)
        rows = table.of(source)
        sizes = np.diff(np.append(rows.first, len(rows.order)))
        species = None
        if table.species is not None:
            species = tuple(dict.fromkeys(label_text(label) for label in np.unique(table.species[rows.order])))
        return SourceFacts(
            n_frames=len(rows.first),
            max_particles=int(sizes.max()),
            min_particles=int(sizes.min()),
            columns=tuple(table.columns),
            has_ids=table.ids is not None,
            species=species,
        )

    def frames(self, source: Source, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give frames in the order of time, particles in the order of their identities."""
        table = _table(self, source)
        rows = table.of(source)
        ends = np.append(rows.first[1:], len(rows.order))
        for t in range(*slice(start, stop, step).indices(len(ends))):
            of_t = rows.order[rows.first[t] : ends[t]]
            yield Frame(
                time=float(table.times[of_t[0]]),
                columns={name: column[of_t] for name, column in table.columns.items()},
                ids=None if table.ids is None else table.ids[of_t],
                species=None if table.species is None else table.species[of_t],
                step=None if table.numbers is None else int(table.numbers[of_t[0]]),
            )

    def where(self, source: Source, frame: int, particle: int) -> str:
        """Say in which line or row of the file a particle of a frame stands."""
        table = _table(self, source)
        rows = table.of(source)
        return table.line(int(rows.order[rows.first[frame] + particle]))


@dataclass(frozen=True)
class _Rows:
    """The rows of a trajectory in the order of frames and particles, and where each frame begins among them."""

    order: Array
    first: Array


@dataclass(frozen=True)
class _Table:
    """The columns of a file, and the rows of each of its trajectories."""

    config: TableReader
    path: Path
    data: Any
    columns: dict[str, Array]
    ids: Array | None
    species: Array | None
    parts: dict[str | None, Array]
    text: bool
    sorted: dict[str | None, _Rows] = field(default_factory=dict)

    def of(self, source: Source) -> _Rows:
        """Give the rows of a source in order; what is wrong in them is told here, and costs one trajectory."""
        if source.part not in self.parts:
            known = ", ".join(str(part) for part in self.parts)
            raise ReaderError(f"{source.path} has no trajectory '{source.part}'; it has: {known}.")
        if source.part not in self.sorted:
            self.sorted[source.part] = _sorted(self, self.parts[source.part])
        return self.sorted[source.part]

    @property
    def times(self) -> Array:
        """The time of each row."""
        if self.config.time is not None:
            return self.columns[self.config.time]
        return self.columns[str(self.config.frame)] * self.config.time_step

    @property
    def numbers(self) -> Array | None:
        """The number of the frame of each row."""
        return None if self.config.frame is None else self.columns[self.config.frame]

    def line(self, row: int) -> str:
        """Say where a row stands in the file."""
        return f"line {row + 2}" if self.text else f"row {row}"

    def refuse(self, rows: Array, good: Array, name: str, expected: str) -> None:
        """Raise an error that names the first of some rows that is not good."""
        wrong = rows[~good[rows]]
        if len(wrong):
            row = int(wrong[0])
            raise ReaderError(
                f"{self.path}, {self.line(row)}: '{name}' is {_shown(self.data[name][row])}; expected {expected}. "
                "Repair the file."
            )


def _table(config: TableReader, source: Source) -> _Table:
    """Read the table of a source, or take it from memory if the file has not changed."""
    if len(source.paths) > 1:
        raise ReaderError(
            f"{source.name} are several tables; expected one for a trajectory. Name each as an entry of its own, or "
            "write them into one table with a column of the trajectory."
        )
    try:
        status = source.path.stat()
    except OSError as error:
        raise ReaderError(f"{source.path} cannot be read: {error.strerror}.") from error
    options = json.dumps({key: getattr(config, key) for key in TableReader.model_fields})  # of a subclass, too
    return _read(options, source.path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _read(options: str, path: Path, size: int, changed: int) -> _Table:
    config = TableReader.model_validate_json(options)
    data = _file(config, path)
    text = path.suffix.lower() not in PARQUET
    rows = np.asarray(data.dropna(how="all").index if text else data.index)  # an empty line is no row
    if not len(rows):
        raise ReaderError(f"{path} has no rows; expected one for each particle and frame.")
    for name in (config.trajectory, config.frame, config.time, config.particle, config.species):
        if name is not None and name not in data.columns:
            raise missing_column(name, data.columns, str(path), "the reader")
    columns = {str(name): numbers for name in data.columns if (numbers := _numbers(data[name])) is not None}
    for name in (config.frame, config.time):
        if name is not None and name not in columns:
            raise ReaderError(f"{path}: no entry of '{name}' is a number; the first is {_shown(data[name][rows[0]])}.")
    ids, species, labels = (
        None if name is None else _labels(data[name], rows)
        for name in (config.particle, config.species, config.trajectory)
    )
    table = _Table(config, path, data, columns, ids, species, {None: rows}, text)
    if labels is None:
        return table
    table.refuse(rows, ~data[config.trajectory].isna().to_numpy(), str(config.trajectory), "a trajectory in every row")
    found, first, inverse = np.unique(labels[rows], return_index=True, return_inverse=True)
    return replace(table, parts={label_text(found[k]): rows[inverse == k] for k in np.argsort(first)})


def _file(config: TableReader, path: Path) -> Any:
    """Read a file as a data frame whose index counts its rows."""
    with optional_packages():
        import pandas as pd

        try:
            if path.suffix.lower() in PARQUET:
                return pd.read_parquet(path).reset_index(drop=True)
            with path.open(encoding="utf-8-sig") as stream:
                head = stream.readline().rstrip("\r\n").split(config.separator)
            repeated = sorted({name for name in head if name and head.count(name) > 1})
            if repeated:
                raise ReaderError(f"{path}, line 1: the column '{repeated[0]}' is named twice. Rename one.")
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows that are longer than the first line
                table = pd.read_csv(
                    path,
                    sep=config.separator,
                    skip_blank_lines=False,  # so that rows count lines
                    index_col=False,
                    keep_default_na=False,  # a species may be called NA
                    na_values=[""],
                    encoding="utf-8-sig",
                )
            if config.cut_off == "refuse":
                _require_end(path)
            return table
        except (ModuleNotFoundError, ReaderError):
            raise
        except UnicodeDecodeError as error:
            raise ReaderError(f"{path}, byte {error.start}: this is no text in UTF-8. Is it another format?") from error
        except OSError as error:
            raise ReaderError(f"{path} cannot be read: {error.strerror or error}.") from error
        except Exception as error:  # pandas and pyarrow raise many kinds
            raise ReaderError(
                f"{path} cannot be read as a table: {error}. Expected a first line of names and then rows of the same "
                f"number of columns, separated by {config.separator!r}; or a Parquet file that ends in .parquet."
            ) from error


def _require_end(path: Path) -> None:
    """Require that a text ends with a line break, without which its last number may be half of one."""
    with path.open("rb") as stream:
        stream.seek(0, 2)
        if stream.tell() == 0:
            return
        stream.seek(-1, 2)
        if stream.read(1) in (b"\n", b"\r"):
            return
        stream.seek(0)
        line = sum(1 for _ in stream)
    raise ReaderError(
        f"{path} ends within line {line}, so it may be cut off; expected a line break after the last row. If the row "
        "is whole, add one, or say so: reader: {cut_off: whole}."
    )


def _numbers(column: Any) -> Array | None:
    """Give a column as numbers, NaN where an entry is none; None if it has no number at all."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return None
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return None if np.isnan(numbers).all() else np.asarray(numbers)


def _labels(column: Any, rows: Array) -> Array:
    """Give a column of identities: whole numbers if all are, else text."""
    numbers = _numbers(column)
    if numbers is not None and (numbers[rows] == np.rint(numbers[rows])).all():  # NaN is unequal
        return np.asarray(np.nan_to_num(numbers).astype(np.int64))
    return np.array([label_text(value) for value in column])


def _shown(value: Any) -> str:
    """Give an entry of a table as a message shows it."""
    if isinstance(value, str):
        return repr(value)
    return "empty" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN is unequal to itself


def _sorted(table: _Table, rows: Array) -> _Rows:
    """Put the rows of one trajectory into the order of frames and particles, and refuse what cannot be kept."""
    config, ids, numbers, times = table.config, table.ids, table.numbers, table.times
    for name in (config.frame, config.time):
        if name is not None:
            table.refuse(rows, np.isfinite(table.columns[name]), name, "a finite number")
    if numbers is not None:
        table.refuse(rows, np.rint(numbers) == numbers, str(config.frame), "a whole number")
    for name in (config.particle, config.species):
        if name is not None:
            table.refuse(rows, ~table.data[name].isna().to_numpy(), name, "an entry in every row")
    keys = times if numbers is None else numbers
    order = rows[np.lexsort((keys[rows],) if ids is None else (ids[rows], keys[rows]))]
    new = np.diff(keys[order], prepend=np.nan) != 0
    first = np.flatnonzero(new)
    if ids is not None:
        twice = np.flatnonzero(~new[1:] & (ids[order][1:] == ids[order][:-1]))
        if len(twice):
            a, b = sorted(order[twice[0] : twice[0] + 2].tolist())
            several = "" if config.trajectory else " If the file holds several trajectories, name their column."
            raise ReaderError(
                f"{table.path}, {table.line(b)}: particle {ids[b]} of frame {keys[b]:.10g} is there already, in "
                f"{table.line(a)}. Expected each pair of '{config.frame or config.time}' and '{config.particle}' once."
                f"{several}"
            )
    if numbers is None:
        return _Rows(order, first)
    of_frame = times[order[first]]
    other = np.flatnonzero(times[order] != of_frame[np.cumsum(new) - 1])
    if len(other):
        row = int(order[other[0]])
        raise ReaderError(
            f"{table.path}, {table.line(row)}: '{config.time}' is {times[row]:.10g}, and another row of frame "
            f"{keys[row]:.10g} has {of_frame[np.cumsum(new)[other[0]] - 1]:.10g}; expected one time for a frame."
        )
    back = np.flatnonzero(np.diff(of_frame) <= 0)
    if len(back):
        row = int(order[first[back[0] + 1]])
        raise ReaderError(
            f"{table.path}, {table.line(row)}: frame {keys[row]:.10g} has the time {times[row]:.10g}, which is not "
            "later than that of the frame before it. Expected times that rise with the frames."
        )
    return _Rows(order, first)
