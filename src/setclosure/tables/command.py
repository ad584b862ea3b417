"""The command ``setclosure reproduce`` makes tables and figures of the paper from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from setclosure.errors import ConfigurationError
from setclosure.experiments.cli.shared import Set, say, standard_output


def reproduce(
    name: Annotated[str | None, typer.Argument(help="A table or figure; see --list.", metavar="NAME")] = None,
    scale: Annotated[str, typer.Option("--scale", help="demo, laptop or paper.", metavar="SCALE")] = "demo",
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", help="Training seeds; those of the scale by default.", metavar="0,1,2"),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Results folder.", metavar="DIR")] = Path("results"),
    work: Annotated[
        Path, typer.Option("--work", help="Where data and runs are made, and found again.", metavar="DIR")
    ] = Path("runs/reproduce"),
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Trainings at a time; by default one a core, or one with a GPU.")
    ] = None,
    set_: Set = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what there is to reproduce.")] = False,
) -> None:
    """Make a table or figure from nothing; what is there already is used, and a killed run goes on."""
    from setclosure.tables.reproduce import reproduce as make

    if list_ or name is None:
        standard_output().print(list_exhibits())
        return
    result = make(name, scale, parse_seeds(seeds), out, work, jobs, set_ or [])
    path = out / scale / f"{name}.md"
    standard_output().print(path.read_text(), markup=False, highlight=False, soft_wrap=True)
    say(f"Written: {path.with_suffix('.json')}, with {len(result['rows'])} rows.")


def list_exhibits() -> Table:
    """List the names of all tables and figures."""
    from setclosure.tables.exhibits import known_exhibits

    table = Table(title="setclosure reproduce NAME [--scale demo|laptop|paper]", title_justify="left")
    table.add_column("name")
    table.add_column("what")
    for name, exhibit in known_exhibits().items():
        table.add_row(name, exhibit.title)
    return table


def parse_seeds(text: str | None) -> tuple[int, ...] | None:
    """Read seeds from ``0,1,2``.

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
