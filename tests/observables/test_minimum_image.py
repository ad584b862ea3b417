"""The built-in observables in a cell: nearest images, against brute force, and nothing changes by wrapping."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.sets.cells import cells, moved, particles_in

from setclosure.errors import MicrostateError
from setclosure.observables.extension import extension
from setclosure.observables.mixing_ratio import mixing_ratio, mixing_ratio_of_points
from setclosure.observables.pair_energy import pair_energy
from setclosure.sets.features import Features
from setclosure.sets.lattice import completed, minimum_image
from setclosure.sets.microstates import MicrostateBatch


def brute_mixing_ratio(points, species, radius, cell):
    distance = np.linalg.norm(minimum_image(points[:, None] - points, cell), axis=-1)
    near = (distance <= radius) & ~np.eye(len(points), dtype=bool)
    same = species[:, None] == species
    counts = [(near & same & (species == s)[:, None]).sum() for s in (0, 1)]
    others = [(near & ~same & (species == s)[:, None]).sum() for s in (0, 1)]
    return [o / max(o + c, 1) for o, c in zip(others, counts, strict=True)]


def half_width(cell):
    frame = completed(torch.from_numpy(cell)[None])[0].numpy()
    heights = 1.0 / np.linalg.norm(np.linalg.inv(frame), axis=0)
    return 0.5 * heights[(cell != 0).any(axis=1)].min()


@given(cell=cells(), seed=st.integers(0, 1000), share=st.floats(0.05, 0.99))
def test_mixing_ratios_are_those_of_the_nearest_images(cell, seed, share):
    radius = share * half_width(cell)
    assume(radius > 0)
    batch = particles_in(cell, seed, sizes=(60, 25), n_species=2)
    found = mixing_ratio(batch, radius)
    for b in range(2):
        there = batch.mask[b].numpy()
        species = (batch.weights[b, 1, there] > 0).long().numpy()
        expected = brute_mixing_ratio(batch.points[b, there].numpy(), species, radius, cell)
        np.testing.assert_allclose(found[b], expected)


def smooth_energy(points, cell, a=4.0, b=0.1):
    r = np.linalg.norm(minimum_image(points[:, None] - points, cell), axis=-1)[np.tril_indices(len(points), -1)]
    return np.mean(np.log(np.cosh(a * (1 - r))) / a + b * (1 - r))


@given(cell=cells(), seed=st.integers(0, 1000))
def test_pair_energies_are_those_of_the_nearest_images(cell, seed):
    batch = particles_in(cell, seed, sizes=(12, 7))
    expected = [smooth_energy(batch.points[b, batch.mask[b]].numpy(), cell) for b in range(2)]
    np.testing.assert_allclose(pair_energy(batch), expected, rtol=1e-4, atol=1e-5)


@given(cell=cells(), seed=st.integers(0, 1000))
def test_shifting_and_wrapping_changes_no_observable(cell, seed):
    """Promise 11 for observables; distances at the border of the radius apart."""
    features = Features(len(cell), scalars=1)
    batch = particles_in(cell, seed, sizes=(20, 9), n_species=2)
    np.testing.assert_allclose(pair_energy(moved(batch, seed)), pair_energy(batch), rtol=1e-4, atol=1e-5)
    radius = 0.6 * half_width(cell)
    np.testing.assert_allclose(mixing_ratio(moved(batch, seed), radius), mixing_ratio(batch, radius))
    with_scalar = particles_in(cell, seed, sizes=(20, 9), n_species=2, features=features)
    assert mixing_ratio(with_scalar, radius).shape == (2, 2)  # a scalar is no coordinate of a distance


def test_a_cell_of_zeros_changes_nothing():
    x = np.random.default_rng(0).normal(size=(2, 30, 2))
    open_, told = (MicrostateBatch.from_arrays(x, np.arange(60).reshape(2, 30) % 2, cell=c) for c in (None, [0.0, 0.0]))
    assert (mixing_ratio(open_, 0.5) == mixing_ratio(told, 0.5)).all()
    assert (pair_energy(open_) == pair_energy(told)).all()
    assert torch.equal(extension(open_), extension(told))


def test_a_cell_narrower_than_twice_the_radius_is_refused():
    with pytest.raises(
        MicrostateError, match="microstate 0 is 4 wide along its lattice vector 0; a mixing ratio within"
    ):
        mixing_ratio_of_points(np.zeros((1, 2, 2)), [0, 1], 2.5, np.diag([4.0, 9.0])[None])


def test_the_extension_is_refused_along_a_periodic_direction_alone():
    x = [[[0.0, 5.0], [3.0, 1.0]]]
    assert extension(MicrostateBatch.from_arrays(x, cell=[0.0, 9.0])).tolist() == [3.0]
    with pytest.raises(MicrostateError, match="the cell is periodic along it: a set has no end there"):
        extension(MicrostateBatch.from_arrays(x, cell=[9.0, 0.0]))
