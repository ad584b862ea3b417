"""The spline flow on circles and tori: one on the torus, the same at both ends of a period, and equal to zuko's."""

from __future__ import annotations

import math

import pytest
import torch
import zuko

from setclosure.decoders.rational_quadratic import evaluate, inverse, knots, n_parameters, spline
from setclosure.decoders.spline_flow import SplineFlow, wrapped

TORI = [(True,), (True, True), (True, False), (False, True)]


def made_flow(circular, c=3, seed=0, scale=3.0, **sizes):
    """Make a flow far from the identity: what starts small is made large."""
    torch.manual_seed(seed)
    options = {"layers": 3, "bins": 5, "box": 4.0, "hidden": 16} | sizes
    flow = SplineFlow(len(circular), c, **options, circular=circular).double()
    with torch.no_grad():
        flow.heads.weight.mul_(2 * scale)
        for conditioner in flow.conditioners:
            conditioner.outlet.mul_(10 * scale)
            conditioner.inlet[: conditioner.outlet.shape[0]].mul_(10 * scale)
    return flow


def contexts(n, c=3, seed=0):
    return torch.randn(n, c, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def grid(circular, n):
    """Give points ``(1, n^d, d)`` in the middle of equal pieces, and the size of a piece."""
    reach = [math.pi if angle else 9.0 for angle in circular]
    axes = [(torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * r - r for r in reach]
    points = torch.cartesian_prod(*axes).view(1, -1, len(circular))
    return points, math.prod(2 * r / n for r in reach)


@pytest.mark.slow
@pytest.mark.parametrize("circular", TORI)
def test_integrates_to_one(circular):
    flow = made_flow(circular, scale=30.0 if len(circular) == 1 else 3.0)  # one feature has the context alone
    points, piece = grid(circular, 20_000 if len(circular) == 1 else 700)
    with torch.no_grad():
        density = flow.log_prob(points, contexts(1)).exp()
    assert density.sum() * piece == pytest.approx(1.0, abs=2e-4)
    assert density.std() / density.mean() > 0.2  # it is not the base


@pytest.mark.parametrize("circular", [*TORI, (True, True, False), (False, True, True)])
def test_a_whole_turn_changes_nothing_and_the_ends_of_a_period_meet(circular):
    flow, context = made_flow(circular), contexts(2)
    x = 2 * torch.randn(2, 20, len(circular), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turns = torch.randint(-3, 4, x.shape, generator=torch.Generator().manual_seed(2)).double() * torch.tensor(circular)
    torch.testing.assert_close(flow.log_prob(x + 2 * math.pi * turns, context), flow.log_prob(x, context))
    for j, angle in enumerate(circular):
        if angle:
            low, high = x.clone(), x.clone()
            low[..., j], high[..., j] = -math.pi + 1e-9, math.pi - 1e-9
            torch.testing.assert_close(flow.log_prob(low, context), flow.log_prob(high, context), rtol=1e-6, atol=1e-6)


def to_base(flow, x, context):
    columns = list(x.unbind(-1))
    for layer, parts in enumerate(flow._context_parts(context)):
        columns, _ = flow._transform(layer, columns, *parts)
        columns.reverse()
    return torch.stack(columns, dim=-1)


@pytest.mark.parametrize("circular", [*TORI, (True, False, True), (False, True, True, False)])
def test_sampling_inverts_the_density_pass_and_log_determinants_are_those_of_autograd(circular):
    d = len(circular)
    flow, context = made_flow(circular), contexts(3)
    x = flow.sample(context, 6, torch.Generator().manual_seed(1))
    angles = torch.tensor(circular)
    assert (x[..., angles].abs() <= math.pi).all()
    stream = torch.Generator().manual_seed(1)
    noise = list(torch.randn((d, 3, 6), generator=stream, dtype=torch.float64))
    last = flow._angles(flow.layers)
    for j in range(d):
        if last[j]:
            noise[j] = (2 * torch.rand((3, 6), generator=stream, dtype=torch.float64) - 1) * math.pi
    base = to_base(flow, x, context)
    torch.testing.assert_close(base, torch.stack(noise, dim=-1), rtol=1e-7, atol=1e-7)
    for g in range(3):
        jacobian = torch.autograd.functional.jacobian(
            lambda p, g=g: to_base(flow, p.view(1, 1, d), context[g : g + 1]).flatten(), x[g, 0]
        )
        log_base = sum(
            -math.log(2 * math.pi) if last[j] else torch.distributions.Normal(0.0, 1.0).log_prob(base[g, 0, j])
            for j in range(d)
        )
        expected = log_base + jacobian.slogdet().logabsdet
        torch.testing.assert_close(flow.log_prob(x, context)[g, 0], expected, rtol=1e-9, atol=1e-9)


def test_gradients_of_circular_splines_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    x = (2 * torch.rand(4, 3, generator=generator, dtype=torch.float64) - 1) * 3.0
    parameters = torch.randn(4, n_parameters(5, circular=True), generator=generator, dtype=torch.float64)
    x.requires_grad_(), parameters.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, p: spline(x, p, math.pi), (x, parameters), atol=1e-6)


def test_circular_splines_equal_those_of_zuko():
    """zuko's circular spline is a shift by half a turn, then a spline on [-π, π] with given knots and slopes."""
    generator = torch.Generator().manual_seed(0)
    parameters = torch.randn(6, n_parameters(7, circular=True), generator=generator, dtype=torch.float64)
    k = knots(parameters, math.pi)
    shift, oracle = zuko.flows.spline.CircularRQSTransform(k.x[:, 1:], k.y[:, 1:], k.slope[:, 1:-1]).transforms
    oracle.horizontal, oracle.vertical, oracle.derivatives = (part[:, None] for part in k)
    x = (2 * torch.rand(6, 50, generator=generator, dtype=torch.float64) - 1) * math.pi
    y, log_slope = oracle.call_and_ladj(shift(x))
    ours, ours_log_slope = spline(wrapped(x + math.pi), parameters, math.pi)
    torch.testing.assert_close(ours, y)
    torch.testing.assert_close(ours_log_slope, log_slope)
    torch.testing.assert_close(evaluate(wrapped(x + math.pi), k, circular=True)[0], y)
    torch.testing.assert_close(wrapped(inverse(y, k, circular=True) + math.pi), x, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(k.slope[:, 0], k.slope[:, -1])


def test_a_flow_on_the_circle_learns_what_zuko_s_learns():
    """Both are fitted to a density with its mass at the ends of the interval, where a flow on the line has a gap."""
    generator = torch.Generator().manual_seed(0)
    x = wrapped(math.pi + 0.3 * torch.randn(2000, 1, generator=generator))
    torch.manual_seed(0)
    ours = SplineFlow(1, 0, layers=2, bins=8, hidden=16, circular=(True,))
    theirs = zuko.flows.NCSF(1, 0, bins=8, transforms=2, hidden_features=(16,))

    def fitted(parameters, loss):
        optimiser = torch.optim.Adam(parameters, 2e-2)
        for _ in range(150):
            optimiser.zero_grad()
            value = loss()
            value.backward()
            optimiser.step()
        return float(value.detach())

    context = torch.zeros(1, 0)
    found = fitted(ours.parameters(), lambda: -ours.log_prob(x[None], context).mean())
    oracle = fitted(theirs.parameters(), lambda: -theirs().log_prob(x).mean())
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.3**2)
    assert found < entropy + 0.05
    assert found < oracle + 0.02


def test_a_flow_without_angles_is_the_one_that_it_was():
    torch.manual_seed(0)
    plain = SplineFlow(3, 2, layers=2, hidden=8)
    torch.manual_seed(0)
    told = SplineFlow(3, 2, layers=2, hidden=8, circular=(False, False, False))
    x, context = torch.randn(2, 5, 3), torch.randn(2, 2)
    assert torch.equal(plain.log_prob(x, context), told.log_prob(x, context))
    assert {n: p.shape for n, p in plain.named_parameters()} == {n: p.shape for n, p in told.named_parameters()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_densities_and_gradients_are_finite_at_the_seam_and_far_away(dtype):
    flow = made_flow((True, False)).to(dtype)
    x = torch.tensor([[[-math.pi, 0.0], [math.pi, 1e6], [1e6, -1e6], [0.0, 4.0]]], dtype=dtype, requires_grad=True)
    context = torch.randn(1, 3, dtype=dtype)
    log_prob = flow.log_prob(x, context)
    assert torch.isfinite(log_prob).all()
    for gradient in torch.autograd.grad(log_prob.sum(), (x, *flow.parameters()), allow_unused=True):
        assert gradient is None or torch.isfinite(gradient).all()
