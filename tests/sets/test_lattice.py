"""Cells: wrapping, minimum images and point groups, against brute force over images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.sets.cells import cells, moved, particles_in

from setclosure.errors import MicrostateError
from setclosure.sets.lattice import completed, fractions, minimum_image, periodic_directions, point_group, wrapped


@given(cell=cells(), seed=st.integers(0, 1000))
def test_minimum_images_are_the_shortest_of_many(cell, seed):
    k = len(cell)
    differences = np.random.default_rng(seed).normal(size=(20, k)) * 6.0
    steps = np.array(list(itertools.product(range(-12 if k < 3 else -8, 13 if k < 3 else 9), repeat=k)))
    near = differences - np.rint(differences @ np.linalg.pinv(cell)) @ cell
    brute = ((near[:, None] + steps @ cell) ** 2).sum(-1).min(axis=1)
    found = minimum_image(differences, cell)
    np.testing.assert_allclose((found**2).sum(-1), brute, rtol=1e-9, atol=1e-12)
    frame = completed(torch.from_numpy(cell)[None])[0].numpy()
    turns = (found - differences) @ np.linalg.inv(frame)
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-9)


@given(cell=cells(), seed=st.integers(0, 1000))
def test_wrapping_moves_into_the_cell_and_twice_is_once(cell, seed):
    batch = particles_in(cell)
    once = wrapped(moved(batch, seed, shift=False).points, batch.cell)
    periodic = torch.tensor(periodic_directions(batch.cell))
    f = fractions(once, completed(batch.cell))
    assert (f[..., periodic] > -1e-9).all()
    assert (f[..., periodic] < 1 + 1e-9).all()
    again = minimum_image((wrapped(once, batch.cell) - once).numpy(), cell)
    np.testing.assert_allclose(again, 0.0, atol=1e-9)
    np.testing.assert_allclose(minimum_image((once - batch.points).numpy(), cell), 0.0, atol=1e-9)


@given(cell=cells())
def test_open_directions_are_completed_at_right_angles(cell):
    periodic = (cell != 0).any(axis=1)
    frame = completed(torch.from_numpy(cell)[None])[0].numpy()
    np.testing.assert_array_equal(frame[periodic], cell[periodic])
    products = frame @ frame.T
    for i in np.flatnonzero(~periodic):
        expected = np.zeros(len(cell))
        expected[i] = 1.0
        np.testing.assert_allclose(products[i], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("cell", "n"),
    [
        ([[5.0, 0.0], [0.0, 5.0]], 8),
        ([[5.0, 0.0], [0.0, 4.0]], 4),
        ([[5.0, 0.0], [2.5, 5.0 * 0.75**0.5]], 12),  # hexagonal
        ([[5.0, 0.0], [1.0, 4.0]], 2),  # oblique
        ([[5.0, 0.0], [10.0, 5.0]], 8),  # square, by other lattice vectors
        ([[5.0, 0.0], [0.0, 0.0]], 2),
        (np.diag([3.0, 3.0, 3.0]), 48),
        (np.diag([3.0, 3.0, 9.0]), 16),
        (np.diag([3.0, 4.0, 5.0]), 8),
        ([[0.0, 2.0, 2.0], [2.0, 0.0, 2.0], [2.0, 2.0, 0.0]], 48),  # face-centred cubic
    ],
)
def test_the_point_group_has_as_many_members_as_it_should(cell, n):
    cell = np.asarray(cell)
    group = point_group(cell[None], [0] * len(cell))
    assert len(group) == n
    np.testing.assert_array_equal(group[0], np.eye(len(group[0])))
    members = {tuple(m.ravel()) for m in group + 0.0}
    assert {tuple((a @ b + 0.0).ravel()) for a in group for b in group} == members
    lattice = cell[(cell != 0).any(axis=1)]
    for m in group:
        np.testing.assert_allclose(m @ lattice @ lattice.T @ m.T, lattice @ lattice.T, atol=1e-9)


def test_the_point_group_of_several_cells_is_that_which_they_share():
    square, long = np.diag([5.0, 5.0]), np.diag([5.0, 7.0])
    assert len(point_group(np.stack([square, 1.1 * square]), [0, 0])) == 8
    assert len(point_group(np.stack([square, long]), [0, 0])) == 4
    assert len(point_group(square[None], [1, 0])) == 4  # one direction apart: no exchange of the two


def test_cells_that_differ_in_their_open_directions_are_refused():
    with pytest.raises(MicrostateError, match="microstate 1 of a batch is periodic along"):
        periodic_directions(torch.stack([torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, 0.0]])]))
    with pytest.raises(MicrostateError, match="periodic along 4 directions; rotations are known for 3"):
        point_group(np.eye(4)[None], [0] * 4)
