"""Cells are matrices of lattice vectors, however they are given, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import MicrostateError
from setclosure.sets.cell import cell_matrices
from setclosure.sets.microstates import MicrostateBatch
from setclosure.sets.symmetry import rotated

RNG = np.random.default_rng(0)


@given(lengths=st.lists(st.floats(0, 1e6).filter(lambda x: x == 0 or x > 1e-3), min_size=1, max_size=3))
def test_lengths_are_a_diagonal_matrix_and_a_zero_is_not_periodic(lengths):
    k = len(lengths)
    assert np.array_equal(cell_matrices(lengths, k), np.diag(lengths))
    assert np.array_equal(cell_matrices(np.diag(lengths), k), np.diag(lengths))


@pytest.mark.parametrize("lead", [(), (4,), (2, 5)])
def test_leading_axes_stay(lead):
    sheared = np.array([[5.0, 0.0, 0.0], [1.0, 4.0, 0.0], [-2.0, 0.5, 3.0]])
    many = np.broadcast_to(sheared, (*lead, 3, 3))
    assert np.array_equal(cell_matrices(many, 3), many)
    lengths = RNG.uniform(1, 2, (*lead, 3))
    assert np.array_equal(cell_matrices(lengths, 3), lengths[..., None] * np.eye(3))


def test_open_directions_of_a_slab_and_of_no_box_at_all():
    slab = [[5.0, 1.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 0.0]]
    assert cell_matrices(slab, 3).tolist() == slab
    assert not cell_matrices(np.zeros(3), 3).any()


@pytest.mark.parametrize(
    ("cell", "k", "message"),
    [
        ([5.0, 5.0], 3, r"shape \(2,\); expected lengths \(3,\) or a matrix \(3, 3\)"),
        (5.0, 2, r"shape \(\); expected lengths \(2,\)"),
        ("box", 2, "a cell is an array of numbers"),
        ([[1.0, 2.0], [3.0]], 2, "a cell is an array of numbers"),
        ([5.0, np.nan], 2, "NaN or infinite"),
        ([5.0, np.inf], 2, "NaN or infinite"),
        ([5.0, -1.0], 2, "negative length: -1"),
        ([[1.0, 2.0], [2.0, 4.0]], 2, "parallel"),
        ([[1.0, 2.0], [-1.0, -2.0]], 2, "parallel"),
        ([[1e-8, 0.0], [1e-8, 1e-20]], 2, "parallel"),
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]], 3, "parallel"),
        ([np.eye(2), np.ones((2, 2))], 2, "parallel"),  # one of several
    ],
)
def test_what_is_no_cell_is_named(cell, k, message):
    with pytest.raises(MicrostateError, match=message):
        cell_matrices(cell, k)


def test_a_tiny_box_is_a_box():
    assert cell_matrices([1e-9, 2e-9], 2).tolist() == [[1e-9, 0], [0, 2e-9]]


def test_a_batch_has_one_cell_for_all_or_for_each():
    x = RNG.normal(size=(3, 5, 2))
    for_all = MicrostateBatch.from_arrays(x, cell=[5.0, 6.0])
    assert for_all.cell.tolist() == [[[5.0, 0.0], [0.0, 6.0]]] * 3
    lengths = RNG.uniform(1, 2, (3, 2)).astype(np.float32)
    assert np.array_equal(MicrostateBatch.from_arrays(x, cell=lengths).cell, lengths[..., None] * np.eye(2))
    assert MicrostateBatch.from_arrays(x).cell is None
    with pytest.raises(MicrostateError, match="3 microstates and cells of shape \\(4, 2, 2\\)"):
        MicrostateBatch.from_arrays(x, cell=np.broadcast_to(np.eye(2), (4, 2, 2)))


def test_the_cell_goes_with_its_microstates():
    batch = MicrostateBatch.from_arrays(RNG.normal(size=(3, 5, 2)), cell=RNG.uniform(1, 2, (3, 2)))
    assert np.array_equal(batch[1:].cell, batch.cell[1:])
    for other in (batch.permuted(), batch.with_points(batch.points + 1), batch.with_weights(batch.weights)):
        assert np.array_equal(other.cell, batch.cell)
    turn = batch.points.new_tensor([[0.0, -1.0], [1.0, 0.0]])
    turned = rotated(batch, turn)
    fractional = batch.points @ batch.cell.inverse()
    assert np.allclose(turned.points @ turned.cell.inverse(), fractional, atol=1e-5)
