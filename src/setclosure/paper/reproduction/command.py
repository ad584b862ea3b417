"""What ``reproduce`` needs of the command line: its list, and its seeds."""

from __future__ import annotations

from rich.table import Table

from setclosure.errors import ConfigurationError
from setclosure.paper.reproduction.catalogue import EXHIBITS


def list_exhibits() -> Table:
    """The names of all tables and figures."""
    table = Table(title="setclosure reproduce NAME [--scale demo|laptop|paper]", title_justify="left")
    table.add_column("name")
    table.add_column("what")
    for name, exhibit in EXHIBITS.items():
        table.add_row(name, exhibit.title)
    return table


def parse_seeds(text: str | None) -> tuple[int, ...] | None:
    """Seeds from ``0,1,2``.

    Raises
    ------
    ConfigurationError
        If they are not whole numbers of at least zero.

    Examples
    --------
    >>> parse_seeds("0,1,2"), parse_seeds(None)
    ((0, 1, 2), None)
    """
    if text is None:
        return None
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(f"--seeds takes whole numbers like 0,1,2; got '{text}'.") from error
    if min(seeds) < 0:
        raise ConfigurationError(f"--seeds must not be negative; got '{text}'.")
    return seeds
