"""Symmetries by their parts: rotations keep what they must, in the open and in a cell; views are few and drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.sets.cells import cells, particles_in

from setclosure.errors import ModelError
from setclosure.sets.features import Features
from setclosure.sets.lattice import minimum_image
from setclosure.sets.symmetry import Symmetry, as_symmetry, random_turns, rotated, turned, views, views_of

PIPE = Symmetry((False, False, True), "reflections")


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def test_short_names_are_those_that_they_were():
    assert as_symmetry("none", Features(2)) == Symmetry((False, False), "none")
    assert as_symmetry("translation", Features(2)) == Symmetry((True, True), "none")
    assert as_symmetry("euclidean", Features(3, 1, 1)) == Symmetry((True,) * 3, "reflections")
    assert as_symmetry({"translation": "all", "rotation": "proper"}, Features(2)) == Symmetry((True, True), "proper")


def test_vectors_and_scalars_have_no_translation():
    with pytest.raises(ModelError, match=r"translation along v1x, s1; expected coordinates of the position, which are"):
        as_symmetry({"translation": ["x", "v1x", "s1"]}, Features(2, 1, 1))


@pytest.mark.parametrize("rotation", ["proper", "reflections"])
@pytest.mark.parametrize(
    "translation", [(True, True, True), (False, False, True), (False, False, False), (True, False)]
)
def test_random_rotations_are_orthogonal_keep_the_blocks_and_have_both_signs_where_they_may(translation, rotation):
    symmetry = Symmetry(translation, rotation)
    k = len(translation)
    q = random_turns(symmetry, 400, stream())
    torch.testing.assert_close(q @ q.mT, torch.eye(k).expand(400, k, k), atol=1e-5, rtol=0)
    blocks = torch.tensor(symmetry.blocks)
    assert (q[:, blocks[:, None] != blocks] == 0).all()
    signs = torch.linalg.det(q).sign()
    assert set(signs.tolist()) == ({1.0} if rotation == "proper" else {1.0, -1.0})
    if len(set(translation)) == 1:
        assert abs(q.mean(0)).max() < 0.15  # uniform: no direction is preferred


@given(cell=cells(), seed=st.integers(0, 1000), proper=st.booleans())
def test_a_rotation_in_a_cell_keeps_all_distances_of_nearest_images_and_vectors(cell, seed, proper):
    k = len(cell)
    batch = particles_in(cell, seed, sizes=(6, 6), features=Features(k, vectors=1, scalars=1))
    symmetry = Symmetry((True,) * k, "proper" if proper else "reflections")
    for matrices in (random_turns(symmetry, 2, stream(seed), batch.cell), *views_of(symmetry, batch, 5)):
        other = turned(batch, matrices)
        assert torch.equal(other.cell, batch.cell)
        assert torch.equal(other.points[..., -1], batch.points[..., -1])
        for b in range(2):
            before, after = (x.points[b, :, :k].numpy() for x in (batch, other))
            distances = [np.linalg.norm(minimum_image(x[:, None] - x, cell), axis=-1) for x in (before, after)]
            np.testing.assert_allclose(*distances, atol=1e-5)
            v, w = (x.points[b, :, k : 2 * k] for x in (batch, other))
            torch.testing.assert_close(v @ v.T, w @ w.T, atol=1e-5, rtol=1e-5)
            if proper and k > 1:
                span = np.linalg.lstsq(v.numpy(), w.numpy(), rcond=None)[0]
                assert np.linalg.det(span) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("symmetry", "k", "n"),
    [("euclidean", 1, 2), ("euclidean", 2, 8), ("euclidean", 3, 8), ("euclidean", 6, 8), ("translation", 3, 1)],
)
def test_there_are_eight_views_at_most_by_default(symmetry, k, n):
    group = views(symmetry, k)
    assert group.shape == (n, k, k)
    assert torch.equal(group[0], torch.eye(k))
    assert len({tuple(g.flatten().tolist()) for g in group + 0.0}) == n
    assert torch.equal(group, views(symmetry, k))
    torch.testing.assert_close(group @ group.mT, torch.eye(k).expand(n, k, k))


def test_views_of_proper_rotations_and_of_a_pipe():
    assert len(views(Symmetry((True, True), "proper"), 2)) == 4
    assert len(views(Symmetry((True,) * 3, "proper"), 3, most=100)) == 24
    assert len(views(PIPE, 3, most=100)) == 16  # eight about the axis, times turning over
    many = views(Symmetry((True,) * 5, "proper"), 5)
    assert len(many) == 8
    assert (torch.linalg.det(many) > 0).all()


def test_views_in_a_cell_are_those_of_each_microstate_s_own():
    square = particles_in(np.diag([4.0, 4.0]), sizes=(3,))
    oblong = particles_in(np.diag([4.0, 5.0]), sizes=(3,))
    both = type(square)(
        torch.cat([square.points, oblong.points]),
        torch.cat([square.weights, oblong.weights]),
        cell=torch.cat([square.cell, oblong.cell]),
    )
    symmetry = Symmetry((True, True), "reflections")
    group = views_of(symmetry, both)
    assert group.shape == (8, 2, 2, 2)
    assert len({tuple(g.flatten().tolist()) for g in group[:, 0] + 0.0}) == 8
    assert len({tuple(g.flatten().tolist()) for g in group[:, 1] + 0.0}) == 4
    assert torch.equal(views_of(symmetry, oblong)[:, 0], group[:4, 1])


def test_a_cell_of_zeros_is_no_cell():
    batch = particles_in(np.diag([4.0, 5.0]), sizes=(3,))
    open_ = type(batch)(batch.points, batch.weights, cell=torch.zeros_like(batch.cell))
    symmetry = Symmetry((True, True), "reflections")
    assert torch.equal(views_of(symmetry, open_), views("euclidean", 2))
    q = random_turns(symmetry, 1, stream(), open_.cell)
    assert torch.equal(q, random_turns(symmetry, 1, stream()))
    torch.testing.assert_close(turned(open_, q.double()).points, rotated(batch, q.double()).points)
