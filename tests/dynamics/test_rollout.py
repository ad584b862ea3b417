"""Rollouts: numbers, seeds, and what becomes of paths that go wrong."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from setclosure.dynamics import rollout as module
from setclosure.dynamics.macro_dynamics import DiffusionConfig, DriftConfig, MacroDynamics
from setclosure.dynamics.rollout import RolloutStatus, rollout
from setclosure.errors import ConfigurationError, ModelError


class Formula(torch.nn.Module):
    """A drift per frame given as a function; with untouched statistics its units are those of z."""

    def __init__(self, function):
        super().__init__()
        self.forward = function


def ode(function, dim=1):
    dynamics = MacroDynamics(dim, 1)
    dynamics.drift_network = Formula(function)
    return dynamics


def noisy(diffusion="diagonal", dim=3, drift=None):
    torch.manual_seed(0)
    dynamics = MacroDynamics(dim, 1, DriftConfig(hidden=(16,)), DiffusionConfig(name=diffusion), time_step=0.2)
    dynamics.set_statistics(10 + torch.randn(20, 50, dim).cumsum(1))
    if drift is not None:
        dynamics.drift_network = Formula(drift)
    return dynamics


def test_euler_and_rk4_follow_the_formula_in_physical_units():
    z = 3 + torch.rand(5, 40, 2, generator=torch.Generator().manual_seed(0))
    dynamics = MacroDynamics(2, 1, time_step=0.1).set_statistics(z)
    dynamics.drift_network = Formula(lambda y: -(y * dynamics.scale + dynamics.shift) * 0.1 / dynamics.rate_scale)
    torch.testing.assert_close(dynamics.drift(z), -z, rtol=1e-5, atol=1e-5)  # dz/dt = −z
    z0 = torch.tensor([[4.0, 3.0], [3.2, 3.9]])
    t = torch.arange(11).reshape(1, -1, 1)
    out = rollout(dynamics, z0, 10).states[:, 0]
    torch.testing.assert_close(out, z0[:, None] * 0.9**t, rtol=1e-5, atol=1e-5)
    assert torch.equal(out[:, 0], z0)
    out = rollout(dynamics, z0, 10, integrator="rk4", substeps=2).states[:, 0]
    torch.testing.assert_close(out, z0[:, None] * torch.exp(-0.1 * t), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bad", [lambda y: y.square(), lambda y: torch.where(y > 40, torch.nan, y.square())])
def test_a_path_that_blows_up_is_held_and_flagged_and_its_mates_are_not(bad):
    y, step = torch.tensor(1.0), 0
    while torch.isfinite(y):
        last, step = y, step + 1
        y = y + bad(y)
    out = rollout(ode(bad), torch.tensor([[0.0], [1.0]]), 20)
    assert torch.isfinite(out.states).all()
    assert out.status.tolist() == [[RolloutStatus.OK], [RolloutStatus.DIVERGED]]
    assert out.step.tolist() == [[-1], [step]]
    assert (out.states[1, 0, step - 1 :] == last).all()
    assert (out.states[1, 0, : step - 1] < last).all()
    assert out.message(1).startswith(f"path 1, sample 0: diverged at step {step};")
    assert out.message(0).startswith("path 0, sample 0: ok;")


def test_far_beyond_the_data_is_diverged_though_finite():
    dynamics = ode(lambda y: 9 * y)  # ten times as far in each frame
    dynamics.low.fill_(-1.0)
    dynamics.high.fill_(1.0)
    out = rollout(dynamics, torch.ones(1, 1), 30)
    assert out.status.item() == RolloutStatus.DIVERGED
    assert out.step.item() == 7  # the first beyond 1 + 2e6
    assert out.states[0, 0, -1, 0] == 1e6


@pytest.mark.parametrize(("margin", "step"), [(0.0, 4), (0.5, 5), (2.0, -1)])
def test_a_path_that_leaves_the_range_is_flagged_and_goes_on(margin, step):
    dynamics = ode(torch.ones_like)
    dynamics.low.fill_(0.0)
    dynamics.high.fill_(3.0)
    out = rollout(dynamics, torch.zeros(1, 1), 8, range_margin=margin)
    assert out.step.item() == step
    assert out.status.item() == (RolloutStatus.OK if step < 0 else RolloutStatus.OUTSIDE)
    assert out.states.flatten().tolist() == list(range(9))


def test_a_start_outside_is_flagged_at_step_zero():
    dynamics = noisy("none")
    out = rollout(dynamics, dynamics.high[None] + 1000, 3)
    assert (out.status.item(), out.step.item()) == (RolloutStatus.OUTSIDE, 0)


@pytest.mark.parametrize("diffusion", ["constant", "diagonal", "full"])
def test_noise_belongs_to_the_seed_and_the_place(diffusion, monkeypatch):
    dynamics = noisy(diffusion)
    z0 = dynamics.shift.expand(5, 3)

    def states(z0, seed=7):
        return rollout(dynamics, z0, 12, samples=3, generator=torch.Generator().manual_seed(seed)).states

    reference = states(z0)
    assert torch.equal(states(z0), reference)
    assert not torch.equal(states(z0, seed=8), reference)
    assert len(reference[..., -1, 0].unique()) == 15  # all paths differ
    torch.testing.assert_close(states(z0[:2]), reference[:2])  # later mates do not matter
    monkeypatch.setattr(module, "_CHUNK_PATHS", 4)
    torch.testing.assert_close(states(z0), reference)


def test_samples_are_paths_of_one_start():
    dynamics = noisy()
    z0 = dynamics.shift + torch.arange(4.0)[:, None]
    out = rollout(dynamics, z0, 2, samples=5)
    assert out.states.shape == (4, 5, 3, 3)
    assert out.observables.shape == (4, 5, 3, 1)
    assert out.status.shape == out.step.shape == (4, 5)
    assert torch.equal(out.states[:, :, 0], z0[:, None].expand(4, 5, 3))


@pytest.mark.parametrize("substeps", [1, 4])
def test_the_variance_of_ornstein_uhlenbeck(substeps):
    """Stationary variance of the Euler–Maruyama chain: h / (1 − (1 − θh)²) in units of the noise per frame."""
    theta, h, n = 0.5, 1 / substeps, 4000
    dynamics = noisy("constant", drift=lambda y: -theta * y * dynamics.scale / dynamics.rate_scale)
    stream = torch.Generator().manual_seed(1)
    out = rollout(dynamics, dynamics.shift[None], 25, samples=n, substeps=substeps, generator=stream)
    variance = ((out.states[0, :, -1] - dynamics.shift) / dynamics.rate_scale).var(0)
    expected = torch.full((3,), h / (1 - (1 - theta * h) ** 2))
    torch.testing.assert_close(variance, expected, rtol=5 * math.sqrt(2 / n), atol=0)


def test_full_noise_has_the_covariance_of_its_factor():
    dynamics = noisy("full", drift=torch.zeros_like)
    torch.nn.init.normal_(dynamics.diffusion_network.network[-1].bias)  # the last weights are zero: Σ is constant
    sigma = dynamics.diffusion(dynamics.shift).detach()
    out = rollout(dynamics, dynamics.shift[None], 1, samples=20000, generator=torch.Generator().manual_seed(0))
    covariance = torch.cov((out.states[0, :, 1] - dynamics.shift).T)
    expected = 0.2 * sigma @ sigma.T
    size = expected.diagonal().sqrt()
    assert ((covariance - expected) / torch.outer(size, size)).abs().max() < 5 * math.sqrt(2 / 20000)


@settings(max_examples=30, deadline=None)
@given(
    size=st.floats(0.01, 1e20),
    activation=st.sampled_from(["tanh", "silu", "gelu", "softplus"]),
    name=st.sampled_from(["mlp", "onsager"]),
    diffusion=st.sampled_from(["none", "diagonal", "full"]),
)
def test_whatever_the_weights_states_are_finite_and_statuses_true(size, activation, name, diffusion):
    torch.manual_seed(0)
    dynamics = MacroDynamics(
        2, 1, DriftConfig(name=name, hidden=(8,), activation=activation), DiffusionConfig(name=diffusion)
    )
    for parameter in dynamics.parameters():
        torch.nn.init.normal_(parameter, std=size)
    dynamics.set_statistics(torch.randn(5, 20, 2))
    out = rollout(dynamics, torch.randn(6, 2), 15, integrator="euler" if diffusion != "none" else "rk4")
    assert torch.isfinite(out.states).all()
    assert torch.equal(out.step == -1, out.status == RolloutStatus.OK)
    slack = 0.1001 * (dynamics.high - dynamics.low)
    inside = ((out.states >= dynamics.low - slack) & (out.states <= dynamics.high + slack)).all(-1).all(-1)
    assert not (~inside & (out.status == RolloutStatus.OK)).any()


def test_the_result_may_be_used_in_training_and_changed():
    out = rollout(noisy(), torch.full((2, 3), 10.0), 3)
    weight = torch.ones(3, requires_grad=True)
    (out.states * weight).sum().backward()
    out.states.add_(1.0)
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"integrator": "rk4"}, ConfigurationError, "use 'euler'"),
        ({"integrator": "heun"}, ConfigurationError, "'heun'"),
        ({"steps": 0}, ConfigurationError, "steps is 0"),
        ({"substeps": 0}, ConfigurationError, "substeps is 0"),
        ({"samples": 0}, ConfigurationError, "samples is 0"),
        ({"range_margin": float("nan")}, ConfigurationError, "range_margin"),
        ({"z0": torch.zeros(3)}, ModelError, r"\(B ≥ 1, 3\)"),
        ({"z0": torch.tensor([[0.0, 0, 0], [0, torch.inf, 0]])}, ModelError, r"\[1\] are not finite"),
    ],
)
def test_what_cannot_be_is_refused(options, error, words):
    arguments = {"z0": torch.zeros(2, 3), "steps": 2} | options
    with pytest.raises(error, match=words):
        rollout(noisy(), **arguments)


def test_an_ode_has_one_sample():
    with pytest.raises(ConfigurationError, match="samples=1"):
        rollout(noisy("none"), torch.zeros(2, 3), 2, samples=4)
