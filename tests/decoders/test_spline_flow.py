"""The spline flow is a density: it integrates to one, its log-determinant is right, its samples follow it."""

import pytest
import torch
from pydantic import ValidationError

from setclosure.decoders.spline_flow import SplineFlow, SplineFlowConfig
from setclosure.sets.microstates import MicrostateKind


def _flow(d, c=3, seed=0, scale=8.0, **sizes):
    """A flow far from the identity: what starts small is made large."""
    torch.manual_seed(seed)
    flow = SplineFlow(d, c, **({"layers": 3, "bins": 6, "box": 4.0, "hidden": 16} | sizes)).double()
    with torch.no_grad():
        flow.heads.weight.mul_(scale)
        for conditioner in flow.conditioners:
            conditioner.outlet.mul_(10 * scale)
            conditioner.inlet[: conditioner.outlet.shape[0]].mul_(10 * scale)
    return flow


@pytest.mark.parametrize(("d", "n", "scale", "tolerance"), [(1, 40_001, 60.0, 1e-6), (2, 701, 2.0, 1e-4)])
def test_integrates_to_one(d, n, scale, tolerance):
    flow = _flow(d, scale=scale)
    axis = torch.linspace(-9.0, 9.0, n, dtype=torch.float64)
    grid = torch.cartesian_prod(*[axis] * d).view(1, -1, d)
    context = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)
    with torch.no_grad():
        density = flow.log_prob(grid, context).exp()
    assert density.sum() * (axis[1] - axis[0]) ** d == pytest.approx(1.0, abs=tolerance)
    normal = torch.exp(-0.5 * grid.square().sum(-1)) / (2 * torch.pi) ** (d / 2)
    assert (density - normal).abs().max() > 0.05  # it is not the base


def _to_base(flow, x, context):
    columns = list(x.unbind(-1))
    for layer, parts in enumerate(flow._context_parts(context)):
        columns, _ = flow._transform(layer, columns, *parts)
        columns.reverse()
    return torch.stack(columns, dim=-1)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_log_determinant_is_that_of_autograd(d):
    flow = _flow(d)
    x, context = 2 * torch.randn(4, 1, d, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    log_prob = flow.log_prob(x, context)
    for g in range(4):
        u = _to_base(flow, x[g : g + 1], context[g : g + 1]).flatten()
        jacobian = torch.autograd.functional.jacobian(
            lambda p, c=context[g : g + 1]: _to_base(flow, p.view(1, 1, d), c).flatten(), x[g, 0]
        )
        base = torch.distributions.Normal(0.0, 1.0).log_prob(u).sum()
        torch.testing.assert_close(log_prob[g, 0], base + jacobian.slogdet().logabsdet, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("d", [2, 3])
def test_a_layer_is_triangular(d):
    flow = _flow(d)
    context = torch.randn(1, 3, dtype=torch.float64)
    first, biases = flow._context_parts(context)[0]
    jacobian = torch.autograd.functional.jacobian(
        lambda p: torch.stack(flow._transform(0, list(p.view(1, 1, d).unbind(-1)), first, biases)[0], -1)[0, 0],
        torch.full((d,), 0.3, dtype=torch.float64),
    )
    assert (jacobian.triu(1) == 0).all()
    assert (jacobian[torch.ones(d, d, dtype=torch.bool).tril()].abs() > 1e-9).all()


@pytest.mark.parametrize("d", [1, 2, 3])
def test_sampling_inverts_the_density_pass(d):
    flow, context = _flow(d), torch.randn(4, 3, dtype=torch.float64)
    x = flow.sample(context, 50, torch.Generator().manual_seed(1))
    noise = torch.randn((d, 4, 50), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(_to_base(flow, x, context), noise.movedim(0, -1), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_samples_follow_the_density():
    """Points whose density is above a level hold the mass that quadrature finds there; and chi-square on cells."""
    flow = _flow(2, c=0)
    context = torch.zeros(1, 0, dtype=torch.float64)
    edges = torch.linspace(-6.0, 6.0, 13, dtype=torch.float64)
    fine = torch.linspace(-6.0, 6.0, 961, dtype=torch.float64)[:-1] + 6.0 / 960
    with torch.no_grad():
        density = flow.log_prob(torch.cartesian_prod(fine, fine)[None], context).exp().view(12, 80, 12, 80)
    expected = density.sum(dim=(1, 3)).mul(0.0125**2)
    x = flow.sample(context, 40_000, torch.Generator().manual_seed(0))[0]
    observed = torch.histogramdd(x, [edges, edges]).hist / len(x)
    enough = expected > 5e-4
    chi_square = (len(x) * (observed - expected).square() / expected)[enough].sum()
    dof = float(enough.sum())
    assert expected.sum() == pytest.approx(1.0, abs=2e-3)
    assert chi_square < dof + 4.0 * (2.0 * dof) ** 0.5


@pytest.mark.parametrize("d", [1, 2, 3])
def test_one_context_for_a_set_equals_one_for_each_point(d):
    flow = _flow(d)
    x, context = torch.randn(5, 7, d, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    context.requires_grad_()
    together = flow.log_prob(x, context)
    alone = flow.log_prob(x.view(35, 1, d), context.repeat_interleave(7, dim=0)).view(5, 7)
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-10)
    leaves = (context, *flow.parameters())
    for a, b in zip(
        torch.autograd.grad(together.sum(), leaves),
        torch.autograd.grad(alone.sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


def test_points_far_outside_have_the_density_of_the_base_and_finite_gradients():
    flow = _flow(2).float()
    x = torch.tensor([[[1e4, -1e4], [8.0, 8.0], [4.0, -4.0], [4.0, 1e6]]], requires_grad=True)
    context = torch.randn(1, 3, requires_grad=True)
    log_prob = flow.log_prob(x, context)
    torch.testing.assert_close(log_prob[0, :2], -0.5 * x[0, :2].square().sum(-1) - 1.8378771)
    for grad in torch.autograd.grad(log_prob.sum(), (x, context, *flow.parameters())):
        assert torch.isfinite(grad).all()


def test_starts_near_the_identity_and_learns():
    torch.manual_seed(0)
    flow = SplineFlowConfig(layers=2, bins=8, box=4.0, hidden=32).build(MicrostateKind(2), 1)
    # a ring whose radius is the context: no Gaussian comes near it
    context = torch.rand(16, 1) + 1.0
    angle = 2 * torch.pi * torch.rand(16, 64)
    x = context[..., None] * torch.stack((angle.cos(), angle.sin()), dim=-1) + 0.1 * torch.randn(16, 64, 2)
    normal = -0.5 * x.square().sum(-1) - 1.8378771
    assert (flow.log_prob(x, context) - normal).abs().max() < 0.3
    optimizer = torch.optim.Adam(flow.parameters(), 5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = -flow.log_prob(x, context).mean()
        loss.backward()
        optimizer.step()
    best_gaussian = 1.0 + 1.8378771 + torch.log(context.square() / 2).mean() / 1.0  # covariance r²/2
    assert loss < best_gaussian - 0.5


def test_autocast_changes_nothing():
    flow = _flow(2).float()
    x, context = torch.randn(3, 5, 2), torch.randn(3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = flow.log_prob(x, context)
    torch.testing.assert_close(under, flow.log_prob(x, context), rtol=0, atol=0)


def test_configuration_is_strict():
    with pytest.raises(ValidationError, match="bin_count"):
        SplineFlowConfig.model_validate({"bin_count": 3})
    assert SplineFlowConfig(layers=2).build(MicrostateKind(3), 4).layers == 2
