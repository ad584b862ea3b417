"""The losses of the dynamics against closed forms and SciPy, also where frames are unequal times apart."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from tests.dynamics.walks import measured, one_step

from setclosure.dynamics.euler_maruyama import EulerMaruyamaConfig
from setclosure.dynamics.ode import ODEConfig


def pairs(D=3, n=200):
    stream = torch.Generator().manual_seed(2)
    z = torch.randn(n, D, generator=stream, dtype=torch.float64) * torch.tensor([1.0, 30.0, 1e-3])[:D] + 4
    return z, z + 0.1 * torch.randn(n, D, generator=stream, dtype=torch.float64) * (z - 4).std(0)


def unequal(n=200):
    return torch.logspace(-1, 1, n, dtype=torch.float64)


def make(D, diffusion, **options):
    torch.manual_seed(0)
    config = ODEConfig() if diffusion == "none" else EulerMaruyamaConfig.parse({"diffusion": diffusion})
    dynamics = config.build(D, 1, **options).double()
    for parameter in dynamics.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return measured(dynamics, torch.stack(pairs(D), dim=1))


@pytest.mark.parametrize("diffusion", ["constant", "diagonal", "full"])
@pytest.mark.parametrize("dt", [torch.ones(200, dtype=torch.float64), unequal()])
def test_it_is_the_gaussian_of_equation_5(diffusion, dt):
    dynamics = make(3, diffusion, time_step=0.37)
    now, after = pairs()
    time = 0.37 * dt.numpy()
    with torch.no_grad():
        loss = one_step(dynamics, now, after, dt).numpy()
        mean = now.numpy() + time[:, None] * dynamics.drift(now).numpy()
        sigma = dynamics.diffusion(now)
    sigma = (torch.diag_embed(sigma) if sigma.ndim == 2 else sigma).numpy()
    for b in range(len(now)):
        unit = np.diag([1.0, 1 / 30, 1e3])  # SciPy refuses badly scaled covariances; the density of unit·z is exact
        covariance = unit @ (time[b] * sigma[b] @ sigma[b].T) @ unit
        expected = stats.multivariate_normal.logpdf(unit @ after[b].numpy(), unit @ mean[b], covariance)
        assert -loss[b] == pytest.approx(expected + np.log(np.linalg.det(unit)), rel=1e-9, abs=1e-8)


def test_for_ornstein_uhlenbeck_the_minimum_is_the_closed_form():
    """Exact paths of dz = −θ(z − μ)dt + σdW: the loss is least at the regression of z_{t+1} on z_t.

    There it is the entropy ½ log 2πe s² of the residual, and s², the slope, are those of the exact transition.
    """
    theta, mu, sigma, dt, n = 1.3, 5.0, 0.8, 0.2, 20000
    a, s = math.exp(-theta * dt), sigma * math.sqrt((1 - math.exp(-2 * theta * dt)) / (2 * theta))
    stream = torch.Generator().manual_seed(0)
    now = mu + sigma / math.sqrt(2 * theta) * torch.randn(n, 1, generator=stream, dtype=torch.float64)
    after = mu + a * (now - mu) + s * torch.randn(n, 1, generator=stream, dtype=torch.float64)

    config = EulerMaruyamaConfig.parse({"drift": {"hidden": []}, "diffusion": "constant"})
    dynamics = measured(config.build(1, 1, time_step=dt).double(), torch.stack([now, after], dim=1))
    slope, intercept = np.polyfit(now[:, 0].numpy(), (after - now)[:, 0].numpy(), 1)
    residual = np.var((after - now)[:, 0].numpy() - slope * now[:, 0].numpy() - intercept)
    linear, scale, rate = dynamics.drift_network.network[0], float(dynamics.scale), float(dynamics.rate_scale)
    with torch.no_grad():
        linear.weight.fill_(slope * scale / rate)
        linear.bias.fill_((intercept + slope * float(dynamics.shift)) / rate)
        dynamics.diffusion_network.raw.fill_(math.log(math.expm1(math.sqrt(residual) / rate - 1e-3)))
    loss = one_step(dynamics, now, after).mean()
    loss.backward()
    for parameter in dynamics.parameters():
        assert parameter.grad.abs().max() < 1e-9
    assert loss.item() == pytest.approx(0.5 * math.log(2 * math.pi * math.e * residual), rel=1e-9)
    assert residual == pytest.approx(s**2, rel=5 * math.sqrt(2 / n))
    assert 1 + slope == pytest.approx(a, abs=5 * math.sqrt((1 - a**2) / n))


@pytest.mark.parametrize("diffusion", ["none", "diagonal", "full"])
def test_the_unit_of_time_changes_nothing(diffusion):
    losses = [one_step(make(3, diffusion, time_step=dt), *pairs(), unequal()) for dt in (1.0, 1e-4)]
    torch.testing.assert_close(*losses, rtol=1e-12, atol=1e-12)


def test_an_ode_scores_one_for_predicting_no_change_and_zero_for_the_truth():
    dynamics = make(3, "none")
    now, after = pairs()
    with torch.no_grad():
        torch.testing.assert_close(
            one_step(dynamics, now, now + dynamics.drift(now)), torch.zeros(200).double(), atol=1e-20, rtol=0
        )
        dynamics.drift_network.network[-1].weight.zero_()
        dynamics.drift_network.network[-1].bias.zero_()
        loss = one_step(dynamics, now, after)
    assert loss.shape == (200,)
    assert float(loss.mean()) == pytest.approx(1.0)


def test_an_ode_compares_increments_per_unit_of_time():
    """The same rate over a longer time scores the same, and the truth scores zero for every time between frames."""
    dynamics = make(3, "none", time_step=0.37)
    now, after = pairs()
    dt = unequal()
    with torch.no_grad():
        truth = now + dynamics.drift(now) * 0.37 * dt[:, None]
        assert one_step(dynamics, now, truth, dt).max() < 1e-18
        stretched = one_step(dynamics, now, now + (after - now) * dt[:, None], dt)
        torch.testing.assert_close(stretched, one_step(dynamics, now, after), rtol=1e-9, atol=1e-9)
        assert not torch.allclose(one_step(dynamics, now, after, dt), one_step(dynamics, now, after))
