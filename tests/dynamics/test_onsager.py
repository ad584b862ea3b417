"""OnsagerNet: the gradient that is written out, and the energy law."""

import pytest
import torch

from setclosure.dynamics.macro_dynamics import DriftConfig, MacroDynamics
from setclosure.dynamics.onsager import OnsagerNetDrift
from setclosure.dynamics.rollout import rollout


def wild(activation="tanh", dim=4):
    """An OnsagerNet with large random parameters, also in the force, and very unequal rates."""
    torch.manual_seed(3)
    drift = OnsagerNetDrift(dim, hidden=(16, 16), activation=activation).double()
    for parameter in drift.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    drift.set_rates(torch.logspace(-3, 1, dim, dtype=torch.float64))
    return drift


@pytest.mark.parametrize("activation", ["tanh", "silu", "gelu", "softplus"])
def test_the_gradient_is_that_of_the_potential(activation):
    drift = wild(activation)
    y = (2 * torch.randn(50, 4, dtype=torch.float64)).requires_grad_()
    (expected,) = torch.autograd.grad(drift.potential(y).sum(), y)
    torch.testing.assert_close(drift.potential_gradient(y), expected, rtol=1e-11, atol=1e-11)


def test_energy_law_of_the_dynamics_with_columns_of_very_different_rates():
    torch.manual_seed(0)
    walk, noise = torch.randn(10, 200, 2, dtype=torch.float64).cumsum(1), torch.randn(10, 200, 2, dtype=torch.float64)
    dynamics = MacroDynamics(4, 1, DriftConfig(name="onsager", hidden=(16, 16)), time_step=0.5).double()
    for parameter in dynamics.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    dynamics.set_statistics(torch.cat([walk, 1e3 * noise], dim=-1))
    rates = dynamics.rate_scale / dynamics.scale
    assert rates.max() > 5 * rates.min()
    y = (3 * torch.randn(500, 4, dtype=torch.float64)).requires_grad_()
    drift = dynamics.drift_network
    (gradient,) = torch.autograd.grad(drift.potential(y).sum(), y)
    with torch.no_grad():
        velocity = dynamics.drift(dynamics.shift + dynamics.scale * y) / dynamics.scale
        change = (gradient * velocity).sum(-1)  # dV/dt
        work = (gradient * rates / 0.5 * drift.force(y)).sum(-1)  # f·∇V
        least = drift.dissipation * (rates / 0.5 * gradient.square()).sum(-1)  # what M ≥ α r dissipates at least
    assert (change <= work - least * (1 - 1e-9)).all()
    assert (change < work - 1.01 * least).any()  # L contributes: the bound is not an identity


def test_without_a_force_the_potential_never_increases_along_a_rollout():
    torch.manual_seed(0)
    dynamics = MacroDynamics(3, 1, DriftConfig(name="onsager", hidden=(32,)))
    dynamics.set_statistics(torch.randn(10, 30, 3).cumsum(1) * torch.tensor([1.0, 50.0, 0.01]))
    paths = rollout(dynamics, dynamics.shift + dynamics.scale * torch.randn(20, 3), 100, integrator="rk4", substeps=5)
    with torch.no_grad():
        energy = dynamics.drift_network.potential(dynamics.standardise(paths.states))
    assert (energy.diff(dim=-1) <= 1e-5 * energy[..., :1]).all()
    assert (energy[..., -1] < 0.9 * energy[..., 0]).all()
