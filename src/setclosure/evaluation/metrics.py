"""The metrics of A.2 are computed here: mean relative error, maximum mean discrepancy; and the effective rank.

Dimension letters: ``M`` trajectories, ``T`` frames, ``o`` observables. NumPy, in double precision.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from setclosure.errors import DatasetError

FloatArray = NDArray[np.float64]

PAPER_BANDWIDTHS = (0.01, 0.05, 0.25, 1.25)
"""Γ of A.2, in units of the observable."""


def mean_relative_error(truth: ArrayLike, predicted: ArrayLike) -> tuple[float, FloatArray]:
    """Compute the mean relative error of A.2: a ratio of squared norms, without a root.

        MRE = mean over trajectories of  Σ_t ‖z̄_true − z̄_pred‖² / Σ_t ‖z̄_true‖²

    Parameters
    ----------
    truth, predicted : array
        Observables, ``(M, T, o)``, in the same units. The value depends on where those have their zero.

    Returns
    -------
    mean : float
        The mean over the trajectories.
    per_trajectory : ndarray
        The ratio of each, ``(M,)``.

    Raises
    ------
    DatasetError
        If the shapes differ, a value is not finite, or a true trajectory is zero throughout.

    Examples
    --------
    >>> mean_relative_error([[[2.0], [1.0]]], [[[2.0], [2.0]]])
    (0.2, array([0.2]))
    """
    true, prediction = _observables(truth, "truth"), _observables(predicted, "predicted")
    if true.shape != prediction.shape:
        raise DatasetError(
            f"truth has shape {true.shape} and predicted {prediction.shape}; expected the same (M, T, o). "
            "Predict as many frames as there are, and one path for each trajectory."
        )
    size = np.einsum("mto,mto->m", true, true)
    if not size.all():
        raise DatasetError(
            f"trajectory {int(np.argmin(size))} of the truth is zero throughout, with no relative error. "
            "Shift or scale the observable, or leave that trajectory out."
        )
    error = true - prediction
    ratios: FloatArray = np.einsum("mto,mto->m", error, error) / size
    return float(ratios.mean()), ratios


def scaled_to_range(values: ArrayLike, low: ArrayLike, high: ArrayLike) -> FloatArray:
    """Map ``values`` ``(*, o)`` so that ``low`` becomes −1 and ``high`` becomes 1, column by column.

    With the minimum and maximum of the *training* observables, :func:`mean_relative_error` of truth and
    prediction scaled so is ``mre_scaled``, the number that stands beside the tables of the paper.

    Parameters
    ----------
    values : array
        Observables, ``(*, o)``.
    low, high : array
        Least and largest training value of each, ``(o,)`` or a number.

    Returns
    -------
    ndarray
        The scaled values, ``(*, o)``.

    Raises
    ------
    DatasetError
        If ``low`` is not below ``high`` in every column.

    Examples
    --------
    >>> scaled_to_range([[2.0], [3.0]], 2.0, 4.0).tolist()
    [[-1.0], [0.0]]
    """
    bottom, top = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if not np.all(bottom < top):
        raise DatasetError(
            f"the observables range from {bottom.tolist()} to {top.tolist()}; expected low < high in each. "
            "An observable that never changes cannot be scaled."
        )
    scaled: FloatArray = 2.0 * (np.asarray(values, dtype=np.float64) - bottom) / (top - bottom) - 1.0
    return scaled


def mmd(
    truth: ArrayLike,
    predicted: ArrayLike,
    bandwidths: Sequence[float] = PAPER_BANDWIDTHS,
    unbiased: bool = False,
) -> float:
    """Compute the time-averaged multi-kernel *squared* maximum mean discrepancy of A.2.

    At each frame, with k(a, b) the mean over Γ of exp(−‖a − b‖² / 2σ²),

        MMD² = mean_ij k(p_i, p_j) + mean_ij k(q_i, q_j) − 2 mean_ij k(p_i, q_j),

    and then the mean over the frames. As printed it is the V-statistic, with the terms i = j: it is never
    negative, and two equal distributions score about (1 − mean k) (1/M + 1/M'). With ``unbiased`` those terms
    are left out (the U-statistic of Gretton et al., JMLR 13, 723, 2012): equal distributions score zero on
    average, and single values may be negative.

    Parameters
    ----------
    truth, predicted : array
        Observables ``(M, T, o)`` and ``(M', T, o)``; the bandwidths are in their units.
    bandwidths : sequence of float, optional
        Γ, the standard deviations σ of the kernels.
    unbiased : bool, optional
        Whether to leave the terms i = j out.

    Returns
    -------
    float
        The squared discrepancy.

    Raises
    ------
    DatasetError
        If T or o differ, a value is not finite, a bandwidth is not positive, or the unbiased estimate is
        asked of a single trajectory.

    Examples
    --------
    >>> round(mmd([[[0.0]]], [[[1.0]]], bandwidths=[1.0]), 6)  # 2 − 2 exp(−½)
    0.786939
    """
    true, prediction = _same_frames(truth, predicted)
    sigma = np.asarray(bandwidths, dtype=np.float64)
    if sigma.ndim != 1 or len(sigma) == 0 or not np.all(sigma > 0):
        raise DatasetError(f"bandwidths are {bandwidths}; expected one or more positive numbers.")
    if unbiased and min(len(true), len(prediction)) < 2:
        raise DatasetError("the unbiased estimate needs at least two trajectories of each kind.")
    total: float = 0.0
    for t in range(true.shape[1]):
        q, p = true[:, t], prediction[:, t]
        total += _mean_within(q, sigma, unbiased) + _mean_within(p, sigma, unbiased)
        total -= 2.0 * _kernel_sum(p, q, sigma) / (len(p) * len(q))
    return float(total / true.shape[1])


def moment_errors(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Compare mean and standard deviation over the trajectories, as they change in time.

    With the moments m and s of each frame and observable,

        mean_error = Σ_t abs(m_pred − m_true) / Σ_t abs(m_true),  sd_error = Σ_t abs(s_pred − s_true) / Σ_t s_true,

    each averaged over the observables; ``inside_band`` is the share of the frames at which, for every observable, the
    predicted mean lies within one true standard deviation of the true mean.

    Parameters
    ----------
    truth, predicted : array
        Observables ``(M, T, o)`` and ``(M', T, o)``, with M, M' ≥ 2.

    Returns
    -------
    dict
        ``mean_error``, ``sd_error``, ``inside_band``; ``sd_error`` is infinite if the truth never varies.

    Raises
    ------
    DatasetError
        If T or o differ, a value is not finite, or there are fewer than two trajectories of either.

    Examples
    --------
    >>> moment_errors([[[1.0]], [[3.0]]], [[[2.0]], [[4.0]]])
    {'mean_error': 0.5, 'sd_error': 0.0, 'inside_band': 1.0}
    """
    true, prediction = _same_frames(truth, predicted)
    if min(len(true), len(prediction)) < 2:
        raise DatasetError("a standard deviation needs at least two trajectories of each kind.")
    m, s = true.mean(axis=0), true.std(axis=0, ddof=1)  # (T, o)
    off, spread = np.abs(prediction.mean(axis=0) - m), np.abs(prediction.std(axis=0, ddof=1) - s)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_error = off.sum(axis=0) / np.abs(m).sum(axis=0)
        sd_error = np.where(s.sum(axis=0) > 0, spread.sum(axis=0) / s.sum(axis=0), np.inf)
    return {
        "mean_error": float(mean_error.mean()),
        "sd_error": float(sd_error.mean()),
        "inside_band": float((off <= s).all(axis=1).mean()),
    }


def effective_rank(z: ArrayLike) -> float:
    """Count the directions that a cloud of closures uses: a number between 1 and c.

    It is the exponential of the entropy of the normalised eigenvalues of the covariance (Roy & Vetterli, EUSIPCO
    2007). A value well below the columns of the closure means that some of them are redundant or collapsed.

    Parameters
    ----------
    z : array
        Closures, ``(n, c)`` with n ≥ 2. Columns are taken in their own units.

    Returns
    -------
    float
        The effective rank; 0 if all rows are equal.

    Raises
    ------
    DatasetError
        If the shape is another or a value is not finite.

    Examples
    --------
    >>> round(effective_rank([[1, 0], [-1, 0], [0, 1], [0, -1]]), 6)
    2.0
    """
    points = np.asarray(z, dtype=np.float64)
    if points.ndim != 2 or len(points) < 2 or points.shape[1] == 0 or not np.isfinite(points).all():
        raise DatasetError(f"closures have shape {points.shape}; expected finite numbers (n ≥ 2, c ≥ 1).")
    centred = points - points.mean(axis=0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    # what is left of equal rows after the mean was taken off is rounding, not a direction
    if variances.max() <= len(points) * (1e-14 * np.abs(points).max()) ** 2:
        return 0.0
    share = variances[variances > 0] / variances.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _same_frames(truth: ArrayLike, predicted: ArrayLike) -> tuple[FloatArray, FloatArray]:
    true, prediction = _observables(truth, "truth"), _observables(predicted, "predicted")
    if true.shape[1:] != prediction.shape[1:]:
        raise DatasetError(
            f"truth has shape {true.shape} and predicted {prediction.shape}; expected (M, T, o) and "
            "(M', T, o) with the same frames and observables."
        )
    return true, prediction


def _observables(values: ArrayLike, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 3 or array.size == 0:
        raise DatasetError(f"{name} has shape {array.shape}; expected (M, T, o), none of them zero.")
    if not np.isfinite(array).all():
        m, t, _ = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DatasetError(f"{name} is NaN or infinite in trajectory {m}, frame {t}; expected finite numbers.")
    return array


def _mean_within(a: FloatArray, sigma: FloatArray, unbiased: bool) -> float:
    M = len(a)
    if unbiased:
        return (_kernel_sum(a, a, sigma) - M) / (M * (M - 1))
    return _kernel_sum(a, a, sigma) / M**2


def _kernel_sum(a: FloatArray, b: FloatArray, sigma: FloatArray) -> float:
    """Σ_ij k(a_i, b_j) of one frame, ``(M, o)`` and ``(M', o)``, in blocks of rows that fit the cache."""
    total = 0.0
    rows = max(1, min(len(a), 2**15 // len(b)))
    distance, work = np.empty((rows, len(b))), np.empty((rows, len(b)))  # reused: fresh pages cost more than exp
    for first in range(0, len(a), rows):
        part = a[first : first + rows]
        d, w = distance[: len(part)], work[: len(part)]
        d.fill(0.0)
        for column in range(a.shape[1]):  # differences, not |a|² + |b|² − 2ab: no cancellation
            np.subtract(part[:, column, None], b[:, column], out=w)
            d += np.square(w, out=w)
        for s in sigma:
            np.multiply(d, -0.5 / s**2, out=w)
            np.maximum(w, -700.0, out=w)  # exp(−700) is nothing, and below it slow subnormal numbers begin
            total += float(np.exp(w, out=w).sum())
    return total / len(sigma)
