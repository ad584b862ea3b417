"""The normalised pair energy of the interacting particles (A.3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from setclosure.observables.pair_kernels import pair_energies
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch


def pair_energy_of_points(
    points: Any, a: float = 4.0, b: float = 0.1, counts: Any = None
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """E = 2/(N(N−1)) Σ_{i<j} [log cosh(a(1 − r_ij))/a + b(1 − r_ij)] (A.3), the potential of the pair force.

    Parameters
    ----------
    points : array
        ``(B, N, d)``; computed in single precision, summed in double.
    a, b : float
        Steepness and offset of F(r) = tanh(a(1 − r)) + b.
    counts : array, optional
        Particles in each set, ``(B,)``; the places behind them are ignored.

    Returns
    -------
    array
        ``(B,)``, within about 1e-7 relative of double precision; sets of one particle have energy zero.

    Examples
    --------
    >>> pair_energy_of_points([[[0.0, 0.0], [1.0, 0.0]]])  # at r = 1 both terms vanish
    array([0.])
    """
    p = np.ascontiguousarray(points, dtype=np.float32)
    n = np.full(len(p), p.shape[1]) if counts is None else np.asarray(counts)
    energies = np.empty(len(p))
    pair_energies(p, n.astype(np.int64), np.float32(a), np.float32(b), energies)
    return energies


@register("observable", "pair_energy")
def pair_energy(microstates: MicrostateBatch, a: float = 4.0, b: float = 0.1) -> np.ndarray[Any, Any]:
    """Give the pair energy of A.3 of each microstate, ``(B,)``; particles count once, whatever their weight.

    See :func:`pair_energy_of_points`.
    """
    points = microstates.points.detach().cpu().numpy()
    mask = microstates.mask.cpu().numpy()
    if mask.all():
        return pair_energy_of_points(points, a, b)
    order = np.argsort(~mask, axis=1, kind="stable")[..., None]  # particles before padding
    return pair_energy_of_points(np.take_along_axis(points, order, axis=1), a, b, mask.sum(axis=1))
