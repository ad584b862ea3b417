"""Numbers behind the figures: thinned curves, samples as mean and band, errors over time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
POINTS_PER_CURVE = 300
GRID_POINTS = 100


def thin(n: int, most: int = POINTS_PER_CURVE) -> Array:
    """At most ``most`` evenly spread indices of ``n`` entries, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)) if n else np.zeros(0, dtype=int)


def quantiles(values: Array, axis: int, levels: tuple[float, ...] = (0.1, 0.5, 0.9)) -> Array:
    """Quantiles along ``axis`` that leave out NaN and infinity; NaN where nothing is left."""
    finite = np.where(np.isfinite(values), values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "All-NaN slice": the answer NaN is the one we want
        return np.asarray(np.nanquantile(finite, levels, axis=axis))


def mean_rollout(predicted: Array) -> Array:
    """Prediction ``(M, T, o)``: the mean over samples if there are several, ``(M, R, T, o)``."""
    return predicted if predicted.ndim == 3 else np.asarray(predicted.mean(axis=1))


def band(predicted: Array) -> tuple[Array, Array] | None:
    """10 % and 90 % quantiles over samples, each ``(M, T, o)``; nothing for one rollout per trajectory."""
    if predicted.ndim == 3:
        return None
    low, high = quantiles(predicted, axis=1, levels=(0.1, 0.9))
    return low, high


def error_over_time(truth: Array, predicted: Array) -> Array:
    """Deviation of each trajectory over time, relative to the truth's root mean square, ``(M, T)``.

    ``e(t) = |predicted(t) − true(t)| / sqrt(mean_t |true(t)|²)``; the mean of e² over the predicted frames t ≥ 1 is the
    trajectory's share of the MRE (App. A.2). Frame 0 is given and not
    predicted: it is NaN, and so is an error of exactly zero, for a logarithmic axis has no zero.
    """
    deviation = np.linalg.norm(mean_rollout(predicted) - truth, axis=-1)
    size = np.sqrt((np.linalg.norm(truth[:, 1:], axis=-1) ** 2).mean(axis=1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = deviation / size
    error[:, 0] = np.nan
    return np.where(error > 0, error, np.nan)


def coarse_grid(x: Array, y: Array, density: Array) -> tuple[Array, Array, Array]:
    """Every k-th row and l-th column of densities ``(..., H, G)``, so that no side has more than a hundred."""
    columns = slice(None, None, -(-len(x) // GRID_POINTS))
    rows = slice(None, None, -(-len(y) // GRID_POINTS))
    return x[columns], y[rows], density[..., rows, columns]
