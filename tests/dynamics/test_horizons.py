"""The loss of an ODE over many steps, against direct computations in float64."""

import numpy as np
import pytest
import torch
from tests.dynamics.walks import measured, no_context, one_step

from setclosure.dynamics.ode import ODEConfig
from setclosure.dynamics.statistics import steps_ahead
from setclosure.errors import ConfigurationError

M, T, D, SEEN = 12, 20, 3, 2


def walks(seed=1):
    steps = torch.randn(M, T, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 5.0 + steps.cumsum(1) * torch.tensor([1.0, 100.0, 1e-3])


def times(seed=2):
    """Give unequal times between frames, ``(M, T − 1)``."""
    return 0.5 + torch.rand(M, T - 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(z=None, dt=None, dim=D, n_observables=SEEN, time_step=1.0, **options):
    torch.manual_seed(0)
    dynamics = ODEConfig.parse({"drift": {"hidden": [8]}, **options}).build(dim, n_observables, 0, time_step).double()
    for parameter in dynamics.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return measured(dynamics, walks() if z is None else z, dt=times() if dt is None else dt)


def still(dynamics):
    for parameter in dynamics.parameters():
        torch.nn.init.zeros_(parameter)
    return dynamics


def direct_units(z, dt, horizon):
    """Give the root mean square change over k frames for each k, by loops over trajectories and frames."""
    units = []
    for k in range(1, horizon + 1):
        changes = [
            (z[m, t + k] - z[m, t]).numpy() * k / dt[m, t : t + k].sum().item() for m in range(M) for t in range(T - k)
        ]
        units.append(np.sqrt(np.mean(np.square(changes), axis=0)))
    return np.maximum.accumulate(units)


def test_the_unit_of_each_lag_is_the_root_mean_square_change_over_so_many_frames():
    dynamics = make(horizons=[1, 7])
    assert dynamics.lag_scale.shape == (7, D)
    np.testing.assert_allclose(dynamics.lag_scale.numpy(), direct_units(walks(), times(), 7), rtol=1e-9)
    assert torch.equal(dynamics.lag_scale[0], dynamics.rate_scale)


def test_units_see_no_change_across_a_gap_and_longer_lags_than_there_are_have_the_unit_of_the_longest():
    """Two stretches of three frames that are far from each other."""
    z = torch.tensor([0.0, 1, 2, 100, 103, 106], dtype=torch.float64)[:, None]
    dynamics = ODEConfig(horizons=(4,), drift={"hidden": []}).build(1, 1).double()
    now = torch.tensor([0, 1, 3, 4])
    dynamics.set_statistics(z, z.new_zeros(6, 0), now, torch.ones(4).double())
    assert steps_ahead(now, 6).tolist() == [2, 1, 0, 2, 1, 0]
    expected = [5**0.5, 20**0.5, 20**0.5, 20**0.5]  # of changes 1, 1, 3, 3 and 2, 6
    assert dynamics.lag_scale[:, 0].tolist() == pytest.approx(expected)


def test_a_column_that_returns_has_no_vanishing_unit():
    t = torch.arange(T, dtype=torch.float64)
    z = torch.cos(2 * torch.pi * t / 8).repeat(M, 1)[..., None].expand(-1, -1, D).contiguous()
    unit = make(z, torch.ones(M, T - 1).double(), horizons=[16]).lag_scale
    assert (unit.diff(dim=0) >= 0).all()
    assert unit[7, 0] > 0.5  # after a whole period


@pytest.mark.parametrize("unequal", [False, True])
def test_over_one_step_it_is_the_loss_of_one_step(unequal):
    dt = times() if unequal else torch.ones(M, T - 1).double()
    one, many = make(dt=dt), make(dt=dt, horizons=[1, 5])
    z, dt = walks()[:, :2], dt[:, :1]
    torch.testing.assert_close(many.loss(z, no_context(z), dt), one.loss(z, no_context(z), dt), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("integrator", "substeps"), [("euler", 1), ("euler", 3), ("rk4", 2)])
@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_it_is_the_error_of_the_path_that_a_rollout_gives(integrator, substeps, weight):
    H = 7
    dynamics = make(
        time_step=0.3, horizons=[H], integrator=integrator, substeps=substeps, observable_weight=weight, truncation=3
    )
    z, dt = walks()[:, : H + 1], times()[:, :H]
    loss = dynamics.loss(z, no_context(z), dt).detach().numpy()
    units = direct_units(walks(), times(), H)
    w = np.array([weight] * SEEN + [1.0] * (D - SEEN))
    for m in range(M):
        path = dynamics.simulate(z[m : m + 1, 0], no_context(z[m : m + 1]), dt[m]).states[0, 0].numpy()
        of_lags = []
        for k in range(1, H + 1):
            error = (z[m, k].numpy() - path[k]) * k / dt[m, :k].sum().item() / units[k - 1]
            of_lags.append((w * error**2).sum() / w.sum())
        assert loss[m] == pytest.approx(np.mean(of_lags), rel=1e-7)


def test_a_drift_of_zero_has_a_loss_of_one_at_every_horizon():
    dt = torch.ones(M, T - 1).double()
    for H in (1, 4, 10):
        dynamics = still(make(dt=dt, horizons=[H, 12]))
        windows = torch.stack([walks()[:, t : t + H + 1] for t in range(T - H)]).flatten(0, 1)
        loss = dynamics.loss(windows, no_context(windows), torch.ones(len(windows), H).double()).mean().item()
        assert loss == pytest.approx(1.0, rel=0.15)  # the units have also seen the windows of shorter lags
        assert H > 1 or loss == pytest.approx(1.0, rel=1e-9)


def test_the_weight_of_observables_enters_the_loss_of_one_step():
    plain, weighted = make(), make(observable_weight=4.0)
    now, after = walks()[:, 3], walks()[:, 4]
    with torch.no_grad():
        residual = (after - now) / plain.rate_scale - plain.drift_network(plain.standardise(now), now[:, :0])
        squares = residual.square()
        torch.testing.assert_close(one_step(plain, now, after), squares.mean(-1))
        expected = (4 * squares[:, :SEEN].sum(-1) + squares[:, SEEN:].sum(-1)) / (4 * SEEN + D - SEEN)
        torch.testing.assert_close(one_step(weighted, now, after), expected)


@pytest.mark.parametrize(("truncation", "reaches"), [(3, False), (4, True), (6, True)])
def test_no_gradient_flows_through_more_steps_than_the_truncation(truncation, reaches):
    """The first three frames lie on the path, so only later errors could move the first macrostate."""
    H = 6
    dynamics = make(dt=torch.ones(M, T - 1).double(), horizons=[H], truncation=truncation)
    z, dt = walks()[:, : H + 1], torch.ones(M, H).double()
    z[:, 1:4] = dynamics.simulate(z[:, 0], no_context(z), dt[0]).states[:, 0, 1:4]
    z.requires_grad_()
    dynamics.loss(z, no_context(z), dt).sum().backward()
    size = (z.grad[:, 0] * dynamics.scale).abs().max().item()  # a change by a standard deviation
    assert (size > 1e-4) == reaches
    assert reaches or size < 1e-8
    assert all(parameter.grad.abs().max() > 0 for parameter in dynamics.parameters())


def test_a_path_that_leaves_every_bound_leaves_loss_and_gradients_finite():
    dynamics = make(horizons=[15], drift={"hidden": []}).float()
    torch.nn.init.constant_(dynamics.drift_network.network[0].weight, 1e4)
    z = walks().float()[:, :16]
    loss = dynamics.loss(z, no_context(z), times().float()[:, :15])
    loss.mean().backward()
    assert torch.isfinite(loss).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in dynamics.parameters())


@pytest.mark.parametrize("horizons", [[], [0], [2, 2], "long", [1, "auto"]])
def test_horizons_are_different_numbers_of_steps_or_auto(horizons):
    with pytest.raises(ConfigurationError, match="horizons"):
        ODEConfig.parse({"horizons": horizons})


def test_horizons_are_sorted_and_auto_is_one_step_until_it_is_chosen():
    assert ODEConfig.parse({"horizons": [8, 1]}).build(3, 1).window == 9
    assert ODEConfig.parse({"horizons": "auto"}).build(3, 1).horizons == (1,)


@pytest.mark.parametrize(
    ("steps", "tried"), [(1, [1]), (3, [1, 3]), (8, [1, 2, 8]), (60, [1, 15, 60]), (5000, [1, 16, 64])]
)
def test_auto_tries_one_step_a_quarter_and_the_whole_of_a_trajectory(steps, tried):
    candidates = ODEConfig.parse({"horizons": "auto", "observable_weight": 3}).candidates(steps)
    assert [config.horizons for config in candidates.values()] == [(h,) for h in tried]
    assert {config.observable_weight for config in candidates.values()} == {3.0}
    assert ODEConfig().candidates(steps) == {}
