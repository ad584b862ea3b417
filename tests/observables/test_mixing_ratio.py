"""The mixing ratio counts the pairs that a double loop counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from setclosure.errors import MicrostateError
from setclosure.observables.mixing_ratio import mixing_ratio_of_points
from setclosure.observables.registered import get_observable
from setclosure.sets.microstates import MicrostateBatch


def brute(x, species, radius):
    there = species >= 0
    near = (np.square(x[:, None] - x[None]).sum(-1) <= radius**2) & there[:, None] & there[None]
    np.fill_diagonal(near, False)
    pairs = [[near[species == s][:, species == t].sum() for t in (0, 1)] for s in (0, 1)]
    return [pairs[0][1] / max(sum(pairs[0]), 1), pairs[1][0] / max(sum(pairs[1]), 1)]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 60),
    d=st.integers(1, 3),
    radius=st.floats(0.05, 20),
    spread=st.sampled_from([0.0, 0.1, 5.0, 300.0]),
    seed=st.integers(0, 10_000),
)
def test_equals_a_double_loop(n, d, radius, spread, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * rng.choice([1.0, spread], size=(n, 1))  # with outliers
    species = rng.integers(-1, 2, size=n)  # −1: no particle
    species[:2] = 0, 1
    assert np.allclose(mixing_ratio_of_points(x[None], species, radius)[0], brute(x, species, radius), atol=1e-15)


def test_order_padding_and_masses_change_nothing():
    rng = np.random.default_rng(0)
    sets = [rng.uniform(0, 8, size=(n, 2)) for n in (30, 12, 45)]
    species = [np.arange(len(x)) % 2 for x in sets]
    ratio = get_observable("mixing_ratio(radius=2)")
    alone = np.array([mixing_ratio_of_points(x[None], s, 2.0)[0] for x, s in zip(sets, species, strict=True)])
    batch = MicrostateBatch.from_arrays(sets, species=species, masses=[rng.uniform(1, 2, len(x)) for x in sets])
    assert np.allclose(ratio(batch), alone, atol=1e-6)
    assert np.allclose(ratio(batch.permuted(torch.Generator().manual_seed(1))), alone, atol=1e-6)
    assert ratio.components == ("R_AB", "R_BA")


def test_random_labels_give_the_well_mixed_value():
    rng = np.random.default_rng(1)
    x, n, n_B = rng.uniform(0, 32, (1, 529, 2)), 529, 200
    labels = np.array([rng.permutation(np.arange(n) < n_B) for _ in range(400)]).astype(int)
    mean = mixing_ratio_of_points(np.broadcast_to(x, (400, n, 2)), labels).mean(axis=0)
    assert np.allclose(mean, [n_B / (n - 1), (n - n_B) / (n - 1)], atol=0.003)  # five times the error of the mean


def test_a_species_alone_has_no_neighbours_of_the_other_kind():
    assert mixing_ratio_of_points([[[0.0], [9.0]]], [0, 1], radius=1.0).tolist() == [[0.0, 0.0]]
    with pytest.raises(MicrostateError, match="two species; these microstates have 1"):
        get_observable("mixing_ratio")(np.zeros((1, 3, 2)))
    with pytest.raises(MicrostateError, match="d ≤ 3"):
        mixing_ratio_of_points(np.zeros((1, 3, 4)), [0, 1, 0])
    with pytest.raises(MicrostateError, match="positive"):
        mixing_ratio_of_points(np.zeros((1, 3, 2)), [0, 1, 0], radius=0.0)
