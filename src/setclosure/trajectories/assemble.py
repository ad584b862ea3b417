"""From stored arrays to a batch of microstates, without looking at particles one by one."""

from __future__ import annotations

import numpy as np
import torch

from setclosure.trajectories.layout import Array
from setclosure.sets.microstates import MicrostateBatch


def assemble(
    points: Array, counts: Array | None, species: Array | None, masses: Array | None, n_species: int
) -> MicrostateBatch:
    """A batch from checked arrays, trimmed to its largest set.

    Parameters
    ----------
    points : array
        ``(B, N, d)``.
    counts : array or None
        Particles in each set, ``(B,)``; None: all N.
    species : array or None
        Species of each place, ``(B, N)``; None: one species.
    masses : array or None
        Weights before they are normalised, ``(B, N)``; None: equal.
    n_species : int
        S.
    """
    if counts is None and species is None and masses is None:
        return MicrostateBatch.from_points(torch.from_numpy(points))  # no (B, S, N) weights are built
    B, N, _ = points.shape
    n = np.full(B, N) if counts is None else counts
    N = int(n.max())
    weights = np.arange(N) < n[:, None]  # (B, N)
    if masses is not None:
        weights = np.where(weights, masses[:, :N], 0.0).astype(np.float64)
    rows = np.zeros((B, n_species, N))
    if species is None:
        rows[:, 0] = weights
    else:
        for s in range(n_species):
            rows[:, s] = weights * (species[:, :N] == s)
    rows /= rows.sum(axis=2, keepdims=True)
    trimmed = np.ascontiguousarray(points[:, :N])
    return MicrostateBatch(torch.from_numpy(trimmed), torch.from_numpy(rows.astype(np.float32)))
