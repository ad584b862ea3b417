"""Principal axes of a closure: what varies is kept, turned; what is next to nothing goes."""

from __future__ import annotations

import numpy as np
import torch
from tests.model.fits import own_data, small, spread

from setclosure.fit.principal_axes import principal_axes
from setclosure.fit.split import Split
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.specification import ModelSettings
from setclosure.sets.microstates import MicrostateKind
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import TrajectoryDataset


class Moments(torch.nn.Module):
    """Two numbers that matter, one of a tiny variance, and one of noise, mixed."""

    def __init__(self, mixed):
        super().__init__()
        self.mixed = mixed

    def forward(self, batch):
        mean = batch.weights @ batch.points  # (B, 1, 2)
        last = torch.sin(1e4 * mean[..., :1])  # changes with every particle that goes
        return torch.cat([mean, 1e-3 * mean[..., :1] ** 2, last], dim=-1) @ self.mixed


def test_axes_that_carry_something_are_kept_and_turned(tmp_path):
    rng = np.random.default_rng(0)
    centre = np.cumsum(rng.normal(size=(6, 20, 1, 2)) * [1.0, 0.3], axis=1)
    data = TrajectoryDataset.from_arrays(
        tmp_path / "a.zarr", centre + 0.1 * rng.normal(size=(6, 20, 40, 2)), spread, times=range(20)
    )
    training = Split(data, MicrostateSource(data, 2**30), data.usable, data.time_step)
    autoencoder = Autoencoder(ModelSettings(method="inve", closure_dim=4), MicrostateKind(2))
    autoencoder.coordinates.fit(data.trajectory(0))
    mixed = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0))).Q
    autoencoder.encoder = Moments(mixed)
    found = principal_axes(autoencoder, training, seed=0)
    assert found.axes.shape == (4, 2)
    assert torch.allclose(found.axes.T @ found.axes, torch.eye(2), atol=1e-5)
    z = (autoencoder.encode(training.some(400, False, rng)) - found.shift) @ found.axes
    covariance = torch.cov(z.T)
    assert covariance[0, 0] > covariance[1, 1] > 4 * covariance[0, 1].abs()


def test_a_closure_that_is_nothing_keeps_one_number_and_a_given_one_all(tmp_path):
    data = own_data(tmp_path / "a.zarr", M=5)
    turned, given = (small(axes=axes, closure_dim=3).fit(data, progress=False) for axes in ("principal", "given"))
    assert 1 <= turned.facts.n_axes <= 3
    assert given.facts.n_axes is None
    assert given.encode(np.zeros((4, 2))).shape == (1, 3)
    assert turned.encode(np.zeros((4, 2))).shape == (1, turned.facts.n_axes)
    assert turned.predict(np.ones((4, 2)), 2, observables=[[0.1]]).closure.shape[-1] == turned.facts.n_axes
