"""The mixing ratio of two species: how many neighbours of a particle are of the other one (Sec. 4.3)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from setclosure.errors import MicrostateError
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch

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


@register("observable", "mixing_ratio", components=("R_AB", "R_BA"))
def mixing_ratio(microstates: MicrostateBatch, radius: float = 2.5) -> np.ndarray[Any, Any]:
    """Give the share of the other species among the neighbours of each of two species, ``(B, 2)``.

    Weights do not matter; see :func:`mixing_ratio_of_points`.
    """
    if microstates.n_species != 2:
        raise MicrostateError(
            f"the mixing ratio is that of two species; these microstates have {microstates.n_species}."
        )
    there = (microstates.weights > 0).cpu().numpy()  # (B, 2, N)
    species = np.where(there[:, 0], 0, np.where(there[:, 1], 1, -1))
    return mixing_ratio_of_points(microstates.points.detach().cpu().numpy(), species, radius)


@numba.njit(nogil=True, cache=True)
def _count_pairs(points: Any, species: Any, radius: float, pairs: Any) -> None:
    """Count pairs within ``radius`` by kind into ``pairs`` (B, 3), for points (B, N, 3)."""
    B, N, _ = points.shape
    cell, after = np.empty((N, 3), np.int64), np.empty(N, np.int64)  # after: the next particle of the same cell
    for b in range(B):
        x, kind = points[b], species[b]
        n = _cells(x, kind, radius, cell)
        head = np.full((n[0], n[1], n[2]), -1, np.int64)
        for i in range(N):
            if not 0 <= kind[i] <= 1:
                continue
            c0, c1, c2 = cell[i]
            # those that came before are in the cells already, so each pair is met once
            for a0 in range(max(c0 - 1, 0), min(c0 + 2, n[0])):
                for a1 in range(max(c1 - 1, 0), min(c1 + 2, n[1])):
                    for a2 in range(max(c2 - 1, 0), min(c2 + 2, n[2])):
                        j = head[a0, a1, a2]
                        while j >= 0:
                            d0, d1, d2 = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
                            if d0 * d0 + d1 * d1 + d2 * d2 <= radius * radius:
                                pairs[b, kind[i] + kind[j]] += 1
                            j = after[j]
            after[i] = head[c0, c1, c2]
            head[c0, c1, c2] = i


@numba.njit(nogil=True, cache=True)
def _cells(x: Any, kind: Any, radius: float, cell: Any) -> Any:
    """Put every particle into a cell at least ``radius`` wide, so that its neighbours are in that and the next ones.

    Fills ``cell`` (N, 3) and returns the number of cells along each axis.
    """
    n = np.ones(3, np.int64)
    for k in range(3):
        low, high = np.inf, -np.inf
        for i in range(len(x)):
            if 0 <= kind[i] <= 1:
                low, high = min(low, x[i, k]), max(high, x[i, k])
        n[k] = min(max(int((high - low) / radius), 1), MOST_CELLS) if high > low else 1
        width = (high - low) / n[k] if high > low else 1.0
        for i in range(len(x)):
            if 0 <= kind[i] <= 1:
                cell[i, k] = min(int((x[i, k] - low) / width), n[k] - 1)
    return n
