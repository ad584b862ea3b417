"""Naive predictions need no model: persistence, the mean path, and a linear fit from the start and the context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Array

NAIVE = ("persistence", "mean path", "linear fit")
"""Names of the naive predictions, in the order of tables."""


class NaivePredictions:
    """The three naive predictions of observables, fitted to training trajectories.

    *Persistence* keeps the first observables. The *mean path* is the mean of the training trajectories as a function
    of the time since their first frame. The *linear fit* maps the first observables and the first context to the
    observables at each later time, by least squares over the training trajectories. Times between frames are
    interpolated, and behind the longest training trajectory the last value is kept.

    Parameters
    ----------
    times, observables : sequence of array
        Times ``(T_m,)`` and observables ``(T_m, o)`` of the training trajectories.
    context : sequence of array
        Their context, ``(T_m, p)``.

    Examples
    --------
    >>> paths = [np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])]
    >>> naive = NaivePredictions([np.arange(2.0)] * 2, paths, [np.zeros((2, 0))] * 2)
    >>> naive.predict(np.arange(2.0), np.array([5.0]), np.zeros(0))["linear fit"].ravel().round(6).tolist()
    [5.0, 6.0]
    """

    def __init__(self, times: Sequence[Array], observables: Sequence[Array], context: Sequence[Array]) -> None:
        self._times = [np.asarray(t - t[0], dtype=np.float64) for t in times]
        self._observables = list(observables)
        first = [np.concatenate([[1.0], z[0], u[0]]) for z, u in zip(observables, context, strict=True)]
        self._first = np.stack(first)  # (M, 1 + o + p)
        self._fitted: dict[bytes, tuple[Array, Array]] = {}

    @classmethod
    def of(cls, data: TrajectoryDataset, trajectories: Array | None = None) -> NaivePredictions:
        """Fit them to some trajectories of a data set, by default to all that can be used."""
        usable = data.usable if trajectories is None else trajectories
        return cls(
            [data.times(int(i)) for i in usable], data.observables(usable), [data.context(int(i)) for i in usable]
        )

    def predict(self, times: Array, first: Array, context: Array) -> dict[str, Array]:
        """Predict one trajectory by each of :data:`NAIVE`, ``(T, o)`` each.

        Parameters
        ----------
        times : array
            Times of its frames, ``(T,)``.
        first : array
            Its first observables, ``(o,)``.
        context : array
            Its first context, ``(p,)``.
        """
        elapsed = np.asarray(times - times[0], dtype=np.float64)
        key = elapsed.tobytes()
        if key not in self._fitted:
            self._fitted[key] = self._fit(elapsed)
        mean, coefficients = self._fitted[key]
        features = np.concatenate([[1.0], first, context])
        linear = np.einsum("f,tfo->to", features, coefficients)
        linear[0] = first
        return {"persistence": np.broadcast_to(first, mean.shape), "mean path": mean, "linear fit": linear}

    def _fit(self, elapsed: Array) -> tuple[Array, Array]:
        """Give the mean path ``(T, o)`` and the coefficients of the linear fit ``(T, 1 + o + p, o)``."""
        longest = max(t[-1] for t in self._times)
        asked = np.minimum(elapsed, longest)
        values = np.stack([_interpolated(asked, t, z) for t, z in zip(self._times, self._observables, strict=True)])
        there = np.stack([asked <= t[-1] * (1 + 1e-9) for t in self._times])  # (M, T)
        mean = np.stack([values[there[:, t], t].mean(axis=0) for t in range(len(asked))])
        coefficients = np.stack(
            [
                np.linalg.lstsq(self._first[there[:, t]], values[there[:, t], t], rcond=None)[0]
                for t in range(len(asked))
            ]
        )
        return mean, coefficients


def _interpolated(asked: Array, times: Array, values: Array) -> Array:
    return np.stack([np.interp(asked, times, column) for column in values.T], axis=1)
