"""The context, what is known from outside, enters drift and diffusion."""

import pytest
import torch
from tests.dynamics.walks import measured

from setclosure.dynamics.euler_maruyama import EulerMaruyamaConfig
from setclosure.dynamics.ode import ODEConfig
from setclosure.dynamics.rollout import rollout


def relaxing(rate, T=21, M=48, dt=0.1):
    """Paths of dz/dt = −rate(u) z, each with its own constant u in [0, 4], by Euler steps as the loss has them."""
    stream = torch.Generator().manual_seed(0)
    u = 4 * torch.rand(M, 1, generator=stream)
    z = [1 + 2 * torch.rand(M, 1, generator=stream)]
    for _ in range(T - 1):
        z.append(z[-1] - dt * rate(u) * z[-1])
    return torch.stack(z, dim=1), u[:, None].expand(M, T, 1)


def trained(dynamics, z, u, steps, learning_rate=1e-2):
    measured(dynamics, z, u)
    pairs = torch.stack([z[:, :-1], z[:, 1:]], dim=2).flatten(0, 1)
    known = torch.stack([u[:, :-1], u[:, 1:]], dim=2).flatten(0, 1)
    optimiser = torch.optim.Adam(dynamics.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        dynamics.loss(pairs, known, torch.ones(len(pairs), 1)).mean().backward()
        optimiser.step()
        schedule.step()
    return dynamics


def rate(u):
    return 0.5 + 0.4 * u


def test_a_rate_that_depends_on_the_context_is_learned_and_predicted_at_a_constant_and_under_a_schedule():
    torch.manual_seed(0)
    config = ODEConfig.parse({"drift": {"hidden": [32, 32]}})
    dynamics = trained(config.build(1, 1, context_dim=1, time_step=0.1), *relaxing(rate), steps=600)
    z = torch.linspace(1.0, 2.5, 7)[:, None]
    for constant in (0.5, 3.5):
        u = torch.full((7, 1), constant)
        torch.testing.assert_close(dynamics.drift(z, u), -rate(u) * z, rtol=0.05, atol=0.05)
    H = 15
    schedule = torch.where(torch.arange(H + 1) < 5, 0.3, 3.7)
    for known in (torch.full((H + 1,), 1.0), torch.full((H + 1,), 3.0), schedule):
        path = rollout(dynamics, z, torch.ones(H), context=known.expand(7, H + 1)[..., None]).states[:, 0]
        decay = torch.cat([torch.ones(1), (1 - 0.1 * rate(known[:-1])).cumprod(0)])
        torch.testing.assert_close(path, z[:, None] * decay[:, None], rtol=0.03, atol=0.01)


@pytest.mark.parametrize("diffusion", ["diagonal", "full"])
def test_noise_that_depends_on_the_context_is_learned(diffusion):
    """dz = σ(u) dW with σ = 1 for u = 0 and 3 for u = 1."""
    torch.manual_seed(0)
    u = (torch.arange(200) % 2).float()[:, None, None].expand(200, 20, 1)
    z = (torch.randn(200, 20, 2) * (1 + 2 * u)).cumsum(1)
    config = EulerMaruyamaConfig.parse({"drift": {"hidden": [4]}, "diffusion": {"name": diffusion, "hidden": [16]}})
    dynamics = trained(config.build(2, 1, context_dim=1), z, u, steps=300)
    with torch.no_grad():
        for value, expected in ((0.0, 1.0), (1.0, 3.0)):
            sigma = dynamics.diffusion(torch.zeros(1, 2), torch.full((1, 1), value))
            size = sigma[0] if diffusion == "diagonal" else (sigma[0] @ sigma[0].T).diagonal().sqrt()
            torch.testing.assert_close(size, torch.full((2,), expected), rtol=0.1, atol=0)


@pytest.mark.parametrize("name", ["ode", "euler_maruyama"])
@pytest.mark.parametrize("drift", ["mlp", "onsager"])
def test_every_drift_sees_the_context_in_units_of_the_data(name, drift):
    """A context in other units, with an offset, gives the same dynamics."""
    config = {"ode": ODEConfig, "euler_maruyama": EulerMaruyamaConfig}[name].parse({"drift": drift})
    torch.manual_seed(0)
    z, u = torch.randn(10, 20, 2).cumsum(1), torch.rand(10, 20, 1)
    first = measured(config.build(2, 1, context_dim=1), z, u)
    second = config.build(2, 1, context_dim=1)
    second.load_state_dict(first.state_dict())
    measured(second, z, 1000 * u + 300)
    now, known = z[:, 3], u[:, 3]
    torch.testing.assert_close(second.drift(now, 1000 * known + 300), first.drift(now, known), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(first.drift(now, known), first.drift(now, known + 0.5), rtol=1e-2)


def test_a_context_that_never_varies_divides_by_nothing():
    z = torch.randn(5, 10, 2).cumsum(1)
    dynamics = measured(ODEConfig().build(2, 1, context_dim=2), z, torch.tensor([0.0, 7.5]).expand(5, 10, 2))
    assert torch.isfinite(dynamics.drift(z[:, 0], torch.tensor([0.0, 7.5]).expand(5, 2))).all()
    assert (dynamics.standard_context(torch.tensor([0.0, 7.5])).abs() < 1e-5).all()
