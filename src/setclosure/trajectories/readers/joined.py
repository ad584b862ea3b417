"""Tables with a row for a frame or for a trajectory are joined to what was read."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.extras import optional_packages
from setclosure.trajectories.readers.base import Array, Source
from setclosure.trajectories.readers.microstates import missing_column

EQUAL = 1e-6
"""Times that differ by less than this share of the shortest step of a table are equal."""


@functools.lru_cache(maxsize=4)
def _read(path: Path, changed: float) -> dict[str, list[str]]:
    with optional_packages():
        import pandas as pd
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (OSError, UnicodeDecodeError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise ReaderError(f"the table {path} cannot be read as CSV: {error}.") from error
    return {str(name): [str(value) for value in table[name]] for name in table.columns}


def read_table(path: Path) -> dict[str, list[str]]:
    """Read a small CSV file into columns of text.

    Raises
    ------
    ReaderError
        If it cannot be read.
    """
    try:
        return _read(path, path.stat().st_mtime)
    except OSError as error:
        raise ReaderError(f"the table {path} cannot be read: {error.strerror}.") from error


def numbers(table: dict[str, list[str]], name: str, path: Path, rows: Sequence[int] | None = None) -> Array:
    """Give a column of a table as numbers.

    Raises
    ------
    ReaderError
        If it is missing, or an entry is no number; the message names its line.
    """
    if name not in table:
        raise missing_column(name, table, str(path))
    chosen = range(len(table[name])) if rows is None else rows
    out = np.empty(len(chosen))
    for k, row in enumerate(chosen):
        try:
            out[k] = float(table[name][row])
        except ValueError as error:
            raise ReaderError(
                f"{path}, line {row + 2}: '{name}' is '{table[name][row]}'; expected a number. Repair the table."
            ) from error
    return out


def rows_of(table: dict[str, list[str]], name: str, wanted: str, path: Path) -> list[int]:
    """List the rows in which a column has a value, numbers compared as numbers.

    Raises
    ------
    ReaderError
        If there is no such column.
    """
    if name not in table:
        raise missing_column(name, table, str(path))
    return [row for row, value in enumerate(table[name]) if same_value(value, wanted)]


def same_value(a: str, b: str) -> bool:
    """Tell whether two texts are the same, or the same number.

    Examples
    --------
    >>> same_value("0.70", "0.7"), same_value("a1", "a01")
    (True, False)
    """
    try:
        return a == b or float(a) == float(b)
    except ValueError:
        return False


def join(keys: Array, columns: dict[str, Array], wanted: Array, what: str, file: str, source: Source) -> Array:
    """Give the values of some columns at the frames of a source, ``(T, o)``.

    Parameters
    ----------
    keys : array
        Time or step of each row, ``(R,)``.
    columns : dict
        The values by name, ``(R,)`` each.
    wanted : array
        Time or step of each frame, ``(T,)``.
    what : str
        ``"time"``, ``"step"`` or ``"frame"``.
    file : str
        The name of the table, for messages.
    source : Source
        The source, for messages.

    Raises
    ------
    ReaderError
        If a frame has no row, or two that differ.
    """
    values = np.stack(list(columns.values()), axis=1)
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    steps = np.diff(keys)
    near = EQUAL * float(steps[steps > 0].min()) if (steps > 0).any() else EQUAL
    first = np.searchsorted(keys, wanted - near)
    last = np.searchsorted(keys, wanted + near, side="right")
    lacking = np.flatnonzero(first == last)
    if len(lacking):
        t = int(lacking[0])
        span = f"{keys[0]:.10g} to {keys[-1]:.10g} in {len(keys)} rows" if len(keys) else "no row"
        raise ReaderError(
            f"{file} has no row of {what} {wanted[t]:.10g}, which {source.name} has (and {len(lacking) - 1} more of "
            f"{len(wanted)} frames); it has {span}. Write both at the same times, or read fewer frames: "
            "frames: {start, stop, step}."
        )
    for t in np.flatnonzero(last - first > 1).tolist():  # LAMMPS repeats the last step of a run in the next one
        rows = values[first[t] : last[t]]
        different = ~np.isclose(rows, rows[0], rtol=1e-9, atol=0).all(axis=0)
        if different.any():
            name = list(columns)[int(np.argmax(different))]
            a, b = rows[[0, -1], int(np.argmax(different))]
            raise ReaderError(
                f"{file} has {len(rows)} rows of {what} {wanted[t]:.10g}, in which '{name}' is {a:g} and {b:g}; which "
                f"one belongs to {source.name} cannot be told. Remove one."
            )
    found = values[first]
    bad = ~np.isfinite(found)
    if bad.any():
        t, j = np.argwhere(bad)[0].tolist()
        raise ReaderError(f"{file}, {what} {wanted[t]:.10g}: '{list(columns)[j]}' is {found[t, j]}; expected a number.")
    return np.asarray(found)


def constant(values: dict[str, float], columns: dict[str, Any], name: str, where: str) -> float:
    """Give a number of a frame: its own, or a column that is the same for all its particles.

    Raises
    ------
    ReaderError
        If the frame has no such number, or particles differ in it.
    """
    if name in values:
        return float(values[name])
    if name not in columns:
        raise missing_column(name, [*values, *columns], where)
    column = columns[name]
    if not len(column):
        raise ReaderError(f"{where} has no particle, so its column '{name}' says nothing of the frame.")
    if not np.isfinite(column[0]) or (column != column[0]).any():
        other = column[np.argmax(column != column[0])]
        raise ReaderError(
            f"{where}: '{name}' is {column[0]:g} of one particle and {other:g} of another; expected one finite number "
            "for the whole frame."
        )
    return float(column[0])
