"""Text files are read line by line with their numbers, compressed or not, so that a message can name the place."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from setclosure.errors import ReaderError

Array = np.ndarray[Any, Any]

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
"""The functions that open compressed files, by the last suffix of their names."""

WORDS = ("element", "typelabel")
"""Columns that hold words, even where the first of them looks like a number."""


class Lines:
    """The lines of a text file, with the number of the last one that was read.

    Attributes
    ----------
    path : Path
        The file.
    open_end : bool
        Whether a last line without a line break is whole.
    number : int
        Number of the last line, counted from one; 0 at the start.
    """

    def __init__(self, path: Path, stream: IO[bytes], open_end: bool = False) -> None:
        self.path = path
        self.open_end = open_end
        self.number = 0
        self._stream = stream

    def line(self) -> bytes:
        """Give the next line with its end; empty at the end of the file."""
        line = self._stream.readline()
        self.number += bool(line)
        return line

    def take(self, n: int, what: str) -> list[bytes]:
        """Give the next ``n`` lines.

        Raises
        ------
        ReaderError
            If the file ends before, or within the last of them.
        """
        rows = list(islice(self._stream, n))
        self.number += len(rows)
        if rows and self.open_end and not rows[-1].endswith(b"\n"):
            rows[-1] += b"\n"
        if len(rows) < n or (rows and not rows[-1].endswith(b"\n")):
            raise cut_off(self, what)
        return rows

    def skip(self, n: int, what: str) -> None:
        """Go over ``n`` lines, which are not looked at.

        Raises
        ------
        ReaderError
            If the file ends before, or within the last of them.
        """
        last, count = b"\n", 0
        for last in islice(self._stream, n):  # noqa: B007
            count += 1
        self.number += count
        if count < n or not (self.open_end or last.endswith(b"\n")):
            raise cut_off(self, what)

    def required(self, what: str) -> bytes:
        """Give the next line, which has to be there and complete.

        Raises
        ------
        ReaderError
            If it is not.
        """
        return self.take(1, what)[0]

    def wrong(self, found: str, expected: str, remedy: str = "", line: int | None = None) -> ReaderError:
        """Make the error of the last line, or of another one."""
        return damaged(self.path, f"line {self.number if line is None else line}", found, expected, remedy)


class CutOffError(ReaderError):
    """A file ends within a frame."""


@contextmanager
def opened(path: Path, open_end: bool = False) -> Iterator[Lines]:
    """Open a text file, which may be compressed (``.gz``, ``.bz2``, ``.xz``), for reading line by line.

    Parameters
    ----------
    path : Path
        The file.
    open_end : bool
        Whether a last line without a line break is whole; by default the file is taken to be cut off there.

    Raises
    ------
    ReaderError
        If it is not there, may not be read, or is not the compressed file that its name says.
    """
    try:
        with OPENERS.get(path.suffix, open)(path, "rb") as stream:
            yield Lines(path, stream, open_end)
    except EOFError as error:
        raise CutOffError(f"{path} is cut off: {error}. Copy it again.") from error
    except (OSError, zlib.error, lzma.LZMAError) as error:
        raise ReaderError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def damaged(path: Path, where: str, found: str, expected: str, remedy: str = "") -> ReaderError:
    """Make the error of a place in a file where something else was expected."""
    return ReaderError(f"{path}, {where}: {found}; expected {expected}.{f' {remedy}' if remedy else ''}")


def cut_off(lines: Lines, what: str) -> CutOffError:
    """Make the error of a file that ends too early."""
    return CutOffError(
        f"{lines.path} ends at line {lines.number}, within {what}. It may be cut off: copy it again, or remove the "
        "incomplete end. A last line is whole if it ends with a line break, or if you say so: reader: {cut_off: whole}."
    )


def table(rows: list[bytes], names: tuple[str, ...], path: Path, first_line: int) -> dict[str, Array]:
    """Read rows of numbers and words.

    Parameters
    ----------
    rows : list of bytes
        N lines.
    names : tuple of str
        Names of their columns.
    path, first_line : Path, int
        The file and the number of the first row, for messages.

    Returns
    -------
    dict
        A column ``(N,)`` for each name: float64, or text if neither its first nor its last entry is a number.

    Raises
    ------
    ReaderError
        If a row has more or fewer entries than there are names, or a column of numbers holds something else.
    """
    N, C = len(rows), len(names)
    joined = b"".join(rows)
    entries = joined.split()
    if len(entries) != N * C or (_entries(joined) != C).any():
        for i, row in enumerate(rows):
            if len(row.split()) != C:
                text = row.decode(errors="replace").strip()
                raise damaged(
                    path, f"line {first_line + i}", f"{len(row.split())} entries ({text[:60]!r})", _entries_of(names)
                )
    words = {
        i
        for i, name in enumerate(names)
        if name in WORDS or (N and not _is_number(entries[i]) and not _is_number(entries[i - C]))
    }
    if not words:
        try:
            columns = np.array(entries, dtype=np.float64).reshape(N, C).T
        except ValueError as error:
            raise _no_number(rows, names, words, path, first_line) from error
        return {name: columns[i].copy() for i, name in enumerate(names)}
    found: dict[str, Array] = {}
    for i, name in enumerate(names):
        try:
            found[name] = np.array(entries[i::C], dtype=None if i in words else np.float64)
        except ValueError as error:
            raise _no_number(rows, names, words, path, first_line) from error
        if i in words:
            found[name] = np.char.decode(found[name], "utf-8", "replace") if N else np.zeros(0, "U1")
    return found


def whole_numbers(column: Array, what: str, where: str) -> Array:
    """Turn a column of numbers into whole ones, ``(N,)`` int64.

    Raises
    ------
    ReaderError
        If one of them is not whole.
    """
    if not np.issubdtype(column.dtype, np.number):
        raise ReaderError(f"{where}: the column '{what}' holds {str(column[0])!r}; expected whole numbers.")
    with np.errstate(invalid="ignore"):
        whole = column.astype(np.int64)
    if (wrong := whole != column).any():
        raise ReaderError(f"{where}: the column '{what}' holds {column[wrong][0]}; expected whole numbers.")
    return whole


def _entries(joined: bytes) -> Array:
    """Count the entries of each line."""
    letters = np.frombuffer(joined, np.uint8)
    space = letters <= 32
    begins = ~space
    begins[1:] &= space[:-1]
    ends = np.flatnonzero(letters == 10)
    return np.diff(np.cumsum(begins)[ends], prepend=0)


def _entries_of(names: tuple[str, ...]) -> str:
    return f"{len(names)}, which are {' '.join(names)}"


def _is_number(entry: bytes) -> bool:
    try:
        float(entry)
    except ValueError:
        return False
    return True


def _no_number(rows: list[bytes], names: tuple[str, ...], words: set[int], path: Path, first_line: int) -> ReaderError:
    for i, row in enumerate(rows):
        for k, entry in enumerate(row.split()):
            if k not in words and not _is_number(entry):
                text = entry.decode(errors="replace")
                return damaged(path, f"line {first_line + i}", f"{text!r} in the column '{names[k]}'", "a number")
    return damaged(path, f"lines from {first_line}", "something that is no number", "numbers")
