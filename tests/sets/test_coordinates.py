from __future__ import annotations

import numpy as np
import pytest
import torch

from setclosure.model.autoencoder import Autoencoder, ModelSettings
from setclosure.errors import ConfigurationError, MicrostateError, ModelError
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.sets.coordinates import ParticleFrame, RawFrame, random_orthogonal, rotated, views


@pytest.mark.parametrize(("d", "n"), [(1, 2), (2, 8), (3, 48)])
def test_views_are_a_group_with_the_identity_first(d, n):
    group = views("euclidean", d)
    assert len(group) == n
    assert torch.equal(group[0], torch.eye(d))
    members = {tuple(g.flatten().tolist()) for g in group + 0.0}
    assert len(members) == n
    products = torch.einsum("aij,bjk->abik", group, group).reshape(-1, d * d) + 0.0
    assert {tuple(p.tolist()) for p in products} == members


def test_without_rotations_there_is_one_view():
    assert len(views("none", 2)) == len(views("translation", 3)) == 1


def test_random_orthogonal_matrices_are_orthogonal_and_uniform():
    q = random_orthogonal(20000, 2, torch.Generator().manual_seed(0))
    assert torch.allclose(q @ q.transpose(1, 2), torch.eye(2).expand_as(q), atol=1e-5)
    angle = torch.atan2(q[:, 1, 0], q[:, 0, 0])
    for k in (1, 2, 4):  # Fourier coefficients of a uniform angle vanish; their sd is 1/√n
        assert abs(torch.exp(1j * k * angle).mean()) < 4 / 20000**0.5
    assert abs(torch.det(q).mean()) < 4 / 20000**0.5


@pytest.mark.parametrize("symmetry", ["translation", "euclidean"])
def test_frame_removes_translations(symmetry):
    x = np.random.default_rng(0).normal(size=(4, 9, 2)) * [1.0, 3.0]
    batch = MicrostateBatch.from_arrays(x, dtype=torch.float64)
    frame = ParticleFrame(2, symmetry).double()
    frame.fit(batch)
    moved = frame(batch.with_points(batch.points + torch.tensor([5.0, -7.0])))
    assert torch.allclose(moved.points, frame(batch).points, atol=1e-12)
    assert torch.allclose(frame(batch).points.square().mean(), torch.tensor(1.0, dtype=torch.float64))


def test_euclidean_frame_commutes_with_rotations():
    batch = MicrostateBatch.from_arrays(np.random.default_rng(1).normal(size=(3, 9, 2)) * [1.0, 3.0])
    frame = ParticleFrame(2, "euclidean")
    frame.fit(batch)
    q = random_orthogonal(1, 2, torch.Generator().manual_seed(3))[0]
    assert torch.allclose(frame(rotated(batch, q)).points, rotated(frame(batch), q).points, atol=1e-5)


def test_padding_and_masses_enter_the_frame_as_weights():
    sets = [np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[1.0, 1.0], [2.0, 5.0], [4.0, 0.0]])]
    batch = MicrostateBatch.from_arrays(sets, masses=[np.array([2.0, 1.0]), np.ones(3)])
    frame = ParticleFrame(2, "translation")
    centred = frame(batch)
    mean = (batch.weights[:, 0, :, None] * centred.points).sum(1)
    assert torch.allclose(mean, torch.zeros(2, 2), atol=1e-6)
    assert torch.allclose(centred.points[0, 0], torch.tensor([-1.0, 0.0]))


def test_particles_may_weigh_as_a_feature_says():
    x = np.array([[[0.0, 1.0], [3.0, 2.0]]])
    frame = ParticleFrame(2, "translation", weight_feature=1)
    seen = frame(MicrostateBatch.from_arrays(x))
    assert torch.allclose(seen.weights, torch.tensor([[[1 / 3, 2 / 3]]]))
    assert torch.allclose(seen.points[0, :, 0], torch.tensor([-2.0, 1.0]))
    assert torch.allclose(seen.weights, frame(MicrostateBatch.from_arrays(x * [1.0, 7.0])).weights)
    with pytest.raises(MicrostateError, match="feature 1, which must not be negative"):
        frame(MicrostateBatch.from_arrays(-x))


def test_weights_by_a_feature_need_features_that_stay():
    with pytest.raises(ConfigurationError, match="weight_feature: rotations, of symmetry 'euclidean', mix"):
        ModelSettings.parse({"weight_feature": 0, "symmetry": "euclidean"})
    with pytest.raises(ConfigurationError, match="weight_feature: method 'cnn' reads pixels as they are"):
        ModelSettings.parse({"weight_feature": 2, "method": "cnn"})
    with pytest.raises(ModelError, match=r"weight_feature is 2, but particles have features 0 to 1\."):
        Autoencoder(ModelSettings.parse({"weight_feature": 2}), MicrostateKind(2))


def test_a_feature_that_never_changes_is_named():
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    x[..., 1] = 2.0
    with pytest.raises(ModelError, match=r"\[1\]"):
        ParticleFrame(2, "none").fit(MicrostateBatch.from_arrays(x))


def test_the_frame_of_images_changes_nothing():
    batch = MicrostateBatch.from_arrays(np.random.default_rng(0).uniform(0, 9, (3, 5, 3)))
    frame = RawFrame(3)
    frame.fit(batch)
    assert frame(batch) is batch
    assert frame.scale.tolist() == [1.0, 1.0, 1.0]
