"""The mixing ratio of two species is the share of neighbours that are of the other species (Sec. 4.3)."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import torch

from setclosure.errors import MicrostateError
from setclosure.registry import register
from setclosure.sets.lattice import completed
from setclosure.sets.microstates import MicrostateBatch

MOST_CELLS = 64
"""The most cells along an axis in the search for neighbours; outliers then make cells larger and not more."""


def mixing_ratio_of_points(
    points: Any, species: Any, radius: float = 2.5, cells: Any = None
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give R_AB and R_BA, the shares of the neighbours of one species that are of the other species (Sec. 4.3).

    Neighbours are particles within ``radius``, border included, and in a cell their nearest images are; the pairs of a
    whole microstate are counted before the ratio is taken. In a well-mixed microstate of n particles R_AB is
    n_B/(n − 1) on average.

    Parameters
    ----------
    points : array
        ``(B, N, d)`` with d ≤ 3.
    species : array
        0 (A) or 1 (B) for each particle, ``(B, N)`` or ``(N,)``; places with another number hold no particle.
    radius : float
        Cut-off, in the units of the points.
    cells : array, optional
        Lattice vectors as rows, ``(B, d, d)``; rows of zeros are open directions.

    Returns
    -------
    array
        R_AB and R_BA, ``(B, 2)``; zero for a species without any neighbour.

    Raises
    ------
    MicrostateError
        If the points have another shape, the radius is not positive, or a cell is narrower than twice the radius, so
        that a particle could be a neighbour by two images.

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
    B, N, d = p.shape
    x = np.zeros((B, N, 3))
    x[..., :d] = p
    kinds = np.ascontiguousarray(np.broadcast_to(np.asarray(species, dtype=np.int64), p.shape[:2]))
    pairs = np.zeros((B, 3), np.int64)  # AA, AB, BB
    if cells is None or not np.any(cells):
        _count_pairs(x, kinds, float(radius), pairs)
    else:
        frames, periodic = _frames(np.asarray(cells, dtype=np.float64), d, radius)
        _count_pairs_in_cells(x, kinds, frames, np.linalg.inv(frames), periodic, float(radius), pairs)
    same, other = 2 * pairs[:, [0, 2]], pairs[:, [1, 1]]
    return np.asarray(other / np.maximum(same + other, 1))


@register("observable", "mixing_ratio", components=("R_AB", "R_BA"))
def mixing_ratio(microstates: MicrostateBatch, radius: float = 2.5) -> np.ndarray[Any, Any]:
    """Give the mixing ratios (R_AB, R_BA) of microstates of two species, ``(B, 2)``; weights do not matter.

    Distances are those of positions, and in a periodic cell those of the nearest images.

    Parameters
    ----------
    microstates : MicrostateBatch
        B microstates with S = 2.
    radius : float
        Cut-off, in the units of the points.

    Raises
    ------
    MicrostateError
        If there are not two species, positions have more than three coordinates, the radius is not positive, or a
        cell is narrower than twice the radius.
    """
    if microstates.n_species != 2:
        raise MicrostateError(
            f"the mixing ratio is that of two species; these microstates have {microstates.n_species}."
        )
    there = (microstates.weights > 0).cpu().numpy()  # (B, 2, N)
    species = np.where(there[:, 0], 0, np.where(there[:, 1], 1, -1))
    cells = None if microstates.cell is None else microstates.cell.cpu().numpy()
    return mixing_ratio_of_points(microstates.positions.detach().cpu().numpy(), species, radius, cells)


def _frames(cells: np.ndarray[Any, Any], d: int, radius: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Complete cells to three directions, ``(B, 3, 3)``, and say which are periodic ``(3,)``."""
    periodic = np.zeros(3, dtype=np.bool_)
    periodic[:d] = (cells[0] != 0).any(axis=1)
    frames = np.tile(np.eye(3), (len(cells), 1, 1))
    frames[:, :d, :d] = completed(torch.from_numpy(cells)).numpy()
    heights = 1.0 / np.linalg.norm(np.linalg.inv(frames), axis=1)  # distances of opposite faces
    narrow = (heights < 2 * radius) & periodic
    if narrow.any():
        b, i = np.argwhere(narrow)[0]
        raise MicrostateError(
            f"the cell of microstate {b} is {heights[b, i]:.4g} wide along its lattice vector {i}; a mixing ratio "
            f"within {radius:g} needs {2 * radius:g} at least, or two images of one particle could be neighbours. Give a "
            "smaller radius, as in 'mixing_ratio(radius=1.5)'."
        )
    return frames, periodic


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
            # the cells hold the particles that came before, so each pair is met once
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
    """Put every particle into a cell at least ``radius`` wide, so that its neighbours are in that and the next cells.

    The kernel fills ``cell`` (N, 3) and returns the number of cells along each axis.
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


@numba.njit(nogil=True, cache=True)
def _count_pairs_in_cells(
    points: Any, species: Any, frames: Any, inverses: Any, periodic: Any, radius: float, pairs: Any
) -> None:
    """Count pairs within ``radius`` by kind into ``pairs`` (B, 3), between nearest images.

    ``frames`` (B, 3, 3) have the lattice vectors, and unit vectors at right angles along open directions. A periodic
    cell is at least two radii wide, so an image within the radius is the one that rounding gives.
    """
    B, N, _ = points.shape
    f, after, place = np.empty((N, 3)), np.empty(N, np.int64), np.empty((N, 3), np.int64)
    n, low, width = np.ones(3, np.int64), np.empty(3), np.empty(3)
    for b in range(B):
        h, inverse, kind = frames[b], inverses[b], species[b]
        for k in range(3):
            lowest, highest = np.inf, -np.inf
            for i in range(N):
                f[i, k] = (
                    points[b, i, 0] * inverse[0, k] + points[b, i, 1] * inverse[1, k] + points[b, i, 2] * inverse[2, k]
                )
                if periodic[k]:
                    f[i, k] -= math.floor(f[i, k])
                if 0 <= kind[i] <= 1:
                    lowest, highest = min(lowest, f[i, k]), max(highest, f[i, k])
            reach = radius * math.sqrt(inverse[0, k] ** 2 + inverse[1, k] ** 2 + inverse[2, k] ** 2)
            if periodic[k]:
                low[k], span = 0.0, 1.0
            else:
                low[k], span = lowest, highest - lowest
            n[k] = min(max(int(span / reach), 1), MOST_CELLS) if span > 0 else 1
            if periodic[k] and n[k] < 3:  # the next cells on both sides would be the same one
                n[k] = 1
            width[k] = span / n[k] if span > 0 else 1.0
        for i in range(N):
            for k in range(3):
                place[i, k] = min(int((f[i, k] - low[k]) / width[k]), n[k] - 1) if 0 <= kind[i] <= 1 else 0
        head = np.full((n[0], n[1], n[2]), -1, np.int64)
        for i in range(N):
            if not 0 <= kind[i] <= 1:
                continue
            for s0 in range(-1, 2):
                c0 = _beside(place[i, 0] + s0, n[0], periodic[0])
                for s1 in range(-1, 2):
                    c1 = _beside(place[i, 1] + s1, n[1], periodic[1])
                    for s2 in range(-1, 2):
                        c2 = _beside(place[i, 2] + s2, n[2], periodic[2])
                        if c0 < 0 or c1 < 0 or c2 < 0 or _again(s0, n[0]) or _again(s1, n[1]) or _again(s2, n[2]):
                            continue
                        j = head[c0, c1, c2]
                        while j >= 0:
                            square = 0.0
                            d0, d1, d2 = f[i, 0] - f[j, 0], f[i, 1] - f[j, 1], f[i, 2] - f[j, 2]
                            if periodic[0]:
                                d0 -= np.rint(d0)
                            if periodic[1]:
                                d1 -= np.rint(d1)
                            if periodic[2]:
                                d2 -= np.rint(d2)
                            for k in range(3):
                                square += (d0 * h[0, k] + d1 * h[1, k] + d2 * h[2, k]) ** 2
                            if square <= radius * radius:
                                pairs[b, kind[i] + kind[j]] += 1
                            j = after[j]
            c0, c1, c2 = place[i]
            after[i] = head[c0, c1, c2]
            head[c0, c1, c2] = i


@numba.njit(nogil=True, cache=True)
def _beside(cell: Any, n: Any, periodic: Any) -> Any:
    """Give the number of a cell, around the torus; -1 outside of an open direction."""
    if periodic:
        return cell % n
    return cell if 0 <= cell < n else -1


@numba.njit(nogil=True, cache=True)
def _again(step: Any, n: Any) -> Any:
    """Tell whether a step along an axis of one cell leads to the cell where it began."""
    return n == 1 and step != 0
