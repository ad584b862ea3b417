"""Promise 11: what encoder and decoder see in a cell does not change with the origin or the wrapping."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.sets.cells import cells, moved, particles_in

from setclosure.errors import ModelError
from setclosure.sets.coordinates import Coordinates
from setclosure.sets.features import Features
from setclosure.sets.lattice import periodic_directions
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


def made_for(batch, symmetry, **options):
    coordinates = Coordinates(
        batch.roles, symmetry, periodic=periodic_directions(batch.cell), n_species=batch.n_species, **options
    ).double()
    coordinates.fit(batch)
    return coordinates


def same_angles(a, b, circular):
    """Compare standard coordinates, angles by their cosine and sine."""
    there = torch.tensor(circular)
    torch.testing.assert_close(a[..., there].cos(), b[..., there].cos(), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(a[..., there].sin(), b[..., there].sin(), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(a[..., ~there], b[..., ~there], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("n_species", [1, 2])
@given(cell=cells(), seed=st.integers(0, 1000))
def test_wrapping_again_and_under_translation_any_shift_changes_nothing(n_species, cell, seed):
    features = Features(len(cell), vectors=1, scalars=1)
    batch = particles_in(cell, seed, sizes=(9, 6), n_species=n_species, features=features)
    for symmetry, shift in (("none", False), ("translation", True)):
        coordinates = made_for(batch, symmetry)
        seen, other = (coordinates(b) for b in (batch, moved(batch, seed, shift)))
        same_angles(seen.points[batch.mask], other.points[batch.mask], coordinates.circular)
        of_encoder = coordinates.to_encoder(seen)
        torch.testing.assert_close(
            of_encoder.points[batch.mask], coordinates.to_encoder(other).points[batch.mask], rtol=1e-7, atol=1e-7
        )
        assert of_encoder.roles == coordinates.encoder_kind(MicrostateKind(features)).features
        assert of_encoder.cell is None


def test_without_translation_a_shift_is_seen():
    batch = particles_in(np.diag([4.0, 5.0]))
    coordinates = made_for(batch, "none")
    shifted = coordinates(batch.with_points(batch.points + 1.0)).points
    assert (shifted - coordinates(batch).points).abs().amin() > 0.1


def test_translation_along_one_direction_of_a_channel():
    """Periodic along x, walls along y: shifts along x change nothing, those along y do."""
    batch = particles_in(np.array([[4.0, 0.0], [0.0, 0.0]]))
    coordinates = made_for(batch, {"translation": ["x"]})
    for axis, changes in ((0, False), (1, True)):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[axis] = 0.7
        other = coordinates(batch.with_points(batch.points + shift))
        difference = (other.points - coordinates(batch).points)[batch.mask]
        difference[:, 0] -= 2 * math.pi * (difference[:, 0] / (2 * math.pi)).round()
        assert bool((difference.abs() > 1e-9).any()) == changes


def test_harmonics_are_those_of_the_fractions():
    batch = MicrostateBatch.from_arrays([[[1.0, 7.0], [2.0, 3.0]]], cell=[8.0, 0.0], dtype=torch.float64)
    coordinates = Coordinates(Features(2), "none", periodic=(True, False), harmonics=3).double()
    seen = coordinates.to_encoder(coordinates(batch))
    assert seen.roles.names == ("y", "cos(1·x)", "sin(1·x)", "cos(2·x)", "sin(2·x)", "cos(3·x)", "sin(3·x)")
    for i, x in enumerate((1.0, 2.0)):
        angle = 2 * math.pi * x / 8.0
        expected = [[math.cos(m * angle), math.sin(m * angle)] for m in (1, 2, 3)]
        torch.testing.assert_close(seen.points[0, i, 1:], torch.tensor(expected, dtype=torch.float64).flatten())


def test_a_cell_that_changes_scales_the_positions_with_it():
    batch = particles_in(np.diag([4.0, 5.0]))
    coordinates = made_for(batch, "none")
    other = MicrostateBatch(batch.points * 1.3, batch.weights, batch.features, batch.cell * 1.3)
    torch.testing.assert_close(coordinates(other).points, coordinates(batch).points)


def test_the_phase_of_a_demixing_fluid_is_that_of_the_difference_of_its_species():
    """Together the species fill the box evenly, so their common harmonic is noise."""
    n = 40
    rng = np.random.default_rng(0)
    x = np.linspace(0, 10, n, endpoint=False)
    points, species = [], []
    for _ in range(8):
        offset = rng.uniform(0, 10)
        points.append(((x + offset)[:, None]) % 10)
        species.append((np.arange(n) >= n // 2).astype(int))
    batch = MicrostateBatch.from_arrays(points, species, cell=[10.0], dtype=torch.float64)
    coordinates = made_for(batch, "translation")
    weights = coordinates.phase_weights[0].tolist()
    assert weights[0] == pytest.approx(-weights[1], rel=1e-6)
    angles = coordinates(batch).points[..., 0]
    torch.testing.assert_close(angles[1:].cos(), angles[:1].cos().expand(7, -1), rtol=1e-6, atol=1e-6)


def test_microstates_without_the_cell_or_with_another_are_refused_by_name():
    batch = particles_in(np.diag([4.0, 5.0]))
    coordinates = made_for(batch, "none")
    with pytest.raises(ModelError, match=r"have no cell, and this .* is periodic along x, y"):
        coordinates(MicrostateBatch(batch.points, batch.weights))
    with pytest.raises(ModelError, match=r"along x; this model .* is periodic along x, y"):
        coordinates(MicrostateBatch(batch.points, batch.weights, cell=batch.cell * torch.tensor([[1.0], [0.0]])))
    open_ = Coordinates(Features(2), "none")
    with pytest.raises(ModelError, match="a periodic cell, and this model was trained without one"):
        open_.check_cell(batch)
    with pytest.raises(ModelError, match="reads features as they are, and has no periodic cell"):
        Coordinates(Features(2), "none", identity=True, periodic=(True, True))
