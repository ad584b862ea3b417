"""The normalised pair energy is the observable of the interacting particles (A.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from setclosure.observables.pair_kernels import pair_energies, pair_energy_in_cell
from setclosure.registry import register
from setclosure.sets.lattice import completed, minimum_images
from setclosure.sets.microstates import MicrostateBatch


def pair_energy_of_points(
    points: Any, a: float = 4.0, b: float = 0.1, counts: Any = None, cells: Any = None
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give the normalised pair energy of sets of points, the potential of the pair force.

    It is E = 2/(N(N−1)) Σ_{i<j} [log cosh(a(1 − r_ij))/a + b(1 − r_ij)] (A.3).

    Parameters
    ----------
    points : array
        Points ``(B, N, d)``; pairs are computed in single precision and summed in double.
    a, b : float
        Steepness and offset of F(r) = tanh(a(1 − r)) + b.
    counts : array, optional
        The number of particles in each set, ``(B,)``; the places behind them are ignored.
    cells : array, optional
        Lattice vectors as rows, ``(B, d, d)``; distances are then those of the nearest images.

    Returns
    -------
    array
        Energies ``(B,)``, within about 1e-7 relative of double precision; sets of one particle have energy zero.

    Examples
    --------
    >>> pair_energy_of_points([[[0.0, 0.0], [1.0, 0.0]]])  # at r = 1 both terms vanish
    array([0.])
    """
    p = np.ascontiguousarray(points, dtype=np.float32)
    n = np.full(len(p), p.shape[1]) if counts is None else np.asarray(counts)
    energies = np.empty(len(p))
    if cells is not None and np.any(cells):
        h = np.asarray(cells, dtype=np.float64)
        of_cells, of = np.unique(h, axis=0, return_inverse=True)
        images = [minimum_images(cell) for cell in of_cells]
        inverses = np.linalg.inv(completed(torch.from_numpy(of_cells)).numpy())
        for i, cell in enumerate(of.ravel()):
            energies[i] = pair_energy_in_cell(
                p[i].astype(np.float64), n[i], a, b, of_cells[cell], inverses[cell], images[cell]
            )
        return energies
    pair_energies(p, n.astype(np.int64), np.float32(a), np.float32(b), energies)
    return energies


@register("observable", "pair_energy")
def pair_energy(microstates: MicrostateBatch, a: float = 4.0, b: float = 0.1) -> np.ndarray[Any, Any]:
    """Give the normalised pair energy of microstates, ``(B,)``; a particle counts once, whatever its weight.

    Distances are those of positions, and in a periodic cell those of the nearest images.

    Parameters
    ----------
    microstates : MicrostateBatch
        B microstates.
    a, b : float
        Steepness and offset of F(r) = tanh(a(1 − r)) + b.

    Examples
    --------
    >>> pair_energy(MicrostateBatch.from_arrays([[[0.0, 0.0], [1.0, 0.0]]]))
    array([0.])
    """
    cells = None if microstates.cell is None else microstates.cell.cpu().numpy()
    points = microstates.positions.detach().cpu().numpy()
    mask = microstates.mask.cpu().numpy()
    if mask.all():
        return pair_energy_of_points(points, a, b, cells=cells)
    order = np.argsort(~mask, axis=1, kind="stable")[..., None]  # particles before padding
    return pair_energy_of_points(np.take_along_axis(points, order, axis=1), a, b, mask.sum(axis=1), cells)
