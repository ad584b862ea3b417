"""Surroundings against sums over all pairs, and what they do not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from setclosure.descriptors.environment import EMPTY, EnvironmentConfig
from setclosure.errors import MicrostateError, ModelError
from setclosure.sets.features import Features
from setclosure.sets.lattice import minimum_image
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

ROLES = {"features": ("x", "y", "vx", "vy"), "roles": ("position", "position", "vector", "vector")}


def weights_at(r, radii, softness):
    """The smooth weights of distances at each radius, from their definition."""
    low, high = radii * (1 - softness), radii * (1 + softness)
    t = np.clip((high - r[..., None]) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def brute(x, species, masses, cell, config):
    """Neighbours by species, own first, and means of vectors, by a loop over all pairs."""
    S, radii = int(species.max()) + 1, np.sort(np.array(config.radii))
    counts, means = np.zeros((len(x), S, len(radii))), np.zeros((len(x), len(radii), 2))
    relative = masses / np.array([masses[species == s].mean() for s in range(S)])[species]
    for i in range(len(x)):
        difference = x[i, :2] - x[:, :2]
        if cell is not None:
            difference = minimum_image(difference, cell)
        w = weights_at(np.linalg.norm(difference, axis=1), radii, config.softness) * relative[:, None]
        own = w[i].copy()
        w[i] = 0
        order = [species[i], *(s for s in range(S) if s != species[i])]
        counts[i] = [w[species == s].sum(axis=0) for s in order]
        means[i] = (w.T @ x[:, 2:] + own[:, None] * x[i, 2:]) / (w.sum(axis=0) + own)[:, None]
    return counts, means


CELLS = {
    "open": None,
    "square": np.diag([6.0, 5.0]),
    "oblique": np.array([[6.0, 0.0], [1.5, 5.5]]),
    "channel": np.array([[6.0, 0.0], [0.0, 0.0]]),
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("weighted", [False, True])
def test_counts_and_means_are_those_of_all_pairs(cell, weighted):
    rng = np.random.default_rng(0)
    box, n = CELLS[cell], 60
    x = np.concatenate([rng.uniform(-8, 8, (n, 2)), rng.normal(size=(n, 2))], axis=1).astype(np.float32)
    species = rng.permutation(np.arange(n) % 3)
    masses = rng.uniform(0.5, 2, n) if weighted else np.ones(n)
    batch = MicrostateBatch.from_arrays([x], [species], [masses], cell=box, **ROLES)
    config = EnvironmentConfig(radii=(0.7, 2.1, 1.2), numbers="counts")
    found = config.describe(batch)[0]
    counts, means = brute(x.astype(float), species, masses, box, config)
    assert np.allclose(found[:, :9], counts.reshape(n, 9), atol=2e-4)
    direction = x[:, None, 2:] / np.linalg.norm(x[:, None, 2:], axis=2, keepdims=True)
    assert np.allclose(found[:, 9:12], np.linalg.norm(means, axis=2), atol=1e-4)
    assert np.allclose(found[:, 12:], (means * direction).sum(axis=2), atol=1e-4)
    shares = EnvironmentConfig(radii=(0.7, 2.1, 1.2), numbers="shares").describe(batch)[0][:, :6].reshape(n, 2, 3)
    present = np.bincount(species) / n
    order = np.array([[s, *(t for t in range(3) if t != s)] for s in range(3)])[species]
    wanted = (counts + EMPTY * present[order][..., None]) / (counts.sum(axis=1, keepdims=True) + EMPTY)
    assert np.allclose(shares, wanted[:, :2], atol=5e-3 if weighted else 1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(-20, 20), st.floats(-20, 20))
def test_neither_a_shift_nor_a_turn_of_the_cell_matters(seed, dx, dy):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 6, (1, 30, 2))
    species = rng.integers(0, 2, (1, 30))
    config = EnvironmentConfig(radii=(0.8, 1.9), numbers="both")
    before = config.describe(MicrostateBatch.from_arrays(x, species, n_species=2, cell=[6.0, 6.0]))
    moved = (x[..., ::-1] + [dx, dy]) % 6  # mirrored at the diagonal, shifted and wrapped
    after = config.describe(MicrostateBatch.from_arrays(moved, species, n_species=2, cell=[6.0, 6.0]))
    assert np.allclose(before, after, atol=2e-3)


def test_auto_takes_radii_from_neighbours_to_a_third_of_the_cell():
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), -1).reshape(1, -1, 2)
    config = EnvironmentConfig(n_radii=4).fitted(MicrostateBatch.from_arrays(grid, cell=[9.0, 9.0]))
    assert config.radii[0] == pytest.approx(1.2)
    assert config.radii[-1] == pytest.approx(3.0)
    ratios = np.array(config.radii[1:]) / np.array(config.radii[:-1])
    assert np.allclose(ratios, ratios[0], rtol=0.02)
    assert config.fitted(MicrostateBatch.from_arrays(2 * grid)) == config  # numbers stay


def test_what_has_no_surroundings_is_refused():
    config = EnvironmentConfig()
    with pytest.raises(ModelError, match="particles have 0"):
        config.features(MicrostateKind(Features(0, scalars=2)))
    with pytest.raises(ModelError, match="most particles are alone"):
        config.fitted(MicrostateBatch.from_arrays([[[0.0, 0.0]]]))
    with pytest.raises(MicrostateError, match=r"cell of microstate 1 .* is 3 wide along its lattice vector 0"):
        EnvironmentConfig(radii=(2.0,)).describe(
            MicrostateBatch.from_arrays(np.zeros((2, 3, 2)), cell=np.stack([np.diag([9.0, 9.0]), np.diag([3.0, 9.0])]))
        )


def test_columns_are_named_in_the_order_in_which_they_are_computed():
    pair = MicrostateBatch.from_arrays(np.array([[[0.0, 0.0], [2.0, 0.0]]]))
    described = EnvironmentConfig(radii=(3.0, 1.0))
    names = described.features(MicrostateKind(2)).names
    numbers = described.describe(pair)[0, 0].tolist()
    assert [name.split()[-1] for name in names[:2]] == ["1", "3"]
    assert numbers[0] == 0 < numbers[1]
