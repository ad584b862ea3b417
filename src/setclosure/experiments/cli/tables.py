"""Make the table of results that evaluate and run print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from setclosure.errors import DamagedFileError
from setclosure.evaluation.comparison import best_naive, value_at, worse_than_naive
from setclosure.evaluation.numbers import duration, mean_of, written
from setclosure.evaluation.table import in_order, metric_of, unit_of
from setclosure.files import read_json

WIDTH = 100
"""A table fits a terminal of so many columns; tests that do not fit beside each other go below each other."""

MODEL, BEST = "model", " ◂"


def results_of(folder: Path) -> RenderableType:
    """Read what the table of a run needs from its folder, and make it.

    Parameters
    ----------
    folder : Path
        Run folder with ``metrics.json`` and, if they are there, ``naive.json``, ``seconds.json`` and ``run.json``.

    Raises
    ------
    DamagedFileError
        If ``metrics.json`` is not JSON.
    """

    def optional(name: str) -> dict[str, Any]:
        try:
            content = read_json(folder / name)
        except (FileNotFoundError, DamagedFileError):
            return {}
        return content if isinstance(content, dict) else {}

    return metrics_table(
        read_json(folder / "metrics.json"), optional("naive.json"), optional("seconds.json"), optional("run.json")
    )


def metrics_table(
    metrics: Mapping[str, Any], naive: Mapping[str, Any], seconds: Mapping[str, Any], run_info: Mapping[str, Any]
) -> RenderableType:
    """Set the model beside the naive predictions: a block of rows for each metric, a column for each test.

    Parameters
    ----------
    metrics : mapping
        Metric → test → value, as in ``metrics.json``.
    naive : mapping
        Naive prediction → metric → test → value, as in ``naive.json``; may be empty.
    seconds : mapping
        Step → seconds, as in ``seconds.json``; may be empty.
    run_info : mapping
        ``run.json``: the name of the run, the units of its observables, and the labels of its tests.

    Returns
    -------
    RenderableType
        Something that a Rich console prints, at most 100 columns wide if the label of no test is longer than that.
    """
    known = run_info.get("tests") or {}
    there = dict.fromkeys(test for of_tests in metrics.values() if isinstance(of_tests, Mapping) for test in of_tests)
    tests = [test for test in known if test in there] + [test for test in there if test not in known]
    labels = {test: str((known.get(test) or {}).get("label") or test) for test in tests}
    rows = list(_rows(metrics, naive, tests, [str(o.get("unit", "")) for o in run_info.get("observables") or []]))
    title = f"{run_info.get('name') or 'Results'}: prediction from the first frame alone"
    parts: list[RenderableType] = [Text(title, style="bold")]
    for columns in _fitting(rows, tests, labels):
        parts += [_table(rows, tests, labels, columns), Text("")]
    if any(cell.endswith(BEST) for _, _, cells in rows for cell in cells):
        parts.append(Text(f"{BEST.strip()} the best naive prediction", style="dim"))
    parts += [Text(f"Warning: {line}", style="yellow") for line in worse_than_naive(metrics, naive, labels.__getitem__)]
    steps = ", ".join(
        f"{step.replace('_', ' ')} {duration(mean)}"
        for step, of in seconds.items()
        if (mean := mean_of(of)) is not None
    )
    if steps:
        parts.append(Text(f"Time: {steps}", style="dim"))
    return Group(*parts)


_Row = tuple[str, str, list[str]]
"""Metric (empty below its first row), who predicted, and a cell for each test."""


def _rows(metrics: Mapping[str, Any], naive: Mapping[str, Any], tests: list[str], units: list[str]) -> Iterator[_Row]:
    for name in in_order(name for name, of_tests in metrics.items() if isinstance(of_tests, Mapping)):
        metric, unit = metric_of(name), unit_of(name, units)
        head = f"{metric.symbol} ({unit})" if unit else metric.symbol
        yield head, MODEL, [written(value_at(metrics, name, test), metric.whole) for test in tests]
        best = [best_naive(naive, name, test) for test in tests]
        for row, of_metrics in naive.items():
            values = [value_at(of_metrics, name, test) for test in tests]
            if any(value is not None for value in values):
                cells = [
                    written(value, metric.whole) + (BEST if row == first else "")
                    for value, first in zip(values, best, strict=True)
                ]
                yield "", row, cells


def _fitting(rows: list[_Row], tests: list[str], labels: Mapping[str, str]) -> Iterator[list[int]]:
    """Group the indices of the tests so that each group fits beside each other."""
    frame = (
        4 + max((cell_len(head) for head, _, _ in rows), default=0) + max((cell_len(r) for _, r, _ in rows), default=0)
    )
    columns: list[int] = []
    used = frame
    for i, test in enumerate(tests):
        width = 2 + max([cell_len(labels[test]), *(cell_len(cells[i]) + len(BEST) for _, _, cells in rows)])
        if columns and used + width > WIDTH:
            yield columns
            columns, used = [], frame
        columns.append(i)
        used += width
    if columns:
        yield columns


def _table(rows: list[_Row], tests: list[str], labels: Mapping[str, str], columns: list[int]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    for i in columns:
        table.add_column(escape(labels[tests[i]]) + " " * len(BEST), justify="right")
    for head, row, cells in rows:
        shown = (Text(cells[i] if cells[i].endswith(BEST) else cells[i] + " " * len(BEST)) for i in columns)
        table.add_row(Text(head, style="bold"), Text(row), *shown, style="" if row == MODEL else "dim")
    return table
