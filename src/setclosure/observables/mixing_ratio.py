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
        frames, periodic = _frames(np.array(cells, dtype=np.float64), d, radius)
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
            f"within {radius:g} needs {2 * radius:g} at least, or two images of one particle could be neighbours. Give "
            "a smaller radius, as in 'mixing_ratio(radius=1.5)'."
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
    f, place, after = np.empty((N, 3)), np.empty((N, 3), np.int64), np.empty(N, np.int64)
    beside = np.empty((3, 3), np.int64)  # for each direction the numbers of the cells around, -1 for none
    for b in range(B):
        kind = species[b]
        n = _cells_around(points[b], kind, inverses[b], periodic, radius, f, place)
        head = np.full((n[0], n[1], n[2]), -1, np.int64)
        for i in range(N):
            if not 0 <= kind[i] <= 1:
                continue
            for k in range(3):
                for step in range(3):
                    beside[k, step] = _beside(place[i, k], step - 1, n[k], periodic[k])
            for at in range(27):
                c0, c1, c2 = beside[0, at // 9], beside[1, at // 3 % 3], beside[2, at % 3]
                j = head[c0, c1, c2] if c0 >= 0 and c1 >= 0 and c2 >= 0 else -1
                while j >= 0:
                    if _square(f[i], f[j], frames[b], periodic) <= radius * radius:
                        pairs[b, kind[i] + kind[j]] += 1
                    j = after[j]
            after[i] = head[place[i, 0], place[i, 1], place[i, 2]]
            head[place[i, 0], place[i, 1], place[i, 2]] = i


@numba.njit(nogil=True, cache=True)
def _cells_around(x: Any, kind: Any, inverse: Any, periodic: Any, radius: float, f: Any, place: Any) -> Any:
    """Fill coordinates ``f`` (N, 3) along the lattice and the cells ``place`` (N, 3) of the search for neighbours.

    The kernel returns the number of cells along each direction; they are at least ``radius`` wide.
    """
    n = np.ones(3, np.int64)
    for k in range(3):
        low, high = np.inf, -np.inf
        for i in range(len(x)):
            f[i, k] = x[i, 0] * inverse[0, k] + x[i, 1] * inverse[1, k] + x[i, 2] * inverse[2, k]
            if periodic[k]:
                f[i, k] -= math.floor(f[i, k])
            if 0 <= kind[i] <= 1:
                low, high = min(low, f[i, k]), max(high, f[i, k])
        if periodic[k]:
            low, high = 0.0, 1.0
        reach = radius * math.sqrt(inverse[0, k] ** 2 + inverse[1, k] ** 2 + inverse[2, k] ** 2)
        n[k] = min(max(int((high - low) / reach), 1), MOST_CELLS) if high > low else 1
        if periodic[k] and n[k] == 2:  # the next cells on both sides would be the same one
            n[k] = 1
        width = (high - low) / n[k] if high > low else 1.0
        for i in range(len(x)):
            if 0 <= kind[i] <= 1:
                place[i, k] = min(int((f[i, k] - low) / width), n[k] - 1)
    return n


@numba.njit(nogil=True, cache=True)
def _beside(cell: Any, step: Any, n: Any, periodic: Any) -> Any:
    """Give the number of the cell that is so many steps away; -1 for none, or for one that was met already."""
    if n == 1:
        return cell if step == 0 else -1
    if periodic:
        return (cell + step) % n
    return cell + step if 0 <= cell + step < n else -1


@numba.njit(nogil=True, cache=True)
def _square(one: Any, other: Any, frame: Any, periodic: Any) -> Any:
    """Give the squared distance of nearest images from coordinates along the lattice."""
    square = 0.0
    turned = np.empty(3)
    for k in range(3):
        turned[k] = one[k] - other[k]
        if periodic[k]:
            turned[k] -= np.rint(turned[k])
    for k in range(3):
        square += (turned[0] * frame[0, k] + turned[1] * frame[1, k] + turned[2] * frame[2, k]) ** 2
    return square
