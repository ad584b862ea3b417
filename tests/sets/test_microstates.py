from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import MicrostateError
from setclosure.sets.features import Features
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
        ([], {}, "at least one"),
        (np.array([[0.0, np.nan]]), {}, "microstate 0, particle 0"),
        ([np.zeros((2, 2)), np.array([[0.0, 0.0], [np.inf, 0.0]])], {}, "microstate 1, particle 1"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], {}, "3 features"),
        (np.zeros(4), {}, "last axis of length 1"),
        (np.zeros((2, 2, 2, 2)), {}, r"\(B, N, d\)"),
        ("particles", {}, "numbers"),
        ([["a", "b"]], {}, "numbers"),
        (np.zeros((3, 0)), {}, "the same positive number"),
        (np.zeros((3, 2)), {"species": [0, 0, -1]}, "run from -1 to 0; expected 0 to 0"),
        (np.zeros((3, 2)), {"features": ("x", "y", "z")}, "points have 2 features and these are described as 3"),
        (np.zeros((3, 2)), {"features": ("v", "x"), "roles": ("vector", "position")}, "position first"),
        (np.zeros((3, 2)), {"cell": [1.0, 2.0, 3.0]}, r"lengths \(2,\) or a matrix"),
        (np.zeros((3, 2)), {"cell": [1.0, -2.0]}, "negative length"),
        (np.zeros((3, 2)), {"cell": [1.0, np.nan]}, "NaN or infinite"),
        (np.zeros((3, 2)), {"cell": [[1.0, 1.0], [2.0, 2.0]]}, "parallel"),
        (
            np.zeros((2, 3, 2)),
            {"cell": np.ones((3, 2, 2)) + np.eye(2)},
            r"2 microstates and cells of shape \(3, 2, 2\)",
        ),
        (np.zeros((2, 3, 2)), {"cell": np.ones((3, 2))}, r"2 microstates and cells of shape \(3, 2, 2\)"),
        (np.zeros((2, 3, 2)), {"cell": np.ones((2, 2, 2, 2)) + np.eye(2)}, r"cells of shape \(2, 2, 2, 2\)"),
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


def test_a_species_may_lack_particles_and_a_microstate_may_be_empty():
    sets = [np.ones((3, 2)), np.zeros((0, 2)), np.full((1, 2), 4.0)]
    batch = MicrostateBatch.from_arrays(sets, species=[[0, 0, 2], [], [1]], n_species=3)
    assert batch.counts.tolist() == [3, 0, 1]
    assert batch.present.tolist() == [[True, False, True], [False] * 3, [False, True, False]]
    assert batch.weights.sum(-1).tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert batch.particle_weights.sum(-1).tolist() == [1, 0, 1]
    assert MicrostateBatch.from_arrays(np.zeros((3, 2)), species=[0, 0, 2]).n_species == 3
    alone = MicrostateBatch.from_arrays(np.zeros((0, 2)))
    assert (len(alone), alone.counts.tolist(), alone.n_features) == (1, [0], 2)


def test_mean_and_standard_deviation_are_those_of_the_particles_and_ignore_padding():
    stream = np.random.default_rng(0)
    sets = [stream.normal(size=(n, 2)) * [1.0, 5.0] + 10 for n in (4, 9, 1)]
    batch = MicrostateBatch.from_arrays(sets, dtype=torch.float64)
    junk = MicrostateBatch(batch.points.masked_fill(~batch.mask[..., None], 1e6), batch.weights)
    for one in (batch, junk):
        np.testing.assert_allclose(one.mean(), [x.mean(0) for x in sets])
        np.testing.assert_allclose(one.standard_deviation(), [x.std(0) for x in sets], atol=1e-12)


def test_mean_weighs_particles_by_mass_and_every_species_that_is_there_alike():
    x = np.array([[0.0], [3.0], [10.0]])
    heavy = MicrostateBatch.from_arrays(x, masses=[2.0, 1.0, 1.0], dtype=torch.float64)
    assert heavy.mean().item() == pytest.approx(13 / 4)
    assert heavy.standard_deviation().item() == pytest.approx(np.sqrt((9 + 100) / 4 - (13 / 4) ** 2))
    kinds = MicrostateBatch.from_arrays(x, species=[0, 0, 2], n_species=3, dtype=torch.float64)
    assert kinds.mean().item() == pytest.approx((1.5 + 10) / 2)


def test_an_empty_microstate_has_a_mean_and_spread_of_zero():
    batch = MicrostateBatch.from_arrays([np.ones((2, 2)), np.zeros((0, 2))])
    assert batch.mean().tolist() == [[1, 1], [0, 0]]
    assert batch.standard_deviation().tolist() == [[0, 0], [0, 0]]


def test_features_and_cell_stay_with_the_particles():
    roles = Features(2, 1, 1)
    cells = np.stack([np.diag([3.0, 4.0]), np.diag([5.0, 0.0])])
    batch = MicrostateBatch.from_arrays(np.random.default_rng(0).normal(size=(2, 6, 5)), features=roles, cell=cells)
    for same in (
        batch[:],
        batch.to(torch.float64),
        batch.permuted(),
        batch.with_points(batch.points + 1),
        batch.with_weights(batch.weights),
        as_microstates(batch),
    ):
        assert same.roles == roles
        assert np.array_equal(same.cell, cells)
    assert np.array_equal(batch[[1]].cell, cells[1:])
    assert batch.to(torch.float64).cell.dtype is torch.float64


def test_lengths_of_a_box_are_those_of_a_cell_for_all():
    x = np.zeros((3, 4, 2))
    boxes = [
        MicrostateBatch.from_arrays(x, cell=cell).cell
        for cell in ([3.0, 4.0], np.diag([3.0, 4.0]), [[3.0, 4.0]] * 3, [np.diag([3.0, 4.0])] * 3)
    ]
    assert boxes[0].shape == (3, 2, 2)
    assert boxes[0][1].tolist() == [[3.0, 0.0], [0.0, 4.0]]
    assert all(torch.equal(box, boxes[0]) for box in boxes)


def test_a_batch_shares_no_memory_with_the_arrays_it_was_made_from():
    x, masses, cell = np.ones((2, 3, 2)), np.ones((2, 3)), np.diag([3.0, 4.0])
    batch = MicrostateBatch.from_arrays(x, masses=masses, cell=cell, dtype=torch.float64)
    for array in (x, masses, cell):
        array[:] = 7.0
    assert (batch.points == 1).all()
    assert batch.cell[0].tolist() == [[3.0, 0.0], [0.0, 4.0]]


def test_permuted_particles_are_the_same_set_in_another_order():
    batch = MicrostateBatch.from_arrays(
        np.random.default_rng(0).normal(size=(3, 8, 2)), species=np.arange(24).reshape(3, 8) % 2
    )
    other = batch.permuted(torch.Generator().manual_seed(0))
    assert not torch.equal(other.points, batch.points)
    for b in range(3):
        pairs = [
            sorted(map(tuple, torch.cat([one.points[b], one.weights[b].T], dim=1).tolist())) for one in (batch, other)
        ]
        assert pairs[0] == pairs[1]
    orders = {tuple(torch.cdist(other.points[b], batch.points[b]).argmin(1).tolist()) for b in range(3)}
    assert len(orders) == 3  # each has an order of its own


def test_repr_says_what_it_holds():
    batch = MicrostateBatch.from_arrays(np.zeros((2, 3, 2)), features=("x", "charge"), roles=("position", "scalar"))
    assert repr(batch) == (
        "MicrostateBatch of 2 microstates: up to 3 particles of 1 species, features x, charge, torch.float32 on cpu"
    )
    assert "in a cell" in repr(MicrostateBatch.from_arrays(np.zeros((2, 3, 2)), cell=[1.0, 1.0]))


def test_species_are_whole_numbers():
    with pytest.raises(MicrostateError, match="whole numbers"):
        MicrostateBatch.from_arrays(np.zeros((3, 2)), species=[0.0, 0.9, 1.0])
    with pytest.raises(MicrostateError, match="whole numbers"):
        MicrostateBatch.from_arrays([np.zeros((3, 2)), np.zeros((2, 2))], species=[[0.0, 1.0, 0.5], [0.0, 1.0]])
    assert MicrostateBatch.from_arrays(np.zeros((3, 2)), species=[0.0, 1.0, 1.0]).n_species == 2
