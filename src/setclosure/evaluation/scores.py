"""Scores are put together from metrics: of single paths for dynamics without noise, of distributions with noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from setclosure.errors import DatasetError
from setclosure.evaluation.metrics import mean_relative_error, mmd, moment_errors, scaled_to_range
from setclosure.trajectories.layout import Array
from setclosure.trajectories.transitions import rounding_of

Range = tuple[Array, Array]
"""Least and largest training value of each observable, ``(o,)`` both."""


def path_metrics(truth: Sequence[Array], predicted: Sequence[Array], training: Range) -> dict[str, float]:
    """Score single paths, for dynamics without noise.

    ``mre`` as printed in A.2 over all frames but the first, which is given; ``mre_scaled`` on observables scaled to
    [−1, 1] by their training range; ``mre_median`` over the trajectories. A metric that is not defined is left out: a
    relative error of a trajectory that is zero throughout, a scaled one where an observable never changed in training.

    Parameters
    ----------
    truth, predicted : sequence of array
        ``(T_m, o)`` each.
    training : pair of array
        Training range of the observables, ``(o,)`` each.
    """
    q, p = [z[1:] for z in truth], [z[1:] for z in predicted]
    found: dict[str, float] = {}
    errors = relative_errors(q, p)
    if np.isfinite(errors).all():
        found |= {"mre": float(errors.mean()), "mre_median": float(np.median(errors))}
    low, high = training
    if np.all(low < high):
        scaled = [[scaled_to_range(z, low, high) for z in paths] for paths in (q, p)]
        in_range = relative_errors(*scaled)
        if np.isfinite(in_range).all():
            found["mre_scaled"] = float(in_range.mean())
    return {name: found[name] for name in ("mre", "mre_scaled", "mre_median") if name in found}


def relative_errors(truth: Sequence[Array], predicted: Sequence[Array]) -> Array:
    """Give the relative error of each trajectory (A.2), ``(M,)``; NaN where the truth is zero throughout."""
    out = np.full(len(truth), np.nan)
    for m, (true, path) in enumerate(zip(truth, predicted, strict=True)):
        if np.any(true):
            out[m] = mean_relative_error(true[None], path[None])[0]
    return out


def distribution_metrics(truth: Array, predicted: Array, unit_range: Range | None = None) -> dict[str, float]:
    """Compare distributions over trajectories, ``(M, T, o)`` and ``(M', T, o)``, over all frames but the first.

    ``mmd`` as printed in A.2 with its biased estimate, and ``mmd_unbiased``, of the observables, or with ``unit_range``
    of what is zero at the first and one at the second of its vectors ``(o,)``; and
    :func:`~setclosure.evaluation.metrics.moment_errors`.
    """
    q, p = truth[:, 1:], predicted[:, 1:]
    moments = moment_errors(q, p)
    if unit_range is not None:
        q, p = ((scaled_to_range(z, *unit_range) + 1.0) / 2.0 for z in (q, p))
    finite = {name: value for name, value in moments.items() if np.isfinite(value)}
    return {"mmd": mmd(q, p), "mmd_unbiased": mmd(q, p, unbiased=True), **finite}


def squared_error(truth: Sequence[Array], predicted: Sequence[Array], scale: Array) -> float:
    """Give the mean squared error over trajectories, frames but the first, and observables in units of ``scale``."""
    per_trajectory = [np.mean(((p[1:] - q[1:]) / scale) ** 2) for q, p in zip(truth, predicted, strict=True)]
    return float(np.mean(per_trajectory))


def common_frames(times: Sequence[Array], values: Sequence[Array]) -> Array:
    """Stack the values of all trajectories, cut to the shortest, ``(M, T, …)``.

    Raises
    ------
    DatasetError
        If trajectories do not share the times of their frames, counted from the first.
    """
    T = min(len(t) for t in times)
    first = times[0][:T] - times[0][0]
    for m, t in enumerate(times):
        if np.abs(t[:T] - t[0] - first).max() > max(1e-6 * first[-1], rounding_of(t)):
            raise DatasetError(
                f"trajectory {m} has other times than trajectory 0, so there is no distribution over trajectories at a "
                "time. Interpolate to common times."
            )
    return np.stack([value[:T] for value in values])
