"""The mixing ratio of two species: how many neighbours of a particle are of the other one (Sec. 4.3)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from setclosure.errors import MicrostateError
from setclosure.microstates import MicrostateBatch
from setclosure.observables.registry import register

MOST_CELLS = 64
"""Cells along one axis at the most: a cloud with outliers gets larger cells, not more of them."""


def mixing_ratio_of_points(points: Any, species: Any, radius: float = 2.5) -> np.ndarray[Any, np.dtype[np.float64]]:
    """R_AB and R_BA: of all neighbours of the particles of one species, the share that is of the other (Sec. 4.3).

    Neighbours are particles within ``radius``, border included, without periodic images; the pairs of a whole
    microstate are counted before the ratio is taken. In a well-mixed microstate of n particles R_AB is n_B/(n − 1) on
    average.

    Parameters
    ----------
    points : array
        ``(B, N, d)`` with d ≤ 3.
    species : array
        0 (A) or 1 (B), ``(B, N)`` or ``(N,)``; places of another number are no particles.
    radius : float
        Cut-off, in the units of the points.

    Returns
    -------
    array
        ``(B, 2)``: R_AB, R_BA; zero for a species without any neighbour.

    Examples
    --------
    >>> mixing_ratio_of_points([[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]], [0, 0, 1], radius=1.5)
    array([[0.33333333, 1.        ]])
    """
    p = np.asarray(points, dtype=np.float64)
    if p.ndim != 3 or not 1 <= p.shape[2] <= 3:
        raise MicrostateError(f"a mixing ratio needs points of shape (B, N, d) with d ≤ 3; got {p.shape}.")
    if not 0 < radius < np.inf:
        raise MicrostateError(f"the radius of a mixing ratio is {radius}; expected a positive number.")
    x = np.zeros((*p.shape[:2], 3))
    x[..., : p.shape[2]] = p
    kinds = np.ascontiguousarray(np.broadcast_to(np.asarray(species, dtype=np.int64), p.shape[:2]))
    pairs = np.zeros((len(p), 3), np.int64)  # AA, AB, BB
    _count_pairs(x, kinds, float(radius), pairs)
    same, other = 2 * pairs[:, [0, 2]], pairs[:, [1, 1]]
    return np.asarray(other / np.maximum(same + other, 1))


@register("mixing_ratio", ("R_AB", "R_BA"))
def mixing_ratio(microstates: MicrostateBatch, radius: float = 2.5) -> np.ndarray[Any, Any]:
    """:func:`mixing_ratio_of_points` of a batch of two species, ``(B, 2)``; particles count once, whatever they weigh."""
    if microstates.n_species != 2:
        raise MicrostateError(
            f"the mixing ratio is that of two species; these microstates have {microstates.n_species}."
        )
    there = (microstates.weights > 0).cpu().numpy()  # (B, 2, N)
    species = np.where(there[:, 0], 0, np.where(there[:, 1], 1, -1))
    return mixing_ratio_of_points(microstates.points.detach().cpu().numpy(), species, radius)


@numba.njit(nogil=True, cache=True)
def _count_pairs(points: Any, species: Any, radius: float, pairs: Any) -> None:
    """Count pairs within ``radius`` by kind, with cells at least that wide: a particle meets 3^d cells of others."""
    B, N, _ = points.shape
    square = radius * radius
    cell = np.empty((N, 3), np.int64)
    after = np.empty(N, np.int64)  # the next particle of the same cell
    for b in range(B):
        x = points[b]
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        for i in range(N):
            if species[b, i] == 0 or species[b, i] == 1:
                for k in range(3):
                    low[k] = min(low[k], x[i, k])
                    high[k] = max(high[k], x[i, k])
        n, width = np.ones(3, np.int64), np.ones(3)
        for k in range(3):
            side = high[k] - low[k]
            if side > 0 and side < np.inf:
                n[k] = min(max(int(side / radius), 1), MOST_CELLS)
                width[k] = side / n[k]
        head = np.full((n[0], n[1], n[2]), -1, np.int64)
        for i in range(N):
            s = species[b, i]
            if s != 0 and s != 1:
                continue
            for k in range(3):
                cell[i, k] = min(int((x[i, k] - low[k]) / width[k]), n[k] - 1)
            c0, c1, c2 = cell[i]
            # those that came before are in the cells already, so each pair is met once
            for a0 in range(max(c0 - 1, 0), min(c0 + 2, n[0])):
                for a1 in range(max(c1 - 1, 0), min(c1 + 2, n[1])):
                    for a2 in range(max(c2 - 1, 0), min(c2 + 2, n[2])):
                        j = head[a0, a1, a2]
                        while j >= 0:
                            d0, d1, d2 = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
                            if d0 * d0 + d1 * d1 + d2 * d2 <= square:
                                pairs[b, s + species[b, j]] += 1
                            j = after[j]
            after[i] = head[c0, c1, c2]
            head[c0, c1, c2] = i
