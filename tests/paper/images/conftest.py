"""Chains of beads that look like polymers in a flow."""

from __future__ import annotations

import numpy as np
import pytest


def chains(stretches, n_beads=300, seed=0):
    """Freely jointed chains ``(T, N, 3)`` of touching beads, each frame with its own pull along x."""
    stream = np.random.default_rng(seed)
    rods = stream.normal(size=(len(stretches), n_beads, 3))
    rods[..., 0] += np.asarray(stretches)[:, None]
    rods /= np.linalg.norm(rods, axis=-1, keepdims=True)
    beads = rods.cumsum(axis=1)
    return beads - beads.mean(axis=1, keepdims=True)


@pytest.fixture(scope="session")
def beads():
    """Twelve chains from a coil to a rod, ``(12, 300, 3)``."""
    return chains(np.linspace(0, 6, 12))
