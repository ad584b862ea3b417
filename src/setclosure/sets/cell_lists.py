"""Cell lists find the neighbours of particles within a reach, in open space and in periodic cells."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import torch

from setclosure.sets.lattice import completed

Array = np.ndarray[Any, Any]

MOST_CELLS = 64
"""The most cells along an axis in the search for neighbours; outliers then make cells larger and not more."""


def completed_frames(cells: Any, B: int, d: int) -> tuple[Array, Array, Array]:
    """Complete cells to three directions.

    Parameters
    ----------
    cells : array or None
        Lattice vectors as rows, ``(B, d, d)``; rows of zeros are open directions. None: all are open.
    B, d : int
        The number of microstates, and of coordinates of a position, 3 at most.

    Returns
    -------
    (array, array, array)
        The frames ``(B, 3, 3)``, with unit vectors along open directions; which directions are periodic, ``(3,)``; and
        the distances of opposite faces, ``(B, 3)``.
    """
    periodic = np.zeros(3, dtype=np.bool_)
    frames = np.tile(np.eye(3), (B, 1, 1))
    if cells is not None and np.any(cells):
        h = np.array(cells, dtype=np.float64)
        periodic[:d] = (h[0] != 0).any(axis=1)
        frames[:, :d, :d] = completed(torch.from_numpy(h)).numpy()
    heights = 1.0 / np.linalg.norm(np.linalg.inv(frames), axis=1)
    return frames, periodic, heights


@numba.njit(nogil=True, cache=True)
def cells_around(x: Any, kind: Any, inverse: Any, periodic: Any, radius: float, f: Any, place: Any) -> Any:
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
            if kind[i] >= 0:
                low, high = min(low, f[i, k]), max(high, f[i, k])
        if periodic[k]:
            low, high = 0.0, 1.0
        reach = radius * math.sqrt(inverse[0, k] ** 2 + inverse[1, k] ** 2 + inverse[2, k] ** 2)
        n[k] = min(max(int((high - low) / reach), 1), MOST_CELLS) if high > low else 1
        if periodic[k] and n[k] == 2:  # the next cells on both sides would be the same one
            n[k] = 1
        width = (high - low) / n[k] if high > low else 1.0
        for i in range(len(x)):
            if kind[i] >= 0:
                place[i, k] = min(int((f[i, k] - low) / width), n[k] - 1)
    return n


@numba.njit(nogil=True, cache=True)
def beside_of(cell: Any, step: Any, n: Any, periodic: Any) -> Any:
    """Give the number of the cell that is so many steps away; -1 for none, or for one that was met already."""
    if n == 1:
        return cell if step == 0 else -1
    if periodic:
        return (cell + step) % n
    return cell + step if 0 <= cell + step < n else -1


@numba.njit(nogil=True, cache=True)
def square_of(one: Any, other: Any, frame: Any, periodic: Any) -> Any:
    """Give the squared distance of nearest images from coordinates along the lattice.

    The image that rounding gives is the nearest one, if it is within half of the distance of opposite faces.
    """
    t0, t1, t2 = one[0] - other[0], one[1] - other[1], one[2] - other[2]
    if periodic[0]:
        t0 -= np.rint(t0)
    if periodic[1]:
        t1 -= np.rint(t1)
    if periodic[2]:
        t2 -= np.rint(t2)
    square = 0.0
    for k in range(3):
        square += (t0 * frame[0, k] + t1 * frame[1, k] + t2 * frame[2, k]) ** 2
    return square
