"""Regression that predicts every case from the others, for small samples with many features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FOLDS = 10
"""The cases are divided into so many parts, and each part is predicted by the others."""

PENALTIES = 10.0 ** np.arange(-1.0, 7.0)
"""The ridge regression chooses its penalty among these; with the largest one it predicts little but the mean."""

RESAMPLES = 1000
"""A standard error is the standard deviation over so many bootstrap samples of the cases."""


def predict_left_out(features: Sequence[Array], target: Array) -> tuple[Array, Array]:
    """Predict each target by a ridge regression, and by the mean, that have not seen it.

    The features and their squares are standardised. The cases are divided into :data:`FOLDS` parts, and each part is
    predicted by the others. The penalty is chosen among the cases that predict: it is the one with which they predict
    each other best, each left out in turn. So useless features cost little, even if there are many.

    Parameters
    ----------
    features : sequence of array
        One or more features of each case, ``(M,)`` or ``(M, n)`` each.
    target : array
        The number to predict, ``(M,)``.

    Returns
    -------
    predicted, mean : array
        The prediction by the regression and by the mean of the other parts, ``(M,)`` both.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 50)
    >>> predicted, mean = predict_left_out([x], 3 * x)
    >>> bool(np.abs(predicted - 3 * x).max() < 0.1), bool(np.abs(mean - 3 * x).max() > 2)
    (True, True)
    """
    x = np.column_stack(features)
    x = np.column_stack([x, (x - x.mean(axis=0)) ** 2])
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    predicted, mean = np.empty(len(x)), np.empty(len(x))
    for fold in range(FOLDS):
        out = np.arange(len(x)) % FOLDS == fold
        seen, y = x[~out], target[~out]
        penalty = min(PENALTIES, key=lambda p: _error_left_out(seen, y, p))
        coefficients = _ridge(seen - seen.mean(axis=0), penalty) @ (y - y.mean())
        mean[out] = y.mean()
        predicted[out] = y.mean() + (x[out] - seen.mean(axis=0)) @ coefficients
    return predicted, mean


def explained(target: Array, predicted: Sequence[Array], mean: Array) -> dict[str, list[float]]:
    """Give the share of the variance that each of several predictions explains.

    Returns
    -------
    dict
        ``r2`` with a share for each prediction, which is zero where it does no better than the mean; and ``r2_error``
        with the standard error of the first share over :data:`RESAMPLES` resampled sets of cases.
    """

    def share(p: Array, chosen: Any = slice(None)) -> float:
        return float(1 - ((target - p)[chosen] ** 2).sum() / ((target - mean)[chosen] ** 2).sum())

    stream, n = np.random.default_rng(0), len(target)
    resampled = [share(predicted[0], stream.integers(n, size=n)) for _ in range(RESAMPLES)]
    return {"r2": [share(p) for p in predicted], "r2_error": [float(np.std(resampled))]}


def _ridge(x: Array, penalty: float) -> Array:
    """Compute the matrix ``(n, M)`` that gives the coefficients if it is applied to centred targets.

    The features ``(M, n)`` are centred, too.
    """
    return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T))


def _error_left_out(x: Array, y: Array, penalty: float) -> float:
    """Compute the mean squared error of predicting each target by all others.

    One fit to all cases is enough: the error of a case that is left out is its residual over one minus its leverage.
    """
    centred = x - x.mean(axis=0)
    hat = centred @ _ridge(centred, penalty) + 1 / len(x)
    return float(np.mean(((y - hat @ y) / (1 - np.diag(hat))) ** 2))
