"""OnsagerNet: the gradient that is written out, and the energy law."""

import pytest
import torch
from tests.dynamics.walks import measured

from setclosure.dynamics.ode import ODEConfig
from setclosure.dynamics.onsager_drift import OnsagerNetConfig, OnsagerNetDrift
from setclosure.dynamics.rollout import Scheme, rollout
from setclosure.errors import ConfigurationError


def ode(dim=4, context_dim=0, time_step=1.0, **options):
    config = ODEConfig.parse({"drift": {"name": "onsager", **options}})
    return config.build(dim, 1, context_dim, time_step)


def wild(activation="tanh", dim=4, context_dim=2):
    """An OnsagerNet with large random parameters, also in the force, and very unequal rates."""
    torch.manual_seed(3)
    drift = OnsagerNetDrift(dim, context_dim, OnsagerNetConfig(hidden=(16, 16), activation=activation)).double()
    for parameter in drift.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    drift.set_rates(torch.logspace(-3, 1, dim, dtype=torch.float64))
    return drift


@pytest.mark.parametrize("context_dim", [0, 2])
@pytest.mark.parametrize("activation", ["tanh", "silu", "gelu", "softplus"])
def test_the_gradient_is_that_of_the_potential(activation, context_dim):
    drift = wild(activation, context_dim=context_dim)
    y = torch.randn(50, 4, dtype=torch.float64, requires_grad=True)
    u = 0.3 * torch.randn(50, context_dim, dtype=torch.float64)  # beyond 20 PyTorch's own softplus is a line
    (expected,) = torch.autograd.grad(drift.potential(y, u).sum(), y)
    torch.testing.assert_close(drift.potential_gradient(y, u), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dissipation", [0.1, 3.0])
@pytest.mark.parametrize("context_dim", [0, 2])
def test_energy_law_of_the_dynamics_with_columns_of_very_different_rates(context_dim, dissipation):
    torch.manual_seed(0)
    walk, noise = torch.randn(10, 200, 2, dtype=torch.float64).cumsum(1), torch.randn(10, 200, 2, dtype=torch.float64)
    dynamics = ode(4, context_dim, 0.5, hidden=(16, 16), dissipation=dissipation).double()
    for parameter in dynamics.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    context = torch.randn(10, 200, context_dim, dtype=torch.float64)
    measured(dynamics, torch.cat([walk, 1e3 * noise], dim=-1), context)
    rates = dynamics.rate_scale / dynamics.scale
    assert rates.max() > 5 * rates.min()
    y = (3 * torch.randn(500, 4, dtype=torch.float64)).requires_grad_()
    known = torch.randn(500, context_dim, dtype=torch.float64)
    u = dynamics.standard_context(known)
    drift = dynamics.drift_network
    (gradient,) = torch.autograd.grad(drift.potential(y, u).sum(), y)
    with torch.no_grad():
        velocity = dynamics.drift(dynamics.shift + dynamics.scale * y, known) / dynamics.scale
        change = (gradient * velocity).sum(-1)  # dV/dt
        work = (gradient * rates / 0.5 * drift.force(torch.cat([y, u], dim=-1))).sum(-1)  # f·∇V
        least = dissipation * (rates / 0.5 * gradient.square()).sum(-1)  # what M ≥ α r dissipates at least
    assert (change <= work - least * (1 - 1e-9)).all()
    assert (change < work - 1.01 * least).any()  # L contributes: the bound is not an identity


@pytest.mark.parametrize("context_dim", [0, 1])
def test_without_a_force_the_potential_never_increases_along_a_rollout_at_fixed_context(context_dim):
    torch.manual_seed(0)
    dynamics = ode(3, context_dim, hidden=(32,))
    context = torch.randn(10, 30, context_dim)
    measured(dynamics, torch.randn(10, 30, 3).cumsum(1) * torch.tensor([1.0, 50.0, 0.01]), context)
    start = dynamics.shift + dynamics.scale * torch.randn(20, 3)
    held = torch.randn(20, 1, context_dim).expand(20, 101, context_dim)
    paths = rollout(dynamics, start, torch.ones(100), context=held, scheme=Scheme("rk4", substeps=5))
    with torch.no_grad():
        u = dynamics.standard_context(held)[:, None]
        energy = dynamics.drift_network.potential(dynamics.standardise(paths.states), u)
    assert (energy.diff(dim=-1) <= 1e-5 * energy[..., :1]).all()
    assert (energy[..., -1] < 0.9 * energy[..., 0]).all()


def test_dissipation_and_confinement_of_a_configuration_reach_the_drift():
    """α adds −α ∇V to the drift, and β adds β ‖y‖² to the potential."""
    drifts = []
    for options in ({}, {"dissipation": 0.6}, {"confinement": 0.6}):
        torch.manual_seed(0)
        drifts.append(ode(3, hidden=(8,), **options).double().drift_network)
    usual, dissipating, confined = drifts
    y, u = torch.randn(20, 3, dtype=torch.float64), torch.zeros(20, 0, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(dissipating(y, u), usual(y, u) - 0.5 * usual.potential_gradient(y, u))
        torch.testing.assert_close(confined.potential(y, u), usual.potential(y, u) + 0.5 * y.square().sum(-1))


@pytest.mark.parametrize("options", [{"dissipation": 0.0}, {"confinement": -1.0}])
def test_a_drift_that_would_not_dissipate_or_confine_is_refused(options):
    with pytest.raises(ConfigurationError, match=rf"drift\.{next(iter(options))}: .* greater than 0"):
        ode(**options)
