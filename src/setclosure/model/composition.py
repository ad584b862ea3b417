"""The composition of a microstate is what its weights cannot show: how many particles there are, and of which species.

With ``model.composition`` the dynamics is given log N and the shares of the species at the start as context. Those that
change along training trajectories are columns of the macrostate, too, and are predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.dataset import TrajectoryDataset

Array = np.ndarray[Any, Any]

_NONE = np.log(0.5)
"""The logarithm of N for a microstate without particles."""

_MARGIN, _LEAST = 0.1, 0.01
"""A number is outside the training range by more than this share of its width, and by more than this at least."""


@dataclass(frozen=True)
class Composition:
    """The numbers of the composition of a model: log N, and the share of every species but the last.

    Attributes
    ----------
    names : tuple of str
        Names of the K numbers.
    varies : tuple of bool
        Whether each changes along a training trajectory.
    low, high : tuple of float
        Least and largest value of each in training.
    """

    names: tuple[str, ...]
    varies: tuple[bool, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def fitted(cls, species: Sequence[str], rows: Sequence[Array]) -> Composition:
        """Take the facts from the numbers ``(T_m, K)`` of the training trajectories."""
        every = np.concatenate(list(rows))
        names = ("log N", *(f"share of {name}" for name in species[:-1]))
        varies = tuple(bool(any(np.ptp(row[:, k]) > 1e-12 for row in rows)) for k in range(len(names)))
        return cls(names, varies, tuple(every.min(axis=0).tolist()), tuple(every.max(axis=0).tolist()))

    @property
    def columns(self) -> list[int]:
        """The indices of the numbers that are columns of the macrostate: those that vary in training."""
        return [k for k, varies in enumerate(self.varies) if varies]

    def outside(self, numbers: Array) -> list[str]:
        """Say for each row of ``(B, K)`` which number lies outside the training range; empty where none does.

        Examples
        --------
        >>> Composition(("log N",), (False,), (np.log(300),), (np.log(300),)).outside(np.log([[300.0], [400.0]]))
        ['', '400 particles, in training 300']
        """
        low, high = np.array(self.low), np.array(self.high)
        reach = np.maximum(_MARGIN * (high - low), _LEAST)
        wrong = (numbers < low - reach) | (numbers > high + reach)
        return [
            "; ".join(self._words(int(k), float(row[k])) for k in np.flatnonzero(of_row))
            for row, of_row in zip(numbers, wrong, strict=True)
        ]

    def _words(self, k: int, value: float) -> str:
        low, high = self.low[k], self.high[k]
        if k:
            known = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
            return f"{self.names[k]} {value:.3g}, in training {known}"
        least, most = (round(float(np.exp(v))) if v > _NONE else 0 for v in (low, high))
        n = round(float(np.exp(value))) if value > _NONE else 0
        return f"{n} particles, in training {least if least == most else f'{least} to {most}'}"


def composition_of(counts: Array) -> Array:
    """Give log N and the shares of all species but the last, from the particles of each species ``(B, S)``.

    Examples
    --------
    >>> composition_of(np.array([[3, 1]])).round(3).tolist()
    [[1.386, 0.75]]
    """
    n = counts.sum(axis=1, keepdims=True).astype(np.float64)
    log_n = np.where(n > 0, np.log(np.maximum(n, 1.0)), _NONE)
    return np.concatenate([log_n, counts[:, :-1] / np.maximum(n, 1.0)], axis=1)


def of_batch(batch: MicrostateBatch) -> Array:
    """Give the composition of microstates, ``(B, K)``."""
    return composition_of((batch.weights > 0).sum(dim=2).cpu().numpy())


def of_trajectories(data: TrajectoryDataset, trajectories: Array) -> list[Array]:
    """Give the composition along some trajectories, ``(T_m, K)`` each, without reading their points."""
    layout, N = data.layout, data.max_particles
    lengths = data.lengths
    counts = dict(data.each("counts", trajectories)) if layout.ragged else {}
    species = dict(data.each("species", trajectories)) if layout.n_species > 1 else {}
    rows = []
    for m in map(int, trajectories):
        n = np.asarray(counts[m]) if layout.ragged else np.full(lengths[m], N)
        if layout.n_species == 1:
            rows.append(composition_of(n[:, None]))
            continue
        there = np.arange(species[m].shape[1]) < n[:, None]
        of_each = [((species[m] == s) & there).sum(axis=1) for s in range(layout.n_species)]
        rows.append(composition_of(np.stack(of_each, axis=1)))
    return rows
