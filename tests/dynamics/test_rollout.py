"""Rollouts: numbers, seeds, and what becomes of paths that go wrong."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dynamics.walks import measured

from setclosure.dynamics import rollout as module
from setclosure.dynamics.euler_maruyama import EulerMaruyamaConfig
from setclosure.dynamics.integrators import euler, euler_maruyama, rk4
from setclosure.dynamics.ode import ODEConfig
from setclosure.dynamics.rollout import RolloutStatus, Scheme, rollout
from setclosure.errors import ConfigurationError, ModelError


class Formula(torch.nn.Module):
    """A drift per frame given as a function; with untouched statistics its units are those of z."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, y, u):
        return self.function(y, u) if u.shape[-1] else self.function(y)


def ode(function, dim=1, context_dim=0):
    dynamics = ODEConfig().build(dim, 1, context_dim)
    dynamics.drift_network = Formula(function)
    return dynamics


def noisy(diffusion="diagonal", dim=3, drift=None):
    torch.manual_seed(0)
    small = {"drift": {"hidden": [16]}}
    if diffusion == "none":
        config = ODEConfig.parse(small)
    else:
        config = EulerMaruyamaConfig.parse(small | {"diffusion": diffusion})
    dynamics = measured(config.build(dim, 1, time_step=0.2), 10 + torch.randn(20, 50, dim).cumsum(1))
    if drift is not None:
        dynamics.drift_network = Formula(drift)
    return dynamics


def frames(n):
    """Times between n + 1 frames that are one time step apart."""
    return torch.ones(n)


def test_euler_and_rk4_follow_the_formula_in_physical_units():
    z = 3 + torch.rand(5, 40, 2, generator=torch.Generator().manual_seed(0))
    dynamics = measured(ODEConfig().build(2, 1, time_step=0.1), z)
    dynamics.drift_network = Formula(lambda y: -(y * dynamics.scale + dynamics.shift) * 0.1 / dynamics.rate_scale)
    torch.testing.assert_close(dynamics.drift(z), -z, rtol=1e-5, atol=1e-5)  # dz/dt = −z
    z0 = torch.tensor([[4.0, 3.0], [3.2, 3.9]])
    t = torch.arange(11).reshape(1, -1, 1)
    out = rollout(dynamics, z0, frames(10)).states[:, 0]
    torch.testing.assert_close(out, z0[:, None] * 0.9**t, rtol=1e-5, atol=1e-5)
    assert torch.equal(out[:, 0], z0)
    out = rollout(dynamics, z0, frames(10), scheme=Scheme("rk4", 2)).states[:, 0]
    torch.testing.assert_close(out, z0[:, None] * torch.exp(-0.1 * t), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bad", [lambda y: y.square(), lambda y: torch.where(y > 40, torch.nan, y.square())])
def test_a_path_that_blows_up_is_held_and_flagged_and_its_mates_are_not(bad):
    y, step = torch.tensor(1.0), 0
    while torch.isfinite(y):
        last, step = y, step + 1
        y = y + bad(y)
    out = rollout(ode(bad), torch.tensor([[0.0], [1.0]]), frames(20))
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
    out = rollout(dynamics, torch.ones(1, 1), frames(30))
    assert out.status.item() == RolloutStatus.DIVERGED
    assert out.step.item() == 7  # the first beyond 1 + 2e6
    assert out.states[0, 0, -1, 0] == 1e6


@pytest.mark.parametrize(("margin", "step"), [(0.0, 4), (0.5, 5), (2.0, -1)])
def test_a_path_that_leaves_the_range_is_flagged_and_goes_on(margin, step):
    dynamics = ode(torch.ones_like)
    dynamics.low.fill_(0.0)
    dynamics.high.fill_(3.0)
    out = rollout(dynamics, torch.zeros(1, 1), frames(8), scheme=Scheme(range_margin=margin))
    assert out.step.item() == step
    assert out.status.item() == (RolloutStatus.OK if step < 0 else RolloutStatus.OUTSIDE)
    assert out.states.flatten().tolist() == list(range(9))


def test_a_start_outside_is_flagged_at_step_zero():
    dynamics = noisy("none")
    out = rollout(dynamics, dynamics.high[None] + 1000, frames(3))
    assert (out.status.item(), out.step.item()) == (RolloutStatus.OUTSIDE, 0)


@pytest.mark.parametrize("diffusion", ["constant", "diagonal", "full"])
def test_noise_belongs_to_the_seed_and_the_place(diffusion, monkeypatch):
    dynamics = noisy(diffusion)
    z0 = dynamics.shift.expand(5, 3)

    def states(z0, seed=7):
        return rollout(dynamics, z0, frames(12), samples=3, generator=torch.Generator().manual_seed(seed)).states

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
    out = rollout(dynamics, z0, frames(2), samples=5)
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
    out = rollout(
        dynamics, dynamics.shift[None], frames(25), samples=n, scheme=Scheme(substeps=substeps), generator=stream
    )
    variance = ((out.states[0, :, -1] - dynamics.shift) / dynamics.rate_scale).var(0)
    expected = torch.full((3,), h / (1 - (1 - theta * h) ** 2))
    torch.testing.assert_close(variance, expected, rtol=5 * math.sqrt(2 / n), atol=0)


def test_full_noise_has_the_covariance_of_its_factor():
    dynamics = noisy("full", drift=torch.zeros_like)
    torch.nn.init.normal_(dynamics.diffusion_network.network[-1].bias)  # the last weights are zero: Σ is constant
    sigma = dynamics.diffusion(dynamics.shift).detach()
    out = rollout(dynamics, dynamics.shift[None], frames(1), samples=20000, generator=torch.Generator().manual_seed(0))
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
    options = {"drift": {"name": name, "hidden": [8], "activation": activation}}
    if diffusion == "none":
        config = ODEConfig.parse(options)
    else:
        config = EulerMaruyamaConfig.parse(options | {"diffusion": diffusion})
    dynamics = config.build(2, 1)
    for parameter in dynamics.parameters():
        torch.nn.init.normal_(parameter, std=size)
    measured(dynamics, torch.randn(5, 20, 2))
    scheme = Scheme("euler" if diffusion != "none" else "rk4")
    out = rollout(dynamics, torch.randn(6, 2), frames(15), scheme=scheme)
    assert torch.isfinite(out.states).all()
    assert torch.equal(out.step == -1, out.status == RolloutStatus.OK)
    slack = 0.1001 * (dynamics.high - dynamics.low)
    inside = ((out.states >= dynamics.low - slack) & (out.states <= dynamics.high + slack)).all(-1).all(-1)
    assert not (~inside & (out.status == RolloutStatus.OK)).any()


def test_the_result_may_be_used_in_training_and_changed():
    out = rollout(noisy(), torch.full((2, 3), 10.0), frames(3))
    weight = torch.ones(3, requires_grad=True)
    (out.states * weight).sum().backward()
    out.states.add_(1.0)
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"scheme": Scheme("rk4")}, ConfigurationError, "use 'euler'"),
        ({"dt": torch.ones(0)}, ConfigurationError, r"times between frames are \[\]"),
        ({"dt": torch.tensor([1.0, 0.0])}, ConfigurationError, r"times between frames are \[1\.0, 0\.0\]"),
        ({"dt": torch.tensor([1.0, torch.nan])}, ConfigurationError, "expected one or more positive numbers"),
        ({"dt": torch.ones(2, 2)}, ConfigurationError, "times between frames"),
        ({"samples": 0}, ConfigurationError, "samples is 0"),
        ({"z0": torch.zeros(3)}, ModelError, r"\(B ≥ 1, 3\)"),
        ({"z0": torch.zeros(0, 3)}, ModelError, r"\(B ≥ 1, 3\)"),
        ({"z0": torch.tensor([[0.0, 0, 0], [0, torch.inf, 0]])}, ModelError, r"\[1\] are not finite"),
        ({"context": torch.zeros(2, 3, 1)}, ModelError, r"shape \(2, 3, 1\); expected finite numbers \(2, 3, 0\)"),
    ],
)
def test_what_cannot_be_is_refused(options, error, words):
    arguments = {"z0": torch.zeros(2, 3), "dt": frames(2)} | options
    with pytest.raises(error, match=words):
        rollout(noisy(), **arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"integrator": "heun"}, "integrator is 'heun'; expected 'euler' or 'rk4'"),
        ({"substeps": 0}, "substeps is 0"),
        ({"range_margin": float("nan")}, "range_margin"),
        ({"range_margin": -0.1}, "range_margin"),
    ],
)
def test_a_scheme_that_cannot_be_is_refused(options, words):
    with pytest.raises(ConfigurationError, match=words):
        Scheme(**options)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_context_that_is_not_finite_is_refused(bad):
    dynamics = ode(lambda y, u: u, context_dim=1)
    with pytest.raises(ModelError, match="the context"):
        rollout(dynamics, torch.zeros(2, 1), frames(2), context=torch.full((2, 3, 1), bad))


def test_an_ode_has_one_sample():
    with pytest.raises(ConfigurationError, match="samples=1"):
        rollout(noisy("none"), torch.zeros(2, 3), frames(2), samples=4)


UNEQUAL = torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0])


@pytest.mark.parametrize(("name", "step"), [("euler", euler), ("rk4", rk4)])
@pytest.mark.parametrize("substeps", [1, 3])
def test_frames_at_unequal_times_are_steps_of_these_sizes(name, step, substeps):
    dynamics = noisy("none")
    z0 = dynamics.shift + torch.randn(4, 3)
    out = rollout(dynamics, z0, UNEQUAL, scheme=Scheme(name, substeps))
    z, expected = z0, [z0]
    for dt in UNEQUAL.tolist():
        for _ in range(substeps):
            z = step(dynamics.drift, z, dt * 0.2 / substeps)  # in units of time, and the time step is 0.2
        expected.append(z)
    torch.testing.assert_close(out.states[:, 0], torch.stack(expected, dim=1), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(out.states, rollout(dynamics, z0, frames(5), scheme=Scheme(name, substeps)).states)


@pytest.mark.parametrize("diffusion", ["diagonal", "full"])
def test_noise_at_unequal_times_grows_with_their_roots(diffusion, monkeypatch):
    dynamics = noisy(diffusion)
    z0 = dynamics.shift + torch.randn(4, 3)
    noise = torch.randn(10, 4, 3)
    monkeypatch.setattr(module, "_noise", lambda seeds, steps, like: noise)
    out = rollout(dynamics, z0, UNEQUAL, scheme=Scheme(substeps=2))
    z = z0
    for k, dt in enumerate(UNEQUAL.repeat_interleave(2).tolist()):
        z = euler_maruyama(dynamics.drift, dynamics.diffusion, z, dt * 0.2 / 2, noise[k]).detach()
        if k % 2:
            torch.testing.assert_close(out.states[:, 0, k // 2 + 1], z, rtol=1e-4, atol=1e-4)


def test_the_scheme_of_a_configuration_is_that_of_its_rollouts():
    config = ODEConfig.parse({"integrator": "rk4", "substeps": 3, "drift": {"hidden": [8]}})
    dynamics = measured(config.build(2, 1), torch.randn(5, 20, 2).cumsum(1))
    z0 = torch.randn(3, 2)
    own = dynamics.simulate(z0, torch.zeros(3, 5, 0), frames(4))
    assert torch.equal(own.states, rollout(dynamics, z0, frames(4), scheme=Scheme("rk4", 3)).states)
    assert not torch.equal(own.states, rollout(dynamics, z0, frames(4)).states)
    noisy_config = EulerMaruyamaConfig.parse({"substeps": 4})
    assert noisy_config.build(2, 1).scheme == Scheme("euler", 4)


def test_the_context_of_a_frame_holds_until_the_next():
    dynamics = ode(lambda y, u: u, context_dim=1)  # dz/dt = u
    schedule = torch.tensor([[1.0, -2.0, 4.0, 100.0], [0.0, 0.0, 1.0, 100.0]])[..., None]
    out = rollout(dynamics, torch.zeros(2, 1), torch.tensor([1.0, 0.5, 2.0]), context=schedule)
    assert out.states[:, 0, :, 0].tolist() == [[0.0, 1.0, 0.0, 8.0], [0.0, 0.0, 0.0, 2.0]]
