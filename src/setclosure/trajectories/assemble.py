"""Batches of microstates from stored arrays, made without looking at particles one by one."""

from __future__ import annotations

import numpy as np
import torch

from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.layout import Array, Layout


def assemble(layout: Layout, rows: dict[str, Array]) -> MicrostateBatch:
    """Make a batch from checked arrays, trimmed to its largest set.

    Parameters
    ----------
    layout : Layout
        The layout of the data set.
    rows : dict
        ``points (B, N, d)`` as stored and, where the layout has them, ``counts (B,)``, ``species (B, N)``,
        ``masses (B, N)`` and ``cell (B, k, k)``.
    """
    points, cell = layout.restored(rows["points"]), rows.get("cell")
    return assembled(
        points,
        rows.get("counts"),
        rows.get("species"),
        rows.get("masses"),
        layout.n_species,
        layout.features,
        None if cell is None else torch.from_numpy(cell.astype(np.float32)),
    )


def assembled(
    points: Array,
    counts: Array | None = None,
    species: Array | None = None,
    masses: Array | None = None,
    n_species: int = 1,
    features: Features | None = None,
    cell: torch.Tensor | None = None,
) -> MicrostateBatch:
    """Make a batch from points ``(B, N, d)`` and, where they vary, counts, species and masses.

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
    features : Features, optional
        The roles of the d features.
    cell : Tensor, optional
        Lattice vectors, ``(B, k, k)``.
    """
    if counts is None and species is None and masses is None:  # no (B, S, N) weights are built
        return MicrostateBatch.from_points(torch.from_numpy(points), features, cell)
    B, N, _ = points.shape
    n = np.full(B, N) if counts is None else counts
    N = max(1, int(n.max()))
    weights = np.arange(N) < n[:, None]  # (B, N)
    if masses is not None:
        weights = np.where(weights, masses[:, :N], 0.0).astype(np.float64)
    rows = np.zeros((B, n_species, N))
    if species is None:
        rows[:, 0] = weights
    else:
        for s in range(n_species):
            rows[:, s] = weights * (species[:, :N] == s)
    totals = rows.sum(axis=2, keepdims=True)
    rows /= np.where(totals > 0, totals, 1.0)  # a species that is not there keeps its zeros
    trimmed = np.ascontiguousarray(points[:, :N])
    return MicrostateBatch(torch.from_numpy(trimmed), torch.from_numpy(rows.astype(np.float32)), features, cell)
