"""A comparison in words: a table of the candidates, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from setclosure.evaluation.numbers import duration
from setclosure.experiments.compare import Result
from setclosure.model.specification import ModelSettings

CLOSE = 0.05
"""Errors that differ by a smaller share are called close."""


def comparison_table(results: Sequence[Result]) -> Table:
    """Give a table of the candidates, the best first: error of validation rollouts, numbers, ε, seconds."""
    table = Table(title="Candidates by the error of their validation rollouts", title_justify="left")
    table.add_column("candidate")
    for head in ("error (sd)", "numbers", "ε", "time"):
        table.add_column(head, justify="right")
    for result in results:
        table.add_row(
            result.name, f"{result.error:.3g}", str(result.numbers), bandwidth_of(result), duration(result.seconds)
        )
    return table


def verdict(results: Sequence[Result]) -> list[str]:
    """Say in sentences which closure is best, and whether a closure pays at all.

    Examples
    --------
    >>> verdict([Result("pooled on environment, c = 4", {}, 0.2, 4, 1.0), Result("none", {}, 0.5, 0, 1.0)])[1]
    'A closure pays: its error is 0.4 times that of the observable alone (method none).'
    """
    best = results[0]
    sentences = [f"Best: {best.name} (error {best.error:.3g} standard deviations, {best.numbers} numbers)."]
    alone = [result.error for result in results if result.numbers == 0]
    if not alone:
        return sentences
    if best.numbers == 0:
        sentences.append(
            "No closure pays: the observable alone is predicted best. What decides the future is not in the closures "
            "that were tried, or there are too few trajectories to learn it."
        )
    elif min(alone) * (1 - CLOSE) < best.error:
        sentences.append(
            f"A closure hardly pays: the observable alone has an error of {min(alone):.3g}, within "
            f"{CLOSE:.0%} of the best."
        )
    else:
        ratio = best.error / min(alone)
        sentences.append(f"A closure pays: its error is {ratio:.2g} times that of the observable alone (method none).")
    return sentences


def bandwidth_of(result: Result) -> str:
    """Give ε in words: the number, the range of several, or a dash where nothing is smoothed."""
    settings = ModelSettings.parse(result.model)
    if settings.reconstruction is None:
        return "–"
    given = settings.bandwidth
    if not isinstance(given, tuple):
        return f"{given:g}" if not isinstance(given, str) else given
    low, high = min(given), max(given)
    return f"{low:g}" if low == high else f"{low:g} … {high:g}"
