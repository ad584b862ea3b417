"""Find what a run says at first sight: the metric that answers its question, and how many rollouts diverged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from setclosure.evaluation.numbers import written
from setclosure.evaluation.table import in_order, metric_of, unit_of
from setclosure.experiments.report import reduce
from setclosure.experiments.report.load import LoadedRun
from setclosure.experiments.report.words import Quantity


def headline(run: LoadedRun) -> str | None:
    """Name the metric that answers the question of the run: an error in units, else a relative one, else the first."""
    return next((name for name in ("rmse", "mre", "mmd", *in_order(run.metrics)) if name in run.metrics), None)


def with_unit(run: LoadedRun, name: str, value: Any) -> str:
    """Write the value of a metric with its unit."""
    return Quantity(name, unit_of(name, run.units)).of(written(value, metric_of(name).whole))


def tests(run: LoadedRun) -> list[str]:
    """List the tests that have a metric: in the order of run.json, others after them."""
    there = dict.fromkeys(test for of_tests in run.metrics.values() for test in of_tests)
    known = [test for test in run.info.get("tests", {}) if test in there]
    return known + [test for test in there if test not in known]


def diverged(run: LoadedRun) -> tuple[int, int] | None:
    """Count the starts of which a rollout diverged, and all starts, over all seeds and tests; nothing without any."""
    if not run.statuses:
        return None
    return sum(int((s == 1).sum()) for s in run.statuses.values()), sum(len(s) for s in run.statuses.values())


def endings(run: LoadedRun, tests: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Go through those tests whose trajectories are of unequal length: label, shortest and longest in frames."""
    for test in tests:
        lengths = run.evaluations[test]["lengths"]
        low, high = int(lengths.min()), int(lengths.max())
        if low < high:
            yield run.test(test).label, low, high


def shares_times(run: LoadedRun, tests: Iterable[str]) -> bool:
    """Say whether the trajectories of each of the tests share their times, so that statistics have a time."""
    every = (run.evaluations[test] for test in tests)
    return all(reduce.shared_times(arrays["times"], arrays["lengths"]) is not None for arrays in every)
