"""The error of validation rollouts, against predictions of each trajectory alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.fit.known import macrostates

from setclosure.dynamics.euler_maruyama import EulerMaruyamaConfig
from setclosure.dynamics.ode import ODEConfig
from setclosure.fit import rollout_error as module
from setclosure.fit.rollout_error import rollout_error
from setclosure.seeds import seeded

TIMES = [np.array([0.0, 1, 2, 10, 11]), np.arange(9.0), np.arange(4.0), np.array([2.0]), np.array([0.0, 1, 1.5, 4])]


def known(views=1, seed=0):
    rng = np.random.default_rng(seed)
    z = [rng.normal(size=(len(t), 3)).cumsum(axis=0) * [1.0, 50.0, 0.1] for t in TIMES]
    return macrostates(z, TIMES, [rng.normal(size=(len(t), 1)) for t in TIMES], views)


def made(config, of, n_observables=2):
    with seeded(0, "weights"):
        dynamics = config.build(of.z.shape[1], n_observables, of.context.shape[1])
    dynamics.set_statistics(of.z, of.context, *of.pairs)
    return dynamics.eval()


def test_it_is_the_root_mean_square_over_the_frames_of_each_trajectory_predicted_over_its_own_times():
    data = known()
    dynamics = made(ODEConfig(drift={"hidden": [8]}), data)
    errors = []
    for m, times in enumerate(TIMES):
        if len(times) == 1:
            continue
        rows = slice(int(data.first_rows[m]), int(data.first_rows[m]) + len(times))
        z, u = data.z[rows], data.context[rows]
        path = dynamics.simulate(z[:1], u[None], torch.as_tensor(np.diff(times)).float()).observables[0, 0]
        errors.append((((path - z[:, :2]) / dynamics.scale[:2])[1:] ** 2).mean().item())
    assert rollout_error(dynamics, data)[0] == pytest.approx(np.mean(errors) ** 0.5, rel=1e-5)


def test_only_the_first_view_is_predicted_and_the_same_number_comes_again():
    dynamics = made(ODEConfig(drift={"hidden": [8]}), known())
    assert rollout_error(dynamics, known(views=3)) == rollout_error(dynamics, known())


def test_trajectories_that_begin_with_the_same_times_are_predicted_together(monkeypatch):
    data = macrostates([np.random.default_rng(T).normal(size=(T, 1)) for T in (5, 9, 3, 9, 2)])
    dynamics = made(ODEConfig(drift={"hidden": [8]}), data, 1)
    calls = []
    simulate = dynamics.simulate
    monkeypatch.setattr(
        dynamics, "simulate", lambda state, *rest, **k: calls.append(len(state)) or simulate(state, *rest, **k)
    )
    rollout_error(dynamics, data)
    assert calls == [5]


def test_of_many_long_trajectories_some_frames_of_some_are_predicted(monkeypatch):
    data = macrostates([np.full((9, 1), m % 2) + np.arange(9)[:, None] for m in range(20)])
    dynamics = made(ODEConfig(drift={"hidden": [8]}), data, 1)
    whole = rollout_error(dynamics, data)[0]
    monkeypatch.setattr(module, "MOST_TRAJECTORIES", 4)
    monkeypatch.setattr(module, "MOST_FRAMES", 3)
    groups = list(module._together(data))
    assert sorted(groups[0]) == [0, 6, 13, 19]
    assert 0 < rollout_error(dynamics, data)[0] != whole


def test_paths_that_diverge_have_a_finite_error():
    data = known()
    dynamics = made(ODEConfig(drift={"hidden": []}), data)
    torch.nn.init.constant_(dynamics.drift_network.network[0].weight, 1e30)
    assert np.isfinite(rollout_error(dynamics, data)).all()
    assert rollout_error(dynamics, macrostates([np.zeros((1, 3))], context=[np.zeros((1, 1))])) == (0.0, 0.0)


def brownian(M=200, T=12, seed=0):
    return macrostates(list(np.random.default_rng(seed).normal(size=(M, T, 1)).cumsum(axis=1)))


def test_of_noise_it_is_the_fair_crps_which_is_least_for_the_true_noise():
    """The expected score of N(0, s²) for truth of N(0, σ²) is known; it is averaged over the frames of a walk."""
    data = brownian()
    dynamics = made(EulerMaruyamaConfig.parse({"diffusion": "constant", "drift": {"hidden": []}}), data, 1)
    for parameter in dynamics.drift_network.parameters():
        torch.nn.init.zeros_(parameter)
    scores = {}
    for noise in (0.3, 1.0, 3.0):
        with torch.no_grad():
            factor = noise / float(dynamics.rate_scale)
            dynamics.diffusion_network.raw.fill_(np.log(np.expm1(factor - 1e-3)))
        scores[noise] = rollout_error(dynamics, data)[0]
        expected = np.mean(np.sqrt(np.arange(1, 12))) * np.sqrt(2 / np.pi) * (np.sqrt(1 + noise**2) - noise / 2**0.5)
        assert scores[noise] * float(dynamics.scale) == pytest.approx(expected, rel=0.1)
    assert scores[1.0] < min(scores[0.3], scores[3.0])
    assert rollout_error(dynamics, data)[0] == scores[3.0]  # the same noise
