"""The mixing ratio of two species is the share of neighbours that are of the other species (Sec. 4.3)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from setclosure.errors import MicrostateError
from setclosure.registry import register
from setclosure.sets.cell_lists import beside_of, cells_around, completed_frames, square_of
from setclosure.sets.microstates import MicrostateBatch


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
    pairs = pairs_within(points, species, radius, cells)
    same, other = 2 * pairs[:, [0, 2]], pairs[:, [1, 1]]
    return np.asarray(other / np.maximum(same + other, 1))


def pairs_within(points: Any, species: Any, radius: float, cells: Any = None) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Count pairs of particles within a radius, border included, by their species: AA, AB and BB, ``(B, 3)``.

    Parameters
    ----------
    points, species, radius, cells
        As in :func:`mixing_ratio_of_points`.

    Raises
    ------
    MicrostateError
        As in :func:`mixing_ratio_of_points`.

    Examples
    --------
    >>> pairs_within([[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]], [0, 0, 1], radius=1.5).tolist()
    [[1, 1, 0]]
    """
    p = np.asarray(points, dtype=np.float64)
    if p.ndim != 3 or not 1 <= p.shape[2] <= 3:
        raise MicrostateError(f"a mixing ratio needs points of shape (B, N, d) with d ≤ 3; got {p.shape}.")
    if not 0 < radius < np.inf:
        raise MicrostateError(f"the radius of a mixing ratio is {radius}; expected a positive number.")
    B, N, d = p.shape
    x = np.zeros((B, N, 3))
    x[..., :d] = p
    kinds = np.broadcast_to(np.asarray(species, dtype=np.int64), p.shape[:2])
    kinds = np.where((kinds == 0) | (kinds == 1), kinds, -1)
    pairs = np.zeros((B, 3), np.int64)  # AA, AB, BB
    frames, periodic, heights = completed_frames(cells, B, d)
    _require_wide(heights, periodic, radius)
    _count_pairs(x, kinds, frames, np.linalg.inv(frames), periodic, float(radius), pairs)
    return pairs


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


def _require_wide(heights: np.ndarray[Any, Any], periodic: np.ndarray[Any, Any], radius: float) -> None:
    narrow = (heights < 2 * radius) & periodic
    if narrow.any():
        b, i = np.argwhere(narrow)[0]
        raise MicrostateError(
            f"the cell of microstate {b} is {heights[b, i]:.4g} wide along its lattice vector {i}; a mixing ratio "
            f"within {radius:g} needs {2 * radius:g} at least, or two images of one particle could be neighbours. Give "
            "a smaller radius, as in 'mixing_ratio(radius=1.5)'."
        )


@numba.njit(nogil=True, cache=True)
def _count_pairs(
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
        n = cells_around(points[b], kind, inverses[b], periodic, radius, f, place)
        head = np.full((n[0], n[1], n[2]), -1, np.int64)
        for i in range(N):
            if not 0 <= kind[i] <= 1:
                continue
            for k in range(3):
                for step in range(3):
                    beside[k, step] = beside_of(place[i, k], step - 1, n[k], periodic[k])
            for at in range(27):
                c0, c1, c2 = beside[0, at // 9], beside[1, at // 3 % 3], beside[2, at % 3]
                j = head[c0, c1, c2] if c0 >= 0 and c1 >= 0 and c2 >= 0 else -1
                while j >= 0:
                    if square_of(f[i], f[j], frames[b], periodic) <= radius * radius:
                        pairs[b, kind[i] + kind[j]] += 1
                    j = after[j]
            after[i] = head[place[i, 0], place[i, 1], place[i, 2]]
            head[place[i, 0], place[i, 1], place[i, 2]] = i
