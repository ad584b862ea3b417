"""Random periodic cells for tests: orthorhombic and triclinic, with open directions or none."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from setclosure.sets.microstates import MicrostateBatch


@st.composite
def cells(draw, k=None, all_periodic=False):
    """Draw a cell ``(k, k)``: right-angled or not, in any orientation, with open directions among the others."""
    k = draw(st.integers(1, 3)) if k is None else k
    lengths = [draw(st.floats(1.0, 8.0)) for _ in range(k)]
    cell = np.diag(lengths)
    if draw(st.booleans()):  # triclinic, as LAMMPS writes it: tilts of at most half a length
        for i in range(k):
            for j in range(i):
                cell[i, j] = draw(st.floats(-0.5, 0.5)) * lengths[j]
    if draw(st.booleans()):  # in another orientation
        seed = draw(st.integers(0, 1000))
        cell = cell @ np.linalg.qr(np.random.default_rng(seed).normal(size=(k, k)))[0]
    periodic = [True] * k if all_periodic else draw(st.lists(st.booleans(), min_size=k, max_size=k).filter(any))
    return np.where(np.array(periodic)[:, None], cell, 0.0)


def particles_in(cell, seed=0, sizes=(7, 5), n_species=1, features=None, dtype=torch.float64):
    """Draw microstates of several sizes in a cell, gathered enough to have a first harmonic."""
    rng, k = np.random.default_rng(seed), len(cell)
    d = k if features is None else features.d
    span = np.where((cell != 0).any(axis=1)[:, None], cell, np.eye(k))
    points = []
    for n in sizes:
        x = rng.normal(size=(n, d))
        x[:, :k] = (0.5 + 0.15 * rng.normal(size=(n, k))) @ span
        points.append(x)
    species = [np.arange(n) % n_species for n in sizes]
    return MicrostateBatch.from_arrays(points, species, n_species=n_species, cell=cell, features=features, dtype=dtype)


def moved(batch, seed, shift=True):
    """Shift every particle by one vector for each microstate, and each particle by lattice vectors of its own."""
    rng, k = np.random.default_rng(seed), batch.roles.position
    B, N, _ = batch.points.shape
    images = torch.from_numpy(rng.integers(-2, 3, (B, N, k)).astype(float)).to(batch.points) @ batch.cell
    by = torch.from_numpy(rng.normal(size=(B, 1, k)) * 3.0).to(batch.points) if shift else 0.0
    points = batch.points.clone()
    points[..., :k] += images + by
    return batch.with_points(points)
