"""Small data sets that several test files of this room use."""

from __future__ import annotations

import numpy as np
import torch

from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory


def small(path, M=4, T=3, N=5, d=2):
    """Points ``(M, T, N, d)``, and the data set of them at times 0, 1, 2 …"""
    points = np.random.default_rng(1).normal(size=(M, T, N, d))
    return points, TrajectoryDataset.from_arrays(path, points, "extension", times=range(T))


def numbered(path, M, lengths=(4,), N=3):
    """A data set whose trajectory m has the observable m in every frame, and its layout and trajectories."""
    layout = Layout("numbered", 2, max(lengths), N, "given", ("m",))
    trajectories = [
        Trajectory(np.random.default_rng(m).normal(size=(T, N, 2)), np.full((T, 1), m), np.arange(T))
        for m, T in ((m, lengths[m % len(lengths)]) for m in range(M))
    ]
    return TrajectoryDataset.create(path, layout, M), trajectories


def same(a, b):
    """Whether two batches have the same points, and the same weights up to rounding."""
    return torch.equal(a.points, b.points) and torch.allclose(a.weights, b.weights, atol=1e-7)
