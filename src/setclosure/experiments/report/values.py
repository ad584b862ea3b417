"""The values of metrics.json: a number of one seed, or the mean, sd and values of several."""

from __future__ import annotations

from typing import Any

from setclosure.experiments.report.formatting import mean_and_sd, number
from setclosure.experiments.report.load import Run


def is_value(value: Any) -> bool:
    """Whether ``value`` is one quantity: a number, nothing, or ``{"mean", "sd", "values"}``."""
    return value is None or isinstance(value, (int, float)) or (isinstance(value, dict) and "mean" in value)


def written(value: Any) -> str:
    """A quantity as text, with its standard deviation over the seeds if there are several."""
    if isinstance(value, dict):
        return mean_and_sd(value.get("mean"), value.get("sd"))
    return number(value)


def mean(value: Any) -> float | None:
    """The mean of a quantity, or nothing."""
    value = value.get("mean") if isinstance(value, dict) else value
    return float(value) if isinstance(value, (int, float)) else None


def of_seeds(value: Any) -> list[Any]:
    """The values of the seeds, if there are several."""
    return list(value.get("values", [])) if isinstance(value, dict) else []


def tables(run: Run) -> dict[str, dict[str, Any]]:
    """Metrics that have one value for each split."""
    return {
        name: value
        for name, value in run.metrics.items()
        if name not in ("seconds", "permutation")
        and isinstance(value, dict)
        and not is_value(value)
        and all(map(is_value, value.values()))
    }


def singles(run: Run) -> dict[str, Any]:
    """Metrics that have one value for the whole run; that of the permutation test is one of them."""
    found = {name: value for name, value in run.metrics.items() if is_value(value)}
    permutation = run.metrics.get("permutation", run.metrics.get("permutation_deviation"))
    found.pop("permutation_deviation", None)
    if isinstance(permutation, dict) and "deviation" in permutation:
        permutation = permutation["deviation"]
    return found if permutation is None else found | {"permutation": permutation}


def headline(run: Run) -> tuple[str, dict[str, Any]] | None:
    """The metric that answers the question of the run, with its values: MRE, else MMD, else the first."""
    found = tables(run)
    for name in ("mre", "mmd", *found):
        if name in found:
            return name, found[name]
    return None


def diverged(run: Run) -> tuple[int, int] | None:
    """Starts of which a rollout diverged, and all starts, over all seeds and splits; nothing if none was evaluated."""
    if not run.statuses:
        return None
    return sum(int((s == 1).sum()) for s in run.statuses.values()), sum(len(s) for s in run.statuses.values())
