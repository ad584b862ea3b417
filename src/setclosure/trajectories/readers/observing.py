"""Observables and context come from functions, logs, tables, columns and names of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import MicrostateError, ReaderError
from setclosure.observables.registered import Observable, get_observable
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.layout import GIVEN, Array
from setclosure.trajectories.readers.base import Source
from setclosure.trajectories.readers.joined import constant, join, numbers, read_table, rows_of
from setclosure.trajectories.readers.microstates import Microstates, missing_column
from setclosure.trajectories.readers.pattern import filled
from setclosure.trajectories.readers.spec import Context, ImportSpec, ObservableSource


class Observables:
    """The observables of an import: their names, and their values along some frames.

    Parameters
    ----------
    spec : ImportSpec
        The specification.
    base : Path
        The folder from which the names of logs and tables count.
    """

    def __init__(self, spec: ImportSpec, base: Path) -> None:
        self.spec, self.base = spec, base
        self._known: dict[str, Observable] = {
            source.registered: get_observable(source.registered) for source in spec.observables if source.registered
        }
        self.names = tuple(name for source in spec.observables for name in self._names(source))
        """Names of the o observables."""
        if len(set(self.names)) < len(self.names):
            raise ReaderError(
                f"the observables are called {', '.join(self.names)}; each name is expected once. Rename one: "
                "{column: E, name: energy}, or columns: {PotEng: energy}."
            )
        self.units = tuple(unit for source in spec.observables for unit in self._units(source))
        """Their units."""

    @property
    def registered(self) -> str:
        """The name under which the observable is registered, if it is one, else that the values are given."""
        only = self.spec.observables[0].registered if len(self.spec.observables) == 1 else None
        return only or GIVEN

    def files(self, source: Source) -> list[Path]:
        """List the logs and tables that belong to a source."""
        names = [text for of in self.spec.observables for text in (of.log, of.csv) if text is not None]
        return [self.base / filled(name, source.values, "the name") for name in names]

    def values(self, source: Source, microstates: Microstates, n_species: int, features: Features) -> Array:
        """Give the observables of some frames, ``(T, o)``.

        Raises
        ------
        ReaderError
            If a value is missing; the message names the file and the frame.
        """
        parts = []
        for of in self.spec.observables:
            if of.registered is not None:
                parts.append(self._computed(self._known[of.registered], source, microstates, n_species, features))
            elif of.column is not None:
                column = [
                    constant(frame.observables, frame.columns, of.column, f"{source.name}, frame {t}")
                    for frame, t in zip(microstates.frames, microstates.index, strict=True)
                ]
                parts.append(np.array(column)[:, None])
            else:
                parts.append(self._joined(of, source, microstates))
        return np.hstack(parts)

    def _computed(
        self, known: Observable, source: Source, microstates: Microstates, n_species: int, features: Features
    ) -> Array:
        batch = MicrostateBatch.from_arrays(
            microstates.points,
            microstates.species,
            microstates.masses,
            n_species,
            features=features,
            cell=microstates.cell,
        )
        try:
            return known(batch)
        except Exception as error:  # of a user's function: any
            says = "" if isinstance(error, MicrostateError) else f"'{known.name}' stopped with {type(error).__name__}: "
            empty = [t for t, x in zip(microstates.index, microstates.points, strict=True) if not len(x)]
            hint = f" Frame {empty[0]} has no particle." if empty else ""
            raise ReaderError(f"{source.name}: {says}{error}{hint}") from error

    def _joined(self, of: ObservableSource, source: Source, microstates: Microstates) -> Array:
        path = self.base / filled(str(of.log or of.csv), source.values, "the name")
        by = "step" if of.log else of.join
        if by == "time":
            wanted = microstates.times
        elif by == "frame":
            wanted = np.array(microstates.index, dtype=float)
        else:
            steps = [frame.step for frame in microstates.frames]
            if None in steps:
                raise ReaderError(
                    f"{source.name}, frame {microstates.index[steps.index(None)]} has no number of a step, by which "
                    f"{path} is joined. Join a CSV by time: {{csv: …, join: time}}."
                )
            wanted = np.array(steps, dtype=float)
        if of.log is not None:
            from setclosure.trajectories.readers.lammps_log import read_thermo

            log = read_thermo(path)
            lacking = [name for name in ("Step", *of.columns) if name not in log]
            if lacking:
                raise missing_column(lacking[0], log, str(path))
            return join(log["Step"], {name: log[name] for name in of.columns}, wanted, by, str(path), source)
        table = read_table(path)
        rows = None
        if of.trajectory is not None:
            rows = rows_of(table, of.trajectory, _part_of(source, of.trajectory), path)
        columns = {name: numbers(table, name, path, rows) for name in of.columns}
        return join(numbers(table, of.key or by, path, rows), columns, wanted, by, str(path), source)

    def _names(self, of: ObservableSource) -> tuple[str, ...]:
        if of.registered is not None:
            return self._known[of.registered].components
        return (of.name or str(of.column),) if of.column is not None else tuple(of.columns.values())

    def _units(self, of: ObservableSource) -> tuple[str, ...]:
        if of.registered is not None:
            known = self._known[of.registered]
            units = known.units or ("",) * len(known.components)
            return tuple(of.units.get(name, unit) for name, unit in zip(known.components, units, strict=True))
        return (of.unit,) if of.column is not None else tuple(of.units.get(name, "") for name in of.columns.values())


class ContextValues:
    """The context of an import: the numbers that are known from outside, and their values along some frames.

    Parameters
    ----------
    context : Context
        The section of the specification.
    base : Path
        The folder from which the name of the table counts.
    fields : tuple of str
        The fields of the names of the files, by which the table is joined.
    """

    def __init__(self, context: Context, base: Path, fields: tuple[str, ...]) -> None:
        self.context = context
        self.path = None if context.table is None else base / context.table
        self._table: dict[str, list[str]] = {} if self.path is None else read_table(self.path)
        self._keys = [name for name in self._table if name in (*fields, "file", "trajectory")]
        if self.path is not None and not self._keys:
            raise ReaderError(
                f"the table {self.path} has the columns {', '.join(self._table)}; expected one that says to which "
                f"trajectory a row belongs: {', '.join((*fields, 'file', 'trajectory'))}."
            )
        columns = [name for name in self._table if name not in (*self._keys, *context.named)]
        self.names: tuple[str, ...] = (*context.named, *columns)
        """Names of the p numbers."""
        self.units = tuple(
            context.named[name].unit if name in context.named else context.units.get(name, "") for name in self.names
        )
        """Their units."""

    def values(self, source: Source, microstates: Microstates) -> Array | None:
        """Give what is known along some frames, ``(T, p)``; None if there is nothing.

        Raises
        ------
        ReaderError
            If a value is missing, or is no number.
        """
        if not self.names:
            return None
        T, row = len(microstates.frames), self._row(source)
        columns: list[Any] = []
        for name in self.names:
            known = self.context.named.get(name)
            if known is None and self.path is not None:
                columns.append(numbers(self._table, name, self.path, [row])[0])
            elif known is not None and known.column is not None:
                columns.append(
                    [
                        constant(frame.observables, frame.columns, known.column, f"{source.name}, frame {t}")
                        for frame, t in zip(microstates.frames, microstates.index, strict=True)
                    ]
                )
            elif known is not None and known.source is not None:
                columns.append(_from_name(source, known.field or name))
            elif known is not None:
                columns.append(known.value)
        return np.stack([np.broadcast_to(np.asarray(column, dtype=np.float64), (T,)) for column in columns], axis=1)

    def _row(self, source: Source) -> int:
        """Find the row of the table that belongs to a source."""
        if self.path is None:
            return -1
        found: set[int] | None = None
        for key in self._keys:
            value = source.path.name if key == "file" else _part_of(source, key)
            rows = set(rows_of(self._table, key, value, self.path))
            found = rows if found is None else found & rows
        if found is None or len(found) != 1:
            raise ReaderError(
                f"the table {self.path} has {len(found or ())} rows that belong to {source.name}, by "
                f"{', '.join(self._keys)}; expected one."
            )
        return found.pop()


def _part_of(source: Source, name: str) -> str:
    """Give what a source has for a column that says which trajectory it is."""
    if name in source.values:
        return source.values[name]
    return source.path.name if source.part is None else source.part


def _from_name(source: Source, field: str) -> float:
    if field not in source.values:
        raise ReaderError(
            f"the context '{field}' is to come from the name of {source.name}, which has "
            f"{', '.join(f'{{{key}}}' for key in source.values) or 'no fields'}. Write the field into the pattern of "
            f"the files: run_T{{{field}}}.dump."
        )
    try:
        value = float(source.values[field])
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ReaderError(
            f"the field {{{field}}} of {source.name} is '{source.values[field]}'; expected a number. Change the name, "
            "or give this context in a table."
        )
    return value
