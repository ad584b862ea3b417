"""Statistics, units and configuration of the macro dynamics."""

import pytest
import torch

from setclosure.dynamics.likelihood import one_step_loss
from setclosure.dynamics.macro_dynamics import DiffusionConfig, DriftConfig, MacroDynamics
from setclosure.errors import ConfigurationError, ModelError, TrainingError


def walks(M: int = 30, T: int = 40, D: int = 3) -> torch.Tensor:
    steps = torch.randn(M, T, D, generator=torch.Generator().manual_seed(1))
    return 5.0 + steps.cumsum(1) * torch.tensor([1.0, 100.0, 1e-4])


def test_statistics_are_those_of_the_data():
    z = walks()
    dynamics = MacroDynamics(3, 1).set_statistics(z)
    y = dynamics.standardise(z)
    torch.testing.assert_close(y.mean((0, 1)), torch.zeros(3), atol=2e-3, rtol=0)
    torch.testing.assert_close(y.std((0, 1), correction=0), torch.ones(3), atol=2e-3, rtol=0)
    torch.testing.assert_close(dynamics.rate_scale, z.double().diff(dim=1).square().mean((0, 1)).sqrt().float())
    assert torch.equal(dynamics.low, z.amin((0, 1)))
    assert torch.equal(dynamics.high, z.amax((0, 1)))


@pytest.mark.parametrize("value", [0.0, 1e-9, 7.3, -1e12])
def test_a_constant_column_is_never_divided_by_zero_nor_are_its_roundings_blown_up(value):
    z = walks()
    z[..., 1] = value
    z[:, ::2, 1] *= 1.0 + 1.2e-7  # one unit in the last place
    dynamics = MacroDynamics(3, 1).set_statistics(z)
    y = dynamics.standardise(z)[..., 1]
    increments = z.diff(dim=1)[..., 1] / dynamics.rate_scale[1]
    assert y.abs().max() < 1e-5
    assert increments.abs().max() < 1.0
    assert torch.isfinite(dynamics.drift(z)).all()


def test_a_straight_line_has_a_rate():
    z = torch.linspace(0, 1, 50).reshape(1, 50, 1).repeat(3, 1, 1)
    dynamics = MacroDynamics(1, 1).set_statistics(z)
    torch.testing.assert_close(dynamics.rate_scale, torch.tensor([1 / 49]))


@pytest.mark.parametrize("diffusion", ["constant", "diagonal", "full"])
def test_drift_and_diffusion_scale_with_the_units_of_state_and_time(diffusion):
    torch.manual_seed(0)
    data = walks().double()
    first = MacroDynamics(3, 1, diffusion=DiffusionConfig(name=diffusion)).double().set_statistics(data)
    second = MacroDynamics(3, 1, diffusion=DiffusionConfig(name=diffusion), time_step=0.25).double()
    second.drift_network.load_state_dict(first.drift_network.state_dict())
    second.diffusion_network.load_state_dict(first.diffusion_network.state_dict())
    second.set_statistics(10.0 * data)
    z = data[:, 7]
    torch.testing.assert_close(second.drift(10 * z), first.drift(z) * 10 / 0.25, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(second.diffusion(10 * z), first.diffusion(z) * 10 / 0.5, rtol=1e-9, atol=1e-9)


def test_a_full_factor_is_lower_triangular_with_positive_diagonal_everywhere():
    torch.manual_seed(0)
    dynamics = MacroDynamics(4, 1, diffusion=DiffusionConfig(name="full"))
    for parameter in dynamics.diffusion_network.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    factor = dynamics.diffusion(10 * torch.randn(200, 4))
    assert torch.equal(factor, factor.tril())
    assert (factor.diagonal(dim1=-2, dim2=-1) >= 1e-3).all()
    assert (factor.tril(-1) != 0).any()


def test_before_training_the_noise_is_as_large_as_the_increments():
    for name in ("constant", "diagonal"):
        dynamics = MacroDynamics(3, 1, diffusion=DiffusionConfig(name=name)).set_statistics(walks())
        torch.testing.assert_close(dynamics.diffusion(walks()[:, 0]), dynamics.rate_scale.expand(30, 3))


def test_the_statistics_travel_with_the_weights():
    first = MacroDynamics(3, 1, DriftConfig(name="onsager")).set_statistics(walks())
    second = MacroDynamics(3, 1, DriftConfig(name="onsager"))
    second.load_state_dict(first.state_dict())
    z = walks()[:, 3]
    assert torch.equal(first.drift(z), second.drift(z))
    assert torch.equal(first.high, second.high)


@pytest.mark.parametrize("diffusion", ["none", "diagonal", "full"])
def test_a_loss_measured_on_the_batch_does_not_see_the_unit_of_the_closure(diffusion):
    dynamics = MacroDynamics(3, 1, diffusion=DiffusionConfig(name=diffusion)).double()
    z = walks(50, 2).double()

    def loss(size):
        scaled = torch.cat([z[..., :1], size * z[..., 1:] + 3 * size], dim=-1)
        with dynamics.measured_on(scaled):
            value = one_step_loss(dynamics, scaled[:, 0], scaled[:, 1]).mean()
            return value - dynamics.rate_scale.log().sum() if dynamics.is_stochastic else value

    size = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    value = loss(size)
    (slope,) = torch.autograd.grad(value, size)
    assert abs(float(slope)) < 1e-6  # with statistics that are constants it is of the order of the loss
    torch.testing.assert_close(loss(torch.tensor(0.01)), value.detach(), rtol=1e-6, atol=1e-6)
    assert not dynamics.rate_scale.requires_grad


def test_a_constant_column_has_finite_gradients():
    z = walks(20, 2)
    z[..., 2] = 0.0
    z.requires_grad_()
    dynamics = MacroDynamics(3, 1)
    with dynamics.measured_on(z):
        one_step_loss(dynamics, z[:, 0], z[:, 1]).mean().backward()
    assert torch.isfinite(z.grad).all()


def test_what_cannot_be_is_refused_with_its_place():
    z = walks()
    z[4, 5, 2] = float("nan")
    with pytest.raises(TrainingError, match=r"macrostate 5 of trajectory 4 .* column 2"):
        MacroDynamics(3, 1).set_statistics(z)
    with pytest.raises(ModelError, match=r"\(30, 40, 3\)"):
        MacroDynamics(2, 1).set_statistics(z)
    with pytest.raises(ModelError, match="T ≥ 2"):
        MacroDynamics(3, 1).set_statistics(z[:, :1])
    with pytest.raises(ModelError, match="4 observables"):
        MacroDynamics(3, 4)
    with pytest.raises(ModelError, match="time step"):
        MacroDynamics(3, 1, time_step=0.0)
    with pytest.raises(ConfigurationError, match="did you mean 'hidden'"):
        DriftConfig.parse({"hiden": [3]})
