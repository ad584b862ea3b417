"""Statistics, units and configuration of the macro dynamics."""

import pytest
import torch
from tests.dynamics.walks import measured, no_context, walks

from setclosure.dynamics.diffusions import DiagonalConfig, FullConfig
from setclosure.dynamics.euler_maruyama import EulerMaruyamaConfig
from setclosure.dynamics.mlp_drift import MLPDriftConfig
from setclosure.dynamics.ode import ODEConfig
from setclosure.dynamics.statistics import Statistics
from setclosure.errors import ConfigurationError, ModelError, TrainingError


def ode(dim=3, **options):
    return ODEConfig().build(dim, 1, **options)


def noisy(diffusion, dim=3, **options):
    return EulerMaruyamaConfig.parse({"diffusion": diffusion}).build(dim, 1, **options)


def test_statistics_are_those_of_the_data():
    z = walks()
    dynamics = measured(ode(), z)
    y = dynamics.standardise(z)
    torch.testing.assert_close(y.mean((0, 1)), torch.zeros(3), atol=2e-3, rtol=0)
    torch.testing.assert_close(y.std((0, 1), correction=0), torch.ones(3), atol=2e-3, rtol=0)
    torch.testing.assert_close(dynamics.rate_scale, z.double().diff(dim=1).square().mean((0, 1)).sqrt().float())
    assert torch.equal(dynamics.low, z.amin((0, 1)))
    assert torch.equal(dynamics.high, z.amax((0, 1)))


@pytest.mark.parametrize(("make", "power"), [(ode, 1.0), (lambda: noisy("diagonal"), 0.5)])
def test_rates_are_per_time_step_where_frames_are_unequal_times_apart(make, power):
    """Drift grows with the time between two frames, noise with its root."""
    z = walks(5, 9)
    dt = torch.tensor([1.0, 2.0, 0.5, 1.0, 4.0, 1.0, 0.25, 1.0]).expand(5, 8)
    dynamics = measured(make(), z, dt=dt)
    expected = (z.double().diff(dim=1) / dt[..., None] ** power).square().mean((0, 1)).sqrt().float()
    torch.testing.assert_close(dynamics.rate_scale, expected)
    assert not torch.allclose(dynamics.rate_scale, measured(make(), z).rate_scale, rtol=0.05)


def test_only_pairs_that_follow_each_other_make_rates():
    """Rows where one trajectory ends and the next begins, and gaps, are no changes."""
    z = torch.tensor([[0.0], [1.0], [2.0], [1000.0], [1001.0]])
    dynamics = ode(1)
    dynamics.set_statistics(z, torch.zeros(5, 0), torch.tensor([0, 1, 3]), torch.ones(3))
    assert dynamics.rate_scale.item() == 1.0


@pytest.mark.parametrize("value", [0.0, 1e-9, 7.3, -1e12])
def test_a_constant_column_is_never_divided_by_zero_nor_are_its_roundings_blown_up(value):
    z = walks()
    z[..., 1] = value
    z[:, ::2, 1] *= 1.0 + 1.2e-7  # one unit in the last place
    dynamics = measured(ode(), z)
    y = dynamics.standardise(z)[..., 1]
    increments = z.diff(dim=1)[..., 1] / dynamics.rate_scale[1]
    assert y.abs().max() < 1e-5
    assert increments.abs().max() < 1.0
    assert torch.isfinite(dynamics.drift(z)).all()


def test_a_straight_line_has_a_rate():
    z = torch.linspace(0, 1, 50).reshape(1, 50, 1).repeat(3, 1, 1)
    torch.testing.assert_close(measured(ode(1), z).rate_scale, torch.tensor([1 / 49]))


@pytest.mark.parametrize("diffusion", ["constant", "diagonal", "full"])
def test_drift_and_diffusion_scale_with_the_units_of_state_and_time(diffusion):
    torch.manual_seed(0)
    data = walks().double()
    first = measured(noisy(diffusion).double(), data)
    second = noisy(diffusion, time_step=0.25).double()
    second.drift_network.load_state_dict(first.drift_network.state_dict())
    second.diffusion_network.load_state_dict(first.diffusion_network.state_dict())
    measured(second, 10.0 * data)
    z = data[:, 7]
    torch.testing.assert_close(second.drift(10 * z), first.drift(z) * 10 / 0.25, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(second.diffusion(10 * z), first.diffusion(z) * 10 / 0.5, rtol=1e-9, atol=1e-9)


def test_a_full_factor_is_lower_triangular_with_positive_diagonal_everywhere():
    torch.manual_seed(0)
    dynamics = noisy("full", 4)
    for parameter in dynamics.diffusion_network.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    factor = dynamics.diffusion(10 * torch.randn(200, 4))
    assert torch.equal(factor, factor.tril())
    assert (factor.diagonal(dim1=-2, dim2=-1) >= 1e-3).all()
    assert (factor.tril(-1) != 0).any()


def test_before_training_the_noise_is_as_large_as_the_increments():
    for name in ("constant", "diagonal", "full"):
        dynamics = measured(noisy(name), walks())
        sigma = dynamics.diffusion(walks()[:, 0])
        variances = sigma.square() if sigma.ndim == 2 else (sigma @ sigma.mT).diagonal(dim1=-2, dim2=-1)
        torch.testing.assert_close(variances.sqrt(), dynamics.rate_scale.expand(30, 3))


def test_the_statistics_travel_with_the_weights():
    config = ODEConfig.parse({"drift": "onsager"})
    first = measured(config.build(3, 1, 1), walks(), torch.rand(30, 40, 1))
    second = config.build(3, 1, 1)
    second.load_state_dict(first.state_dict())
    z, u = walks()[:, 3], torch.rand(30, 1)
    assert torch.equal(first.drift(z, u), second.drift(z, u))
    assert torch.equal(first.high, second.high)
    assert not torch.equal(first.context_shift, torch.zeros(1))


@pytest.mark.parametrize("diffusion", ["none", "diagonal", "full"])
def test_a_loss_measured_on_the_batch_does_not_see_the_unit_of_the_closure(diffusion):
    dynamics = (ode() if diffusion == "none" else noisy(diffusion)).double()
    z = walks(50, 2).double()
    dt = torch.linspace(0.5, 2.0, 50, dtype=torch.float64)[:, None]

    def loss(size):
        scaled = torch.cat([z[..., :1], size * z[..., 1:] + 3 * size], dim=-1)
        units = Statistics.of(scaled, lambda z: dynamics.changes(z[:, :1], z[:, 1:], dt[:, None]))
        return dynamics.loss(scaled, no_context(scaled), dt, units).mean()

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
    dynamics, dt = ode(), torch.ones(20, 1)
    units = Statistics.of(z, lambda z: dynamics.changes(z[:, :1], z[:, 1:], dt[:, None]))
    dynamics.loss(z, no_context(z), dt, units).mean().backward()
    assert torch.isfinite(z.grad).all()


def test_what_cannot_be_is_refused_with_its_place():
    z = walks()
    z[4, 5, 2] = float("nan")
    with pytest.raises(TrainingError, match=r"macrostate 165 of the training frames .* column 2"):
        measured(ode(), z)
    with pytest.raises(ModelError, match=r"\(1200, 3\) .* expected \(F, 2\)"):
        measured(ode(2), z)
    with pytest.raises(ModelError, match=r"their context \(1200, 2\); expected \(F, 3\) and \(F, 1\)"):
        measured(ode(context_dim=1), z, torch.zeros(30, 40, 2))
    with pytest.raises(TrainingError, match=r"no two frames .* follow each other"):
        measured(ode(), z[:, :1])
    with pytest.raises(ModelError, match="4 observables"):
        ODEConfig().build(3, 4)
    for time_step in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ModelError, match="time step"):
            ODEConfig().build(3, 1, time_step=time_step)


@pytest.mark.parametrize(
    ("config", "options", "words"),
    [
        (MLPDriftConfig, {"hiden": [3]}, "did you mean 'hidden'"),
        (ODEConfig, {"drift": {"hiden": [3]}}, r"drift\.hiden: unknown key; did you mean 'hidden'"),
        (ODEConfig, {"drift": "onsagr"}, r"drift\.name: there is no drift 'onsagr'\. Did you mean 'onsager'"),
        (ODEConfig, {"integrator": "heun"}, "integrator"),
        (ODEConfig, {"substeps": 0}, "substeps"),
        (EulerMaruyamaConfig, {"diffusion": {"name": "ful"}}, r"diffusion\.name: .*Did you mean 'full'"),
        (EulerMaruyamaConfig, {"diffusion": {"name": "constant", "hidden": [3]}}, r"diffusion\.hidden: unknown key"),
        (EulerMaruyamaConfig, {"drift": {"confinement": 1.0}}, r"drift\.confinement: unknown key"),
    ],
)
def test_mistakes_in_a_configuration_are_named_with_their_key(config, options, words):
    with pytest.raises(ConfigurationError, match=words):
        config.parse(options)


def test_parts_are_chosen_by_name_and_written_out():
    config = EulerMaruyamaConfig.parse({"diffusion": {"hidden": [5]}, "drift": {"name": "onsager", "dissipation": 2}})
    assert config.diffusion == DiagonalConfig(hidden=(5,))  # diagonal is the default
    stored = config.model_dump(mode="json")
    assert stored["name"] == "euler_maruyama"
    assert stored["drift"]["name"] == "onsager"
    assert stored["diffusion"] == {"name": "diagonal", "hidden": [5]}
    assert EulerMaruyamaConfig.parse(stored) == config
    assert EulerMaruyamaConfig.parse({"diffusion": "full"}).diffusion == FullConfig()
