"""Rational-quadratic splines against zuko, autograd, and their own inverse."""

import pytest
import torch
import zuko
from hypothesis import given, settings
from hypothesis import strategies as st

from setclosure.decoders.rational_quadratic import evaluate, inverse, knots, n_parameters, spline

BOX = 3.0


def _random(dtype, rows=40, points=50, bins=8, spread=2.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    parameters = spread * torch.randn(rows, n_parameters(bins), generator=generator, dtype=torch.float64)
    x = 1.2 * BOX * (2 * torch.rand(rows, points, generator=generator, dtype=torch.float64) - 1)
    return x.to(dtype), parameters.to(dtype)


def _zuko(k):
    oracle = zuko.transforms.MonotonicRQSTransform(*(torch.zeros(n) for n in (8, 8, 7)), bound=BOX)
    oracle.horizontal, oracle.vertical, oracle.derivatives = (e[:, None] for e in k)
    return oracle


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_equals_zuko_for_the_same_knots(dtype, tolerance):
    x, parameters = _random(dtype, spread=1.0)
    k = knots(parameters, BOX)
    y, log_slope = _zuko(k).call_and_ladj(x)
    for ours in (spline(x, parameters, BOX), evaluate(x, k)):
        torch.testing.assert_close(ours[0], y, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(ours[1], log_slope, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(inverse(x, k), _zuko(k).inv(x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_inverse_undoes_the_spline(dtype, tolerance):
    x, parameters = _random(dtype, spread=1.0)
    y, log_slope = spline(x, parameters, BOX)
    back = inverse(y, knots(parameters, BOX))
    # where the spline is flat, rounding y to its last digit already moves x by 1/slope digits
    assert ((back - x).abs() * log_slope.exp().clamp(max=1.0)).max() < tolerance
    flat_free = log_slope > -1.0
    assert flat_free.sum() > 1000
    torch.testing.assert_close(back[flat_free], x[flat_free], rtol=tolerance, atol=tolerance)


def test_log_slope_is_that_of_autograd():
    x, parameters = _random(torch.float64)
    x.requires_grad_()
    y, log_slope = spline(x, parameters, BOX)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope, slope.log(), rtol=1e-10, atol=1e-10)
    assert (slope > 0).all()


@pytest.mark.parametrize("points", [1, 6])
def test_hand_written_gradient(points):
    x, parameters = _random(torch.float64, rows=4, points=points, bins=5, spread=1.0)
    assert torch.autograd.gradcheck(
        lambda x, p: spline(x, p, BOX), (x.requires_grad_(), parameters.requires_grad_()), atol=1e-7
    )


def test_zero_parameters_are_the_identity():
    x, parameters = _random(torch.float64)
    y, log_slope = spline(x, torch.zeros_like(parameters), BOX)
    torch.testing.assert_close(y, x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(log_slope, torch.zeros_like(x), rtol=0, atol=1e-12)


_edges = st.sampled_from([BOX, -BOX, 0.0, 1.0000001 * BOX, -0.9999999 * BOX, 1e30, -1e30])


@settings(max_examples=200, deadline=None)
@given(
    point=_edges | st.floats(-1e6, 1e6, width=32),
    spread=st.floats(0.0, 60.0),
    seed=st.integers(0, 999),
)
def test_value_and_gradient_are_finite_everywhere_in_float32(point, spread, seed):
    _, parameters = _random(torch.float32, rows=3, spread=spread, seed=seed)
    x = torch.full((3, 2), point, dtype=torch.float32, requires_grad=True)
    parameters.requires_grad_()
    y, log_slope = spline(x, parameters, BOX)
    grads = torch.autograd.grad(y.sum() + log_slope.sum(), (x, parameters))
    for tensor in (y, log_slope, *grads):
        assert torch.isfinite(tensor).all()
    if abs(point) >= BOX:
        assert (y == x).all()
        assert (log_slope == 0).all()
        assert (grads[0] == 1).all()
    assert torch.isfinite(inverse(x.detach(), knots(parameters.detach(), BOX))).all()
