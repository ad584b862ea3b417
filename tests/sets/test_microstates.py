from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import MicrostateError
from setclosure.sets.microstates import MicrostateBatch, as_microstates


@given(
    sizes=st.lists(st.integers(2, 9), min_size=1, max_size=4),
    d=st.integers(1, 4),
    species=st.integers(1, 2),
    data=st.data(),
)
def test_weights_of_each_species_sum_to_one_and_padding_weighs_nothing(sizes, d, species, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    sets = [rng.normal(size=(n, d)) for n in sizes]
    kinds = [np.arange(n) % species for n in sizes]
    masses = [rng.uniform(0.5, 2, size=n) for n in sizes]
    batch = MicrostateBatch.from_arrays(sets, species=kinds, masses=masses, dtype=torch.float64)
    assert batch.points.shape == (len(sizes), max(sizes), d)
    assert batch.weights.shape == (len(sizes), species, max(sizes))
    assert torch.allclose(batch.weights.sum(-1), torch.ones(len(sizes), species, dtype=torch.float64))
    assert batch.counts.tolist() == sizes
    for b, n in enumerate(sizes):
        assert np.array_equal(batch.points[b, :n].numpy(), sets[b])
        of_first = kinds[b] == 0
        expected = np.where(of_first, masses[b], 0) / masses[b][of_first].sum()
        assert np.allclose(batch.weights[b, 0, :n].numpy(), expected)


def test_one_set_an_array_of_sets_and_a_list_of_sets_mean_the_same():
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    assert torch.equal(as_microstates(x).points, as_microstates(list(x)).points)
    assert torch.equal(as_microstates(x[0]).points[0], as_microstates(x).points[0])
    assert torch.equal(
        as_microstates(torch.tensor(x)).weights, MicrostateBatch.from_points(torch.tensor(x).float()).weights
    )
    assert as_microstates([[0.0, 1.0], [2.0, 3.0]]).points.shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("x", "options", "says"),
    [
        (np.zeros((0, 2)), {}, "microstate 0 is empty"),
        ([np.zeros((2, 2)), np.zeros((0, 2))], {}, "microstate 1 is empty"),
        ([], {}, "at least one"),
        (np.array([[0.0, np.nan]]), {}, "microstate 0, particle 0"),
        ([np.zeros((2, 2)), np.array([[0.0, 0.0], [np.inf, 0.0]])], {}, "microstate 1, particle 1"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], {}, "3 features"),
        (np.zeros(4), {}, "last axis of length 1"),
        (np.zeros((2, 2, 2, 2)), {}, r"\(B, N, d\)"),
        ("particles", {}, "numbers"),
        ([["a", "b"]], {}, "numbers"),
        (np.zeros((3, 2)), {"species": [0, 0, 2]}, "no particle of species 1"),
        (np.zeros((3, 2)), {"species": [0, 1, 3], "n_species": 2}, "expected 0 to 1"),
        (np.zeros((3, 2)), {"masses": [1.0, 0.0, 1.0]}, "positive"),
        (np.zeros((3, 2)), {"masses": [1.0, 1.0]}, "one value for each particle"),
    ],
)
def test_bad_input_is_named(x, options, says):
    with pytest.raises(MicrostateError, match=says):
        MicrostateBatch.from_arrays(x, **options)


@pytest.mark.parametrize(
    ("points", "weights"),
    [
        (torch.zeros(2, 3, 2), torch.zeros(2, 1, 4)),
        (torch.zeros(2, 3, 2), torch.zeros(1, 1, 3)),
        (torch.zeros(3, 2), torch.zeros(1, 3)),
        (torch.zeros(2, 0, 2), torch.zeros(2, 1, 0)),
        (torch.zeros(2, 3, 2), torch.zeros(2, 1, 3, dtype=torch.float64)),
        (torch.zeros(2, 3, 2, dtype=torch.long), torch.zeros(2, 1, 3, dtype=torch.long)),
    ],
)
def test_shapes_and_dtypes_are_checked_once_and_said(points, weights):
    with pytest.raises(MicrostateError, match="expected"):
        MicrostateBatch(points, weights)


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (MicrostateBatch.from_points(torch.tensor([[[0.0, float("nan")]]])), "microstate 0"),
        (
            MicrostateBatch.from_points(torch.tensor([[[0.0, 1.0]], [[1e300, 0.0]]], dtype=torch.float64)),
            "microstate 1",
        ),
        (MicrostateBatch(torch.zeros(0, 3, 2), torch.zeros(0, 1, 3)), "no microstate"),
    ],
)
def test_a_batch_made_by_the_user_is_checked_where_it_enters(batch, says):
    with pytest.raises(MicrostateError, match=says):
        as_microstates(batch)


def test_a_batch_in_double_precision_becomes_single():
    batch = MicrostateBatch.from_points(torch.zeros(2, 3, 2, dtype=torch.float64))
    assert as_microstates(batch).points.dtype is torch.float32


def test_species_are_whole_numbers():
    with pytest.raises(MicrostateError, match="whole numbers"):
        MicrostateBatch.from_arrays(np.zeros((3, 2)), species=[0.0, 0.9, 1.0])
    with pytest.raises(MicrostateError, match="whole numbers"):
        MicrostateBatch.from_arrays([np.zeros((3, 2)), np.zeros((2, 2))], species=[[0.0, 1.0, 0.5], [0.0, 1.0]])
    assert MicrostateBatch.from_arrays(np.zeros((3, 2)), species=[0.0, 1.0, 1.0]).n_species == 2
