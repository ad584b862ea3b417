from __future__ import annotations

import numpy as np
import pytest
import torch

from setclosure.errors import ConfigurationError, MicrostateError, ModelError
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.specification import ModelSettings
from setclosure.sets.coordinates import Coordinates
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.sets.symmetry import random_orthogonal, rotated, views

ROLES = Features(position=2, vectors=1, scalars=1)
RNG = np.random.default_rng(7)


def particles(seed=0, B=4, N=9):
    """Positions, velocities and a charge, of different sizes and with offsets."""
    x = np.random.default_rng(seed).normal(size=(B, N, 5)) * [1.0, 3.0, 10.0, 0.1, 4.0] + [2.0, -1.0, 5.0, 0.3, 7.0]
    return MicrostateBatch.from_arrays(x, features=ROLES, dtype=torch.float64)


def fitted(batch, symmetry, **options):
    coordinates = Coordinates(batch.roles, symmetry, **options).to(batch.points.dtype)
    coordinates.fit(batch)
    return coordinates


@pytest.mark.parametrize(("d", "n"), [(1, 2), (2, 8), (3, 48)])
def test_views_are_a_group_with_the_identity_first(d, n):
    group = views("euclidean", d, most=48)
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
def test_coordinates_remove_translations(symmetry):
    x = np.random.default_rng(0).normal(size=(4, 9, 2)) * [1.0, 3.0]
    batch = MicrostateBatch.from_arrays(x, dtype=torch.float64)
    coordinates = fitted(batch, symmetry)
    moved = coordinates(batch.with_points(batch.points + torch.tensor([5.0, -7.0])))
    assert torch.allclose(moved.points, coordinates(batch).points, atol=1e-12)
    assert torch.allclose(coordinates(batch).points.square().mean(), torch.tensor(1.0, dtype=torch.float64))


@pytest.mark.parametrize("symmetry", ["translation", "euclidean"])
def test_a_translation_moves_positions_alone(symmetry):
    """Another origin changes nothing that the model sees; another velocity or charge does."""
    batch = particles()
    coordinates = fitted(batch, symmetry)
    seen = coordinates(batch).points
    for column in range(5):
        shift = torch.zeros(5, dtype=torch.float64)
        shift[column] = 2.5
        change = coordinates(batch.with_points(batch.points + shift)).points - seen
        expected = torch.zeros_like(change)
        if column >= 2:
            expected[..., column] = 2.5 / coordinates.scale[column]
        torch.testing.assert_close(change, expected, rtol=1e-9, atol=1e-9)


def test_without_a_symmetry_every_column_has_mean_zero_and_variance_one():
    batch = particles()
    seen = fitted(batch, "none")(batch).points.flatten(0, 1)
    torch.testing.assert_close(seen.mean(0), torch.zeros(5, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(seen.var(0, correction=0), torch.ones(5, dtype=torch.float64))


def test_a_rotation_turns_positions_and_vectors_and_leaves_scalars():
    batch = particles()
    q = random_orthogonal(4, 2, torch.Generator().manual_seed(1)).double()
    turned = rotated(batch, q)
    for b in range(4):
        for columns in (slice(0, 2), slice(2, 4)):
            expected = torch.stack([q[b] @ v for v in batch.points[b, :, columns]])
            torch.testing.assert_close(turned.points[b, :, columns], expected)
    assert torch.equal(turned.points[..., 4], batch.points[..., 4])
    assert turned.features == batch.features
    one = rotated(batch, q[0])
    torch.testing.assert_close(one.points[1], rotated(batch[1:2], q[:1]).points[0])


def test_the_cell_turns_with_the_positions():
    """What is a multiple of the lattice vectors before is the same multiple of them after."""
    fractions = np.random.default_rng(0).normal(size=(3, 7, 2))
    cell = np.array([[5.0, 0.0], [1.0, 4.0]])
    batch = MicrostateBatch.from_arrays(fractions @ cell, cell=cell, dtype=torch.float64)
    turned = rotated(batch, random_orthogonal(3, 2, torch.Generator().manual_seed(1)).double())
    torch.testing.assert_close(turned.points, torch.from_numpy(fractions) @ turned.cell)
    assert not torch.allclose(turned.cell, batch.cell)


@pytest.mark.parametrize("features", [Features(2), ROLES, Features(3, 2, 0), Features(1, 0, 2)])
def test_euclidean_coordinates_commute_with_rotations(features):
    size = np.linspace(0.5, 3.0, features.d)
    x = np.random.default_rng(1).normal(size=(3, 9, features.d)) * size + size
    batch = MicrostateBatch.from_arrays(x, features=features, dtype=torch.float64)
    coordinates = fitted(batch, "euclidean")
    q = random_orthogonal(1, features.position, torch.Generator().manual_seed(3))[0].double()
    torch.testing.assert_close(coordinates(rotated(batch, q)).points, rotated(coordinates(batch), q).points)


def test_euclidean_scales_are_one_for_a_position_and_one_for_each_vector():
    batch = particles()
    coordinates = fitted(batch, "euclidean")
    scale, x = coordinates.scale, batch.points
    centred = x[..., :2] - x[..., :2].mean(1, keepdim=True)
    torch.testing.assert_close(scale[:2].square(), centred.square().mean().expand(2))
    varied = x[..., 2:4].flatten(0, 1).var(0, correction=0)
    torch.testing.assert_close(scale[2:4].square(), varied.mean().expand(2))
    torch.testing.assert_close(scale[4], x[..., 4].std(correction=0))
    assert coordinates.shift[:4].tolist() == [0.0] * 4  # an offset would not turn
    torch.testing.assert_close(coordinates.shift[4], x[..., 4].mean())


def test_padding_and_masses_enter_the_coordinates_as_weights():
    sets = [np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[1.0, 1.0], [2.0, 5.0], [4.0, 0.0]])]
    batch = MicrostateBatch.from_arrays(sets, masses=[np.array([2.0, 1.0]), np.ones(3)])
    coordinates = Coordinates(Features(2), "translation")
    centred = coordinates(batch)
    mean = (batch.weights[:, 0, :, None] * centred.points).sum(1)
    assert torch.allclose(mean, torch.zeros(2, 2), atol=1e-6)
    assert torch.allclose(centred.points[0, 0], torch.tensor([-1.0, 0.0]))


@pytest.mark.parametrize("symmetry", ["none", "translation", "euclidean"])
def test_padding_empty_species_and_empty_microstates_change_no_coordinates(symmetry):
    stream = np.random.default_rng(0)
    sets = [stream.normal(size=(n, 2)) for n in (5, 3, 7)]
    kinds = [np.array([0, 1, 0, 1, 1]), np.zeros(3, int), np.arange(7) % 2]  # no species 1 in the second
    usual = MicrostateBatch.from_arrays(sets, kinds, n_species=2, dtype=torch.float64)
    with_empty = MicrostateBatch.from_arrays(
        [*sets, np.zeros((0, 2))], [*kinds, np.zeros(0)], n_species=2, dtype=torch.float64
    )
    padded = MicrostateBatch(
        torch.cat([usual.points, torch.full((3, 4, 2), 1e3).double()], 1),
        torch.cat([usual.weights, torch.zeros(3, 2, 4).double()], 2),
    )
    reference = fitted(usual, symmetry)
    for other in (with_empty, padded):
        coordinates = fitted(other, symmetry)
        torch.testing.assert_close(coordinates.shift, reference.shift)
        torch.testing.assert_close(coordinates.scale, reference.scale)
        assert torch.isfinite(coordinates(other).points).all()


def test_particles_may_weigh_as_a_feature_says():
    x = np.array([[[0.0, 1.0], [3.0, 2.0]]])
    coordinates = Coordinates(Features(2), "translation", weight_feature=1)
    seen = coordinates(MicrostateBatch.from_arrays(x))
    assert torch.allclose(seen.weights, torch.tensor([[[1 / 3, 2 / 3]]]))
    assert torch.allclose(seen.points[0, :, 0], torch.tensor([-2.0, 1.0]))
    assert torch.allclose(seen.weights, coordinates(MicrostateBatch.from_arrays(x * [1.0, 7.0])).weights)
    with pytest.raises(MicrostateError, match="feature 'y', which must not be negative"):
        coordinates(MicrostateBatch.from_arrays(-x))
    with pytest.raises(MicrostateError, match="must be positive for some of every species"):
        coordinates(MicrostateBatch.from_arrays(x * [1.0, 0.0]))


def test_an_empty_species_or_microstate_needs_no_weight():
    x = [np.array([[0.0, 1.0], [3.0, 2.0]]), np.zeros((0, 2))]
    batch = MicrostateBatch.from_arrays(x, n_species=2)
    seen = Coordinates(Features(2), "translation", weight_feature=1)(batch)
    assert torch.allclose(seen.weights[0], torch.tensor([[1 / 3, 2 / 3], [0.0, 0.0]]))
    assert (seen.weights[1] == 0).all()


def test_weights_by_a_feature_need_features_that_stay():
    with pytest.raises(ConfigurationError, match="weight_feature: rotations, of symmetry 'euclidean', mix"):
        ModelSettings.parse({"weight_feature": 0, "symmetry": "euclidean"})
    with pytest.raises(ConfigurationError, match="weight_feature: encoder 'cnn' reads features as they are"):
        ModelSettings.parse({"weight_feature": 2, "method": "cnn"})
    with pytest.raises(ConfigurationError, match="symmetry: encoder 'cnn' reads features as they are"):
        ModelSettings.parse({"symmetry": "translation", "method": "cnn"})
    with pytest.raises(ModelError, match=r"weight_feature is 2, but particles have features 0 to 1\."):
        Autoencoder(ModelSettings.parse({"weight_feature": 2}), MicrostateKind(2))


def test_a_feature_that_never_changes_is_named():
    x = np.random.default_rng(0).normal(size=(3, 5, 3))
    x[..., 2] = 2.0
    features = Features.of(("x", "y", "charge"), ("position", "position", "scalar"))
    with pytest.raises(ModelError, match=r"feature\(s\) charge of the particles never change"):
        Coordinates(features, "euclidean").fit(MicrostateBatch.from_arrays(x, features=features))


def test_training_microstates_without_a_particle_are_refused():
    empty = MicrostateBatch.from_arrays([np.zeros((0, 2))] * 3)
    with pytest.raises(ModelError, match="never change in training"):
        Coordinates(Features(2), "none").fit(empty)


def test_identity_coordinates_change_nothing():
    batch = MicrostateBatch.from_arrays(np.random.default_rng(0).uniform(0, 9, (3, 5, 3)))
    coordinates = Coordinates(Features(3), "none", identity=True)
    coordinates.fit(batch)
    assert coordinates(batch) is batch
    assert coordinates.scale.tolist() == [1.0, 1.0, 1.0]


def test_a_feature_that_is_a_tenth_everywhere_is_refused_although_single_precision_rounds_it():
    x = RNG.normal(size=(50, 7, 3))
    x[..., 2] = 0.1
    for symmetry in ("none", "translation"):
        with pytest.raises(ModelError, match=r"z of the particles never change.*ignore_constant_features"):
            Coordinates(Features(3), symmetry).fit(MicrostateBatch.from_arrays(x))
    x[..., 2] += 1e-3 * RNG.normal(size=(50, 7))  # small, and no rounding
    Coordinates(Features(3), "translation").fit(MicrostateBatch.from_arrays(x))


def test_a_constant_feature_is_left_out_when_asked():
    x = RNG.normal(size=(50, 7, 3))
    x[..., 1] = 0.1
    coordinates = Coordinates(Features(3), "none", ignored_scale=0.05)
    coordinates.fit(MicrostateBatch.from_arrays(x))
    other = x.copy()
    other[..., 1] = 8.0
    seen, also = (coordinates(MicrostateBatch.from_arrays(sets)).points for sets in (x, other))
    assert torch.equal(seen, also)
    assert not seen[..., 1].any()
    assert torch.allclose(seen[..., [0, 2]].std(dim=(0, 1)), torch.ones(2), atol=0.01)
    assert coordinates.scale[1] == pytest.approx(0.05)


def test_particles_that_coincide_in_every_set_have_a_sentence_of_their_own():
    x = np.repeat(RNG.normal(size=(20, 1, 2)), 5, axis=1)
    with pytest.raises(ModelError, match=r"particles of every training microstate coincide in x, y.*centre of mass"):
        Coordinates(Features(2), "translation").fit(MicrostateBatch.from_arrays(x))
    Coordinates(Features(2), "none").fit(MicrostateBatch.from_arrays(x))
