"""One table gives every metric its name, symbol, unit, words and order, for everything that shows a number.

The command line, the report and the Markdown of result tables all read it. It imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from setclosure.errors import ConfigurationError

UNIT_OF_OBSERVABLE = "unit of the observable"
"""Stands for the unit of the observable in :attr:`Metric.unit`; :func:`unit_of` puts the real one in its place."""

TRAINING_SD = "training sd"
"""The unit of observables that were divided by their standard deviation over the training data."""


@dataclass(frozen=True)
class Metric:
    """A metric has a name in files, and words for people.

    Attributes
    ----------
    name : str
        Key in ``metrics.json``.
    symbol : str
        A few characters for the head of a table.
    unit : str
        Unit of the values; empty for a pure number, :data:`UNIT_OF_OBSERVABLE` for that of the observable.
    label : str
        The metric in words, beginning with a capital.
    sentence : str
        An explanation for a reader who does not know the metric; may be empty.
    lower_is_better : bool or None
        Which direction is better; None if neither is.
    whole : bool
        Whether a value counts things.
    """

    name: str
    symbol: str
    unit: str
    label: str
    sentence: str
    lower_is_better: bool | None
    whole: bool = False


METRICS: dict[str, Metric] = {}
"""Every known metric by name, in the order in which tables show them."""


def register_metric(metric: Metric) -> None:
    """Add ``metric`` to the table, after those that are there; adding the same one again changes nothing.

    Parameters
    ----------
    metric : Metric
        The metric and its words.

    Raises
    ------
    ConfigurationError
        If another metric has that name already.

    Examples
    --------
    >>> register_metric(Metric("skill", "skill", "", "My skill", "", False))
    Traceback (most recent call last):
    ...
    setclosure.errors.ConfigurationError: a metric 'skill' is in the table already, with other words; give yours a \
name of its own.
    """
    if METRICS.get(metric.name, metric) != metric:
        raise ConfigurationError(
            f"a metric {metric.name!r} is in the table already, with other words; give yours a name of its own."
        )
    METRICS[metric.name] = metric


def metric_of(name: str) -> Metric:
    """Look a metric up; one that is not in the table is shown under its own name, without words.

    Examples
    --------
    >>> metric_of("mre").symbol, metric_of("sharpness").symbol
    ('MRE', 'sharpness')
    """
    return METRICS.get(name) or Metric(name, name, "", name, "", None)


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names as tables show them: the known ones in the order of the table, then the others as they came.

    Examples
    --------
    >>> in_order(["sharpness", "mre", "skill"])
    ['skill', 'mre', 'sharpness']
    """
    there = list(dict.fromkeys(names))
    return [name for name in METRICS if name in there] + [name for name in there if name not in METRICS]


def unit_of(name: str, observable_units: Sequence[str]) -> str:
    """Give the unit of a metric's values in a run; empty if they are pure numbers.

    Parameters
    ----------
    name : str
        Name of the metric.
    observable_units : sequence of str
        Unit of each observable of the run, which may be empty.

    Examples
    --------
    >>> unit_of("rmse", ["ε"]), unit_of("rmse", ["ε", "nm"]), unit_of("mre", ["ε"])
    ('ε', 'training sd', '')
    """
    unit = metric_of(name).unit
    if unit != UNIT_OF_OBSERVABLE:
        return unit
    return observable_units[0] if len(observable_units) == 1 else TRAINING_SD


_WRITTEN_BY_EVALUATE = (
    Metric(
        "skill",
        "skill",
        "",
        "Skill",
        "One minus the mean squared error of the model divided by that of the best naive prediction: 1 is perfect, 0 "
        "is as good as the best naive prediction, and below 0 the model is worse than it.",
        lower_is_better=False,
    ),
    Metric(
        "rmse",
        "RMSE",
        UNIT_OF_OBSERVABLE,
        "Root mean square error",
        "Square root of the mean squared difference between prediction and truth, over all trajectories and all "
        "predicted frames. With one observable it has the unit of that observable; with several, each is first divided "
        "by its standard deviation over the training data.",
        lower_is_better=True,
    ),
    Metric(
        "mre",
        "MRE",
        "",
        "Mean relative error",
        "For each test trajectory the sum over time of the squared difference between prediction and truth, divided by "
        "the sum over time of the squared truth, then averaged over trajectories. It is a ratio of squared norms: 10⁻⁴ "
        "means a typical deviation of 1 %.",
        lower_is_better=True,
    ),
    Metric(
        "mre_scaled",
        "MRE, scaled",
        "",
        "Mean relative error, scaled",
        "The mean relative error after each observable is scaled to [−1, 1] by its minimum and maximum over the "
        "training data.",
        lower_is_better=True,
    ),
    Metric(
        "mre_median",
        "MRE, median",
        "",
        "Median relative error",
        "The median of the relative error over the test trajectories, which a few bad ones cannot carry.",
        lower_is_better=True,
    ),
    Metric(
        "mmd",
        "MMD",
        "",
        "Maximum mean discrepancy",
        "Squared maximum mean discrepancy between predicted and true distributions, averaged over time and over "
        "several kernel widths. It is never negative; two samples of one distribution score a little above zero.",
        lower_is_better=True,
    ),
    Metric(
        "mmd_unbiased",
        "MMD, unbiased",
        "",
        "Maximum mean discrepancy, unbiased",
        "The squared maximum mean discrepancy without the terms that compare a trajectory with itself: zero on average "
        "for equal distributions, so that single values may be negative.",
        lower_is_better=True,
    ),
    Metric(
        "mean_error",
        "error of mean",
        "",
        "Error of the mean",
        "Deviation of the predicted mean over trajectories from the true one, summed over time and divided by the sum "
        "of the true one.",
        lower_is_better=True,
    ),
    Metric(
        "sd_error",
        "error of sd",
        "",
        "Error of the spread",
        "Deviation of the predicted standard deviation over trajectories from the true one, summed over time and "
        "divided by the sum of the true one.",
        lower_is_better=True,
    ),
    Metric(
        "inside_band",
        "inside band",
        "",
        "Inside the band",
        "Share of the frames at which the predicted mean lies within one true standard deviation of the true mean, for "
        "every observable.",
        lower_is_better=False,
    ),
    Metric(
        "diverged",
        "diverged",
        "",
        "Diverged rollouts",
        "Rollouts, of all sampled paths, that reached numbers that are not finite or beyond all bounds, and were "
        "stopped.",
        lower_is_better=True,
        whole=True,
    ),
    Metric(
        "outside",
        "left range",
        "",
        "Rollouts that left the range",
        "Rollouts, of all sampled paths, that left the range of the training data; their end is extrapolation.",
        lower_is_better=True,
        whole=True,
    ),
    Metric(
        "warned",
        "X₀ flagged",
        "",
        "First microstates flagged",
        "First microstates that the model itself found outside the range of its training data.",
        lower_is_better=None,
        whole=True,
    ),
    Metric(
        "effective_rank",
        "rank of ẑ",
        "",
        "Effective rank of the closure",
        "Number of directions that the closures of the test trajectories use (the exponential of the entropy of the "
        "eigenvalues of their covariance). If it is far below the number of closure variables, the closure has "
        "collapsed.",
        lower_is_better=None,
    ),
    Metric(
        "closure_variance",
        "variance of ẑ",
        "",
        "Variance of the closure",
        "Mean variance of the closure variables over the test trajectories, in the units that the encoder chose; zero "
        "if the closure is constant.",
        lower_is_better=None,
    ),
)

for _metric in _WRITTEN_BY_EVALUATE:
    register_metric(_metric)
