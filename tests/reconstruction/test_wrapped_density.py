"""In a cell q_X is the sum over all images, and the same in standard coordinates as in those of the data."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.sets.cells import cells, moved, particles_in

from setclosure.reconstruction.target_density import TargetDensity
from setclosure.sets.coordinates import Coordinates
from setclosure.sets.features import Features
from setclosure.sets.lattice import periodic_directions


def brute(batch, x, epsilon, cell, reach):
    """Sum Gaussians over many images of every particle, ``(B, S, n)``."""
    ranges = [range(-reach, reach + 1) if row.any() else range(1) for row in cell]
    steps = np.array(list(itertools.product(*ranges)))
    images = torch.zeros(len(steps), batch.n_features, dtype=torch.float64)
    images[:, : len(cell)] = torch.from_numpy(steps @ cell)
    difference = x[:, :, :, None, None] - batch.points[:, None, None, :, None] - images
    exponent = -0.5 * (difference / epsilon).square().sum(-1) - torch.log(epsilon).sum()
    exponent = exponent - 0.5 * batch.n_features * math.log(2 * math.pi)
    return (exponent.logsumexp(-1) + batch.weights.log()[:, :, None]).logsumexp(-1)


@given(cell=cells(), seed=st.integers(0, 1000), share=st.floats(0.02, 0.6))
def test_log_q_equals_a_sum_over_many_images(cell, seed, share):
    """Also with a bandwidth for each feature, with other features beside the position, and between the particles."""
    k = len(cell)
    features = Features(k, scalars=1)
    batch = particles_in(cell, seed, sizes=(4, 3), features=features, n_species=2)
    rng = np.random.default_rng(seed)
    shortest = np.linalg.norm(cell[(cell != 0).any(axis=1)], axis=1).min()
    epsilon = torch.from_numpy(share * shortest * rng.uniform(0.5, 1.0, k + 1))
    x = torch.from_numpy(rng.normal(size=(2, 2, 5, k + 1)))
    x[..., :k] = x[..., :k] @ torch.from_numpy(np.where((cell != 0).any(axis=1)[:, None], cell, np.eye(k))) * 0.4
    found = TargetDensity(batch, epsilon).log_prob(x)
    expected = brute(batch, x, epsilon, cell, {1: 40, 2: 14, 3: 7}[k])
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)


@given(cell=cells(), seed=st.integers(0, 1000))
def test_log_q_is_the_same_wherever_particles_and_points_are_wrapped(cell, seed):
    batch = particles_in(cell, seed)
    x = TargetDensity(batch, 0.2).sample(6, torch.Generator().manual_seed(seed))
    expected = TargetDensity(batch, 0.2).log_prob(x)
    torch.testing.assert_close(TargetDensity(moved(batch, seed, shift=False), 0.2).log_prob(x), expected)
    images = torch.from_numpy(np.random.default_rng(seed).integers(-2, 3, x.shape).astype(float))
    torch.testing.assert_close(TargetDensity(batch, 0.2).log_prob(x + images @ batch.cell[:, None]), expected)


@pytest.mark.parametrize("symmetry", ["none", "translation"])
@given(cell=cells(), seed=st.integers(0, 1000))
def test_q_in_standard_coordinates_is_q_in_those_of_the_data(symmetry, cell, seed):
    """ε is in the units of the data, in a triclinic cell, too: only the volume of the coordinates is between them."""
    k = len(cell)
    features = Features(k, vectors=1, scalars=1)
    batch = particles_in(cell, seed, sizes=(9, 7), features=features)
    coordinates = Coordinates(features, symmetry, periodic=periodic_directions(batch.cell)).double()
    coordinates.fit(batch)
    epsilon = torch.from_numpy(np.random.default_rng(seed).uniform(0.05, 0.5, features.d))
    x = TargetDensity(batch, epsilon).sample(5, torch.Generator().manual_seed(seed))
    physical = TargetDensity(batch, epsilon).log_prob(x)
    standard = TargetDensity(coordinates(batch), coordinates.smoothing(batch, epsilon))
    seen = standard.log_prob(coordinates.points_seen(x[:, 0], batch)[:, None])
    torch.testing.assert_close(seen + coordinates.log_volume(batch)[:, None], physical, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(
        coordinates.points_seen(coordinates.points_of(coordinates(batch).points, batch), batch),
        coordinates(batch).points,
        rtol=1e-7,
        atol=1e-7,
    )


def test_samples_in_standard_coordinates_have_the_covariance_of_the_data():
    cell = torch.tensor([[[6.0, 0.0], [2.0, 5.0]]]).double()
    batch = particles_in(cell[0].numpy(), sizes=(1,))
    coordinates = Coordinates(batch.roles, "none", periodic=(True, True)).double()
    epsilon = torch.tensor([0.1, 0.3]).double()
    q = TargetDensity(coordinates(batch), coordinates.smoothing(batch, epsilon))
    u = q.sample(40_000, torch.Generator().manual_seed(0))[:, 0]
    assert ((u >= 0) & (u <= 2 * math.pi)).all()
    offset = (u - coordinates(batch).points)[0]
    offset = (offset - 2 * math.pi * (offset / (2 * math.pi)).round()) / (2 * math.pi) @ cell[0]
    covariance = offset.T @ offset / len(offset)
    torch.testing.assert_close(covariance, torch.diag(epsilon.square()), atol=2e-3, rtol=0)


def test_q_integrates_to_one_on_the_torus_and_on_torus_and_line():
    f = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    for cell, span in (
        ([[3.0, 0.0], [1.0, 2.0]], [[3.0, 0.0], [1.0, 2.0]]),
        ([[3.0, 0.0], [0.0, 0.0]], [[3.0, 0.0], [0.0, 12.0]]),  # the line is cut far outside
    ):
        box = torch.tensor(span, dtype=torch.float64)
        x = torch.cartesian_prod(f, f if cell == span else f - 0.5) @ box
        q = TargetDensity(particles_in(np.array(cell), sizes=(3,)), 0.7)
        total = q.log_prob(x[None, None]).exp().mean() * torch.linalg.det(box).abs()
        assert total.item() == pytest.approx(1.0, abs=1e-4)


def test_a_bandwidth_of_1e_8_loses_nothing_in_a_cell():
    batch = particles_in(np.array([[3.0, 0.0], [1.0, 2.0]]), sizes=(5,))
    q = TargetDensity(batch, 1e-8)
    x = q.sample(20, torch.Generator().manual_seed(0))
    squared = -2 * (q.log_prob(x) - math.log(0.2) + 2 * math.log(1e-8) + math.log(2 * math.pi))
    assert (squared > -1e-6).all()
    assert (squared < 40).all()
