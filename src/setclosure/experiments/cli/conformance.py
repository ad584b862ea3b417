"""The command ``setclosure check-part``: the promises of a part of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from setclosure.experiments.cli.shared import say


def check_part(
    kind: Annotated[str, typer.Argument(help="Kind of part: encoder, decoder, drift, observable, …", metavar="KIND")],
    name: Annotated[str, typer.Argument(help="The name under which it is registered.", metavar="NAME")],
    plugin: Annotated[
        list[Path] | None,
        typer.Option("--plugin", help="Python file that registers it. Repeatable.", metavar="FILE"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set an option of the part, e.g. width=16. Repeatable.", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Check that a part keeps the promises of its kind, and print them; a broken one ends with status 2."""
    from setclosure.conformance import check
    from setclosure.experiments.configuration import apply_overrides
    from setclosure.registry import load_plugin

    for path in plugin or []:
        load_plugin(path)
    options: dict[str, Any] = {}
    apply_overrides(options, set_ or [])
    say(str(check(kind, name, options)))
