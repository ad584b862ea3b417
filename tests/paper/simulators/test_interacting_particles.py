from __future__ import annotations

import numpy as np
import pytest

from setclosure.errors import ConfigurationError
from setclosure.observables.registered import get_observable
from setclosure.paper.simulators.interacting_particles import InteractingParticles
from setclosure.seeds import numpy_stream


def exact_forces(points):
    difference = points[:, None] - points[None]
    r = np.sqrt((difference**2).sum(-1))
    np.fill_diagonal(r, 1.0)
    return (((np.tanh(4 * (1 - r)) + 0.1) / r)[..., None] * difference).sum(1) / len(points)


def exact_frames(start, time_step, stride, n_frames):
    """Forward Euler in double precision."""
    x = start.astype(np.float64)
    frames = [x]
    for _ in range(n_frames - 1):
        for _ in range(stride):
            x = x + time_step * exact_forces(x)
        frames.append(x)
    return np.array(frames)


def exact_energy(points):
    i, j = np.triu_indices(len(points), 1)
    u = 1 - np.sqrt(((points[i] - points[j]) ** 2).sum(-1))
    return np.mean((np.logaddexp(4 * u, -4 * u) - np.log(2)) / 4 + 0.1 * u)


def start_of(system, seed=0):
    return system.simulate(numpy_stream(seed, "t"))


def test_the_curve_is_that_of_double_precision_to_a_millionth():
    system = InteractingParticles(n_particles=60, n_frames=61)
    trajectory = start_of(system)
    exact = exact_frames(trajectory.points[0], system.time_step, system.frame_stride, system.n_frames)
    energy = np.array([exact_energy(frame) for frame in exact])
    assert np.abs(trajectory.observables[:, 0] / energy - 1).max() < 1e-6


@pytest.mark.parametrize("preset", ["released", "paper-text"])
def test_energy_never_rises_and_the_centre_of_mass_stays(preset):
    trajectory = start_of(InteractingParticles(preset=preset, n_particles=100, n_frames=151))
    assert np.diff(trajectory.observables[:, 0]).max() < 1e-7
    centre = trajectory.points.astype(np.float64).mean(axis=1)
    assert np.abs(centre - centre[0]).max() < 1e-6


def test_euler_has_order_one():
    def end(time_step):
        system = InteractingParticles(
            n_particles=30, time_step=time_step, frame_stride=round(0.4 / time_step), n_frames=2
        )
        return start_of(system).points

    fine = exact_frames(end(0.04)[0], 0.0002, 2000, 2)[-1]
    errors = [np.abs(end(h)[-1] - fine).max() for h in (0.04, 0.02, 0.01)]
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert orders == pytest.approx([1, 1], abs=0.15)


@pytest.mark.parametrize("n_components", [1, 3])
def test_the_energy_settles_where_it_should(n_components):
    # long steps change nothing about the steady state
    system = InteractingParticles(n_components=n_components, time_step=0.05, frame_stride=400, n_frames=4)
    assert start_of(system).observables[-1, 0] == pytest.approx(0.2283, abs=1e-4)


def test_starts_have_the_stated_statistics():
    rng = np.random.default_rng(0)
    one = InteractingParticles(n_components=1, n_particles=400)
    starts = np.stack([one.initial(rng) for _ in range(400)]).astype(np.float64)
    assert starts.std(axis=1).mean() == pytest.approx(0.1, rel=0.01)
    radius = np.linalg.norm(starts.mean(axis=1), axis=1)
    assert (radius**2).mean() == pytest.approx(0.5, abs=0.06)  # uniform in the unit disk
    wide = InteractingParticles(n_components=1, n_particles=400, preset="paper-text")
    sd = np.array([wide.initial(rng).std(axis=0).mean() for _ in range(400)])
    assert 0.045 < sd.min() < 0.07
    assert 0.28 < sd.max() < 0.33
    assert sd.mean() == pytest.approx(0.175, abs=0.015)


def test_other_parameters_name_another_observable():
    system = InteractingParticles(a=2.0, b=0.0, n_particles=20, n_frames=3)
    trajectory = start_of(system)
    observable = get_observable(system.layout.observable)
    assert np.array_equal(observable(trajectory.points), trajectory.observables)
    assert not np.allclose(get_observable("pair_energy")(trajectory.points), trajectory.observables)


def test_mistakes_in_the_configuration_are_named():
    with pytest.raises(ConfigurationError, match=r"n_particle.*did you mean 'n_particles'"):
        InteractingParticles.parse({"n_particle": 10})
    with pytest.raises(ConfigurationError, match="time_step"):
        InteractingParticles.parse({"time_step": -1})
