"""Long work shows its progress as a bar on a terminal, and as lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from setclosure.processes import is_first_process


class Advance(Protocol):
    """A function that takes the number of finished units and shows it."""

    def __call__(self, done: int, note: str = "") -> None:
        """Show that ``done`` units are finished, with ``note`` behind the rate."""
        ...


SECONDS_BETWEEN_LINES = 15.0
"""The least time between two lines of progress in a log file."""

_shown = ContextVar("progress is shown", default=True)


@contextmanager
def progress_shown(shown: bool) -> Iterator[None]:
    """Show progress inside the block if ``shown``, unless an outer block hides it."""
    token = _shown.set(shown and _shown.get())
    try:
        yield
    finally:
        _shown.reset(token)


@contextmanager
def progress(what: str, total: int, unit: str, stream: TextIO | None = None) -> Iterator[Advance]:
    """Show the progress of some work while the block runs.

    Only the first process of a distributed training shows it.

    Parameters
    ----------
    what : str
        The name of the work.
    total : int
        Units of work.
    unit : str
        The name of the units, in the plural.
    stream : file, optional
        The stream that gets the bar or the lines; standard error by default.

    Yields
    ------
    Advance
        A function that takes the number of finished units.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> with progress("simulate train", 2, "trajectories", out) as advance:
    ...     advance(2)
    >>> out.getvalue().startswith("simulate train: 2/2 trajectories")
    True
    """
    stream = stream or sys.stderr
    if not is_first_process() or not _shown.get():
        yield lambda done, note="": None
    elif stream.isatty():
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]} · {task.fields[rate]}/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console(file=stream), refresh_per_second=4) as bar:
            task = bar.add_task(what, total=total, unit=unit, rate="…", note="")
            counter = _Rate()

            def advance(done: int, note: str = "") -> None:
                bar.update(task, completed=done, rate=f"{counter(done):.3g}", note=note)

            yield advance
    else:
        yield _lines(what, total, unit, stream)


class _Rate:
    """A meter of the units per second since the first report, so that work before a resume does not count."""

    def __init__(self) -> None:
        self.start: tuple[float, int] | None = None

    def __call__(self, done: int) -> float:
        now = time.monotonic()
        if self.start is None:
            self.start = (now, done)
        seconds = now - self.start[0]
        return (done - self.start[1]) / seconds if seconds > 0 else 0.0


def _lines(what: str, total: int, unit: str, stream: TextIO) -> Advance:
    rate, last = _Rate(), [0.0]

    def advance(done: int, note: str = "") -> None:
        per_second = rate(done)
        now = time.monotonic()
        if done < total and now - last[0] < SECONDS_BETWEEN_LINES:
            return
        last[0] = now
        left = f", {(total - done) / per_second:.0f} s left" if per_second > 0 and done < total else ""
        speed = f", {per_second:.3g}/s" if per_second > 0 else ""
        print(
            f"{what}: {done}/{total} {unit}{speed}{left}{f' · {note}' if note else ''}",
            file=stream,
            flush=True,
        )

    return advance
