"""Numbers behind the figures: thinned curves, samples as mean and band, errors over time.

Dimension letters: M trajectories, R sampled paths, T frames of the longest trajectory, o observables.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
POINTS_PER_CURVE = 300
GRID_POINTS = 100


def thin(n: int, most: int = POINTS_PER_CURVE) -> Array:
    """Choose at most ``most`` evenly spread indices of ``n`` entries, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)) if n else np.zeros(0, dtype=int)


def quantiles(values: Array, axis: int, levels: tuple[float, ...] = (0.1, 0.5, 0.9)) -> Array:
    """Take quantiles along ``axis`` that leave out NaN and infinity; NaN where nothing is left."""
    finite = np.where(np.isfinite(values), values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "All-NaN slice": the answer NaN is the one we want
        return np.asarray(np.nanquantile(finite, levels, axis=axis))


def moments(values: Array) -> tuple[Array, Array]:
    """Take mean and standard deviation over trajectories, of the finite values at each frame.

    Parameters
    ----------
    values : array
        Paths, ``(M, T)``, NaN where a trajectory has ended.

    Returns
    -------
    mean, sd : ndarray
        ``(T,)`` each; NaN at frames that fewer than two trajectories reach.
    """
    there = np.isfinite(values)
    count = there.sum(axis=0)
    kept = np.where(there, values, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = kept.sum(axis=0) / count
        sd = np.sqrt((np.where(there, values - mean, 0.0) ** 2).sum(axis=0) / (count - 1))
    return np.where(count > 1, mean, np.nan), np.where(count > 1, sd, np.nan)


def ended(values: Array, lengths: Array) -> Array:
    """Put NaN behind the end of each trajectory, so that statistics over trajectories leave those frames out.

    Parameters
    ----------
    values : array
        ``(M, T)`` or ``(M, T, o)``.
    lengths : array
        Frames of each trajectory, ``(M,)``.

    Returns
    -------
    ndarray
        The values, of the same shape.
    """
    there = np.arange(values.shape[1]) < lengths[:, None]
    return np.where(there.reshape(*there.shape, *[1] * (values.ndim - 2)), values, np.nan)


def shared_times(times: Array, lengths: Array) -> Array | None:
    """Find the times that all trajectories share.

    Parameters
    ----------
    times : array
        Times of each trajectory, ``(M, T)``.
    lengths : array
        Frames of each trajectory, ``(M,)``.

    Returns
    -------
    ndarray or None
        The times of the longest trajectory, ``(T,)``, if every other one has the same as far as it goes; else None.
    """
    longest = times[int(np.argmax(lengths))]
    span = float(np.ptp(longest)) or 1.0
    close = np.abs(times - longest) <= 1e-6 * span
    behind = np.arange(times.shape[1]) >= lengths[:, None]
    return longest if bool((close | behind).all()) else None


def mean_rollout(predicted: Array) -> Array:
    """Give one prediction ``(M, T, o)``: the mean over samples if there are several, ``(M, R, T, o)``."""
    return predicted if predicted.ndim == 3 else np.asarray(predicted.mean(axis=1))


def band(predicted: Array) -> tuple[Array, Array] | None:
    """Take 10 % and 90 % quantiles over samples, each ``(M, T, o)``; nothing for one rollout per trajectory."""
    if predicted.ndim == 3:
        return None
    low, high = quantiles(predicted, axis=1, levels=(0.1, 0.9))
    return low, high


def error_over_time(truth: Array, predicted: Array, lengths: Array) -> Array:
    """Take the absolute deviation of prediction from truth, by trajectory, frame and observable.

    Parameters
    ----------
    truth : array
        ``(M, T, o)``.
    predicted : array
        ``(M, T, o)``, or ``(M, R, T, o)``: then the mean over the samples counts.
    lengths : array
        Frames of each trajectory, ``(M,)``.

    Returns
    -------
    ndarray
        ``(M, T, o)``, in the unit of each observable. It is NaN at frame 0, which is given and not predicted, behind
        the end of a trajectory, and where the deviation is zero, for a logarithmic axis has no zero.
    """
    error = ended(np.abs(mean_rollout(predicted) - truth), lengths)
    error[:, 0] = np.nan
    return np.where(error > 0, error, np.nan)


def coarse_grid(x: Array, y: Array, density: Array) -> tuple[Array, Array, Array]:
    """Keep every k-th row and l-th column of densities ``(..., H, G)``, so that no side has more than a hundred."""
    columns = slice(None, None, -(-len(x) // GRID_POINTS))
    rows = slice(None, None, -(-len(y) // GRID_POINTS))
    return x[columns], y[rows], density[..., rows, columns]
