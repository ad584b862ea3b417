"""Compare the model with the naive predictions: which of these is best, and where the model is worse than it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from setclosure.evaluation.numbers import mean_of, of_seeds, written
from setclosure.evaluation.table import metric_of

Metrics = Mapping[str, Any]
"""Values as metric → test → value, as in ``metrics.json``."""

Naive = Mapping[str, Metrics]
"""Values as naive prediction → metric → test → value, as in ``naive.json``."""


def value_at(metrics: Metrics, name: str, test: str) -> Any:
    """Look up one value; nothing if the metric or the test is not there."""
    of_tests = metrics.get(name)
    return of_tests.get(test) if isinstance(of_tests, Mapping) else None


def best_naive(naive: Naive, name: str, test: str) -> str | None:
    """Name the naive prediction that is best by a metric in a test.

    Parameters
    ----------
    naive : mapping
        Naive prediction → metric → test → value.
    name, test : str
        Metric and test.

    Returns
    -------
    str or None
        The name; None where no naive prediction has that metric, or where neither direction of it is better.

    Examples
    --------
    >>> naive = {"persistence": {"rmse": {"hot": 0.3}}, "mean path": {"rmse": {"hot": 0.2}}}
    >>> best_naive(naive, "rmse", "hot")
    'mean path'
    """
    lower = metric_of(name).lower_is_better
    if lower is None:
        return None
    means = {row: mean_of(value_at(metrics, name, test)) for row, metrics in naive.items()}
    known = {row: value for row, value in means.items() if value is not None and math.isfinite(value)}
    if not known:
        return None
    return min(known, key=lambda row: known[row] if lower else -known[row])


def is_worse_than_naive(metrics: Metrics, naive: Naive, name: str, test: str) -> bool:
    """Say whether the model is worse by a metric in a test than the best naive prediction."""
    row, model = best_naive(naive, name, test), mean_of(value_at(metrics, name, test))
    if row is None or model is None:
        return False
    best = mean_of(value_at(naive[row], name, test))
    return best is not None and (model > best if metric_of(name).lower_is_better else model < best)


def worse_than_naive(metrics: Metrics, naive: Naive, label: Callable[[str], str] = str) -> list[str]:
    """Write a sentence for each test in which the skill of the model is below zero.

    Parameters
    ----------
    metrics, naive : mapping
        Values of the model and of the naive predictions.
    label : callable
        Test → its name for people.

    Returns
    -------
    list of str
        Plain sentences, one for each such test, in the order of the tests; of several seeds the mean counts, and it is
        said if single seeds are below zero.

    Examples
    --------
    >>> worse_than_naive({"skill": {"hot": -0.2, "cold": 0.9}}, {})
    ['In the test “hot” the model is worse than the best naive prediction (skill −0.2).']
    """
    skills = metrics.get("skill")
    sentences = []
    for test, value in skills.items() if isinstance(skills, Mapping) else ():
        mean, seeds = mean_of(value), of_seeds(value)
        below = sum(isinstance(skill, (int, float)) and skill < 0 for skill in seeds)
        row = best_naive(naive, "rmse", test)
        rival = f"the best naive prediction, “{row}”" if row else "the best naive prediction"
        if mean is not None and mean < 0:
            sentences.append(f"In the test “{label(test)}” the model is worse than {rival} (skill {written(value)}).")
        elif below:
            sentences.append(
                f"In the test “{label(test)}” {below} of {len(seeds)} seeds gave a model that is worse than {rival} "
                f"(skill {written(value)})."
            )
    return sentences
