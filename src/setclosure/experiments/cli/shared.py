"""All commands share these options and this output, those of plugins included."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from setclosure.processes import is_first_process

Config = Annotated[Path, typer.Argument(help="Configuration file (YAML).", metavar="CONFIG", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN", show_default=False)]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data folder of a simulated study; RUN/data by default.", metavar="DIR"),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override a setting, e.g. model.closure_dim=4. Repeatable.", metavar="SECTION.KEY=VALUE"
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a stopped run was.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Trajectories at a time; by default one a core.")]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", help="Simulate on the workers of a Dask cluster.", metavar="tcp://HOST:PORT"),
]


def standard_output() -> Console:
    """Give standard output, where the first process of a distributed training alone speaks."""
    return Console(quiet=not is_first_process())


def say(text: str) -> None:
    """Print a line as it is."""
    standard_output().print(escape(text), soft_wrap=True, highlight=False)
