"""Monotone rational-quadratic splines map the line to itself, and are the identity outside a box.

A circular spline maps a circle to itself: the box is one period, and the slopes at its two ends are the same one.

They are those of Durkan et al. 2019 (arXiv 1906.04032, Sec. 3.1). A spline is given by ``b`` bins on [-box, box]:
b + 1 knots (x_k, y_k) and the slope δ_k at each of them, with slope 1 at both ends so that the identity continues it
outside. Every function takes ``K`` points for each of ``M`` splines, a row of points and a row of parameters for each
spline.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

MIN_BIN = 1e-3
"""The smallest width and height of a bin, as a share of the box."""

MIN_SLOPE = 1e-3
"""The smallest slope at a knot."""

_SLOPE_SHIFT = math.log(math.expm1(1.0 - MIN_SLOPE))


class Knots(NamedTuple):
    """The knots of M splines: positions ``x``, values ``y`` and slopes, each ``(M, b + 1)``."""

    x: Tensor
    y: Tensor
    slope: Tensor


class _Bin(NamedTuple):
    """The left knot, the size and both slopes of the bin in which each point lies, ``(M, K)`` each."""

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    left_slope: Tensor
    right_slope: Tensor


def n_parameters(bins: int, circular: bool = False) -> int:
    """Count the free numbers of a spline of ``bins`` bins: widths, heights, and inner slopes.

    A circular one has the slope at both ends of the box as well.

    Examples
    --------
    >>> n_parameters(16), n_parameters(16, circular=True)
    (47, 48)
    """
    return 3 * bins if circular else 3 * bins - 1


def knots(parameters: Tensor, box: float) -> Knots:
    """Make the knots of splines on [-box, box] from unconstrained ``parameters (M, 3b - 1)``, or circular ``(M, 3b)``.

    Widths and heights are softmaxes of b numbers each, slopes a softplus of b - 1 numbers, all bounded below
    by :data:`MIN_BIN` and :data:`MIN_SLOPE`. Parameters of zero give the identity. A circular spline has b slopes, the
    last at both ends.

    Examples
    --------
    >>> knots(torch.zeros(1, n_parameters(2)), box=3.0).x.tolist()
    [[-3.0, 0.0, 3.0]]
    """
    bins = (parameters.shape[-1] + 1) // 3
    return _knots(_softmaxes(parameters, bins), parameters[:, 2 * bins :], box)


def spline(x: Tensor, parameters: Tensor, box: float) -> tuple[Tensor, Tensor]:
    """Evaluate the splines of unconstrained ``parameters``.

    Parameters
    ----------
    x : Tensor
        Points, ``(M, K)``.
    parameters : Tensor
        Unconstrained numbers, ``(M, 3b - 1)``, or ``(M, 3b)`` for circular splines, as in :func:`knots`.
    box : float
        The splines act on [-box, box], one period if they are circular.

    Returns
    -------
    (Tensor, Tensor)
        Values and logarithms of the derivative, ``(M, K)`` each; ``x`` and 0 outside the box. The points of circular
        splines are in the box, up to rounding.
    """
    result: tuple[Tensor, Tensor] = _Spline.apply(x, parameters, box)  # type: ignore[no-untyped-call]
    return result


def evaluate(x: Tensor, k: Knots, circular: bool = False) -> tuple[Tensor, Tensor]:
    """Evaluate splines with known knots at the points ``x (M, K)``.

    Returns
    -------
    (Tensor, Tensor)
        Values and logarithms of the derivative, ``(M, K)`` each; ``x`` and 0 outside the box.
    """
    inside, z, _, cell = _locate(x, k.x, k, circular)
    y, log_slope = _forward(z, cell)
    return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)


def inverse(y: Tensor, k: Knots, circular: bool = False) -> Tensor:
    """Find the points ``(M, K)`` at which the splines have the values ``y (M, K)``, the inverse of :func:`evaluate`.

    Examples
    --------
    >>> k = knots(torch.randn(1, n_parameters(4)), box=3.0)
    >>> x = torch.tensor([[-1.0, 0.5, 7.0]])
    >>> torch.allclose(inverse(evaluate(x, k)[0], k), x, atol=1e-4)
    True
    """
    inside, z, _, (x0, y0, w, h, d0, d1) = _locate(y, k.y, k, circular)
    s = h / w
    dy = z - y0
    curvature = dy * (d0 + d1 - 2.0 * s)
    a = h * (s - d0) + curvature
    b = h * d0 - curvature
    c = -s * dy
    root = 2.0 * c / (-b - (b * b - 4.0 * a * c).clamp_min(0.0).sqrt())  # the stable form of the root in [0, 1]
    return torch.where(inside, x0 + root.clamp(0.0, 1.0) * w, y)


def _softmaxes(parameters: Tensor, bins: int) -> Tensor:
    """Give the softmaxes of the widths and of the heights, ``(M, 2, b)``."""
    return parameters[:, : 2 * bins].reshape(-1, 2, bins).softmax(dim=-1)


def _knots(softmaxes: Tensor, slopes: Tensor, box: float) -> Knots:
    M, _, bins = softmaxes.shape
    edges = softmaxes.new_empty((M, 2, bins + 1))
    edges[..., 0], edges[..., -1] = -box, box
    # edge_k = 2·box·Σ_{j<k} (MIN_BIN + (1 - b·MIN_BIN) p_j) - box
    constant = torch.arange(1, bins, device=edges.device, dtype=edges.dtype) * (2.0 * box * MIN_BIN) - box
    sums = softmaxes[..., :-1].cumsum(dim=-1)
    edges[..., 1:-1] = sums.mul_(2.0 * box * (1.0 - bins * MIN_BIN)).add_(constant)
    slope = slopes.new_ones((M, bins + 1))
    free = torch.nn.functional.softplus(slopes + _SLOPE_SHIFT) + MIN_SLOPE
    slope[:, 1:-1] = free[:, : bins - 1]
    if slopes.shape[-1] == bins:  # circular
        slope[:, 0] = slope[:, -1] = free[:, -1]
    return Knots(edges[:, 0], edges[:, 1], slope)


def _locate(z: Tensor, edges: Tensor, k: Knots, circular: bool) -> tuple[Tensor, Tensor, Tensor, _Bin]:
    """Give whether points lie inside the box, the points moved into it, the number of their bin, and the bin."""
    if circular:
        inside = torch.ones_like(z, dtype=torch.bool)
        z = torch.minimum(torch.maximum(z, edges[:, :1]), edges[:, -1:])
    else:
        inside = (z > edges[:, :1]) & (z < edges[:, -1:])
        z = torch.where(inside, z, 0.0)  # outside, any point of the box will do, as its result is not used
    left = torch.searchsorted(edges[:, 1:-1].contiguous(), z.contiguous(), right=True)
    right = left + 1
    x0, y0 = k.x.gather(1, left), k.y.gather(1, left)
    width, height = k.x.gather(1, right) - x0, k.y.gather(1, right) - y0
    return inside, z, left, _Bin(x0, y0, width, height, k.slope.gather(1, left), k.slope.gather(1, right))


def _forward(z: Tensor, cell: _Bin) -> tuple[Tensor, Tensor]:
    x0, y0, w, h, d0, d1 = cell
    t = (z - x0) / w
    s = h / w
    tu, u = t * (1.0 - t), 1.0 - t
    denominator = s + (d0 + d1 - 2.0 * s) * tu
    y = y0 + h * (s * t * t + d0 * tu) / denominator
    numerator = d1 * t * t + 2.0 * s * tu + d0 * u * u
    return y, 2.0 * (s / denominator).log() + numerator.log()


def _backward(z: Tensor, cell: _Bin, grad_y: Tensor, grad_log: Tensor) -> _Bin:
    """Give gradients with respect to the bin; that to ``z`` is minus that to the left knot's ``x``."""
    x0, _, w, h, d0, d1 = cell
    t = (z - x0) / w
    s = h / w
    u = 1.0 - t
    tu, tt, uu, v = t * u, t * t, u * u, u - t
    bend = d0 + d1 - 2.0 * s
    p = 1.0 / (s + bend * tu)
    q = 1.0 / (d1 * tt + 2.0 * s * tu + d0 * uu)
    a = (s * tt + d0 * tu) * p  # (y - y0) / h
    hp, e = grad_y * h * p, 2.0 * grad_log * p
    q_log = grad_log * q
    grad_t = hp * s * p / q - e * bend * v + 2.0 * q_log * (d1 * t + s * v - d0 * u)
    grad_s = hp * (tt - a * (1.0 - 2.0 * tu)) + 2.0 * grad_log / s - e * (1.0 - 2.0 * tu) + 2.0 * q_log * tu
    grad_d0 = hp * tu * (1.0 - a) - e * tu + q_log * uu
    grad_d1 = q_log * tt - hp * tu * a - e * tu
    return _Bin(-grad_t / w, grad_y, -(grad_t * t + grad_s * s) / w, grad_y * a + grad_s / w, grad_d0, grad_d1)


class _Spline(torch.autograd.Function):
    """The operation of :func:`spline`, whose backward touches each parameter once and not once for each operation."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, parameters: Tensor, box: float) -> tuple[Tensor, Tensor]:
        bins = (parameters.shape[-1] + 1) // 3
        softmaxes, slopes = _softmaxes(parameters, bins), parameters[:, 2 * bins :]
        k = _knots(softmaxes, slopes, box)
        inside, z, left, cell = _locate(x, k.x, k, slopes.shape[-1] == bins)
        y, log_slope = _forward(z, cell)
        ctx.box = box
        ctx.save_for_backward(inside, z, left, softmaxes, slopes, *cell)
        return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_log: Tensor) -> tuple[Tensor, Tensor, None]:
        inside, z, left, softmaxes, slopes, *cell = ctx.saved_tensors
        M, _, bins = softmaxes.shape
        g = _backward(z, _Bin(*cell), grad_y * inside, grad_log * inside)
        grad_x = torch.where(inside, -g.x, grad_y)

        # An edge is a sum of the parts before it, so a part receives from the edges behind it.
        at = torch.stack((left, left + bins), dim=1).view(M, -1)
        edges = softmaxes.new_zeros((M, 2 * bins)).scatter_add_(1, at, torch.cat((g.x, g.y), dim=1))
        behind = torch.ones((bins, bins), dtype=edges.dtype, device=edges.device).tril_(-1)
        parts = (edges.view(-1, bins) @ behind).view(M, 2 * bins)
        parts.scatter_add_(1, at, torch.cat((g.width, g.height), dim=1))
        parts = parts.view(M, 2, bins) * (2.0 * ctx.box * (1.0 - bins * MIN_BIN))
        weighted = parts.mul_(softmaxes)
        grad_softmaxes = torch.addcmul(weighted, softmaxes, weighted.sum(dim=-1, keepdim=True), value=-1.0)

        knot_slopes = softmaxes.new_zeros((M, bins + 1)).scatter_add_(1, left, g.left_slope)
        knot_slopes.scatter_add_(1, left + 1, g.right_slope)
        if slopes.shape[-1] == bins:  # circular: both ends share the last one
            knot_slopes[:, -1] += knot_slopes[:, 0]
            of_free = knot_slopes[:, 1:]
        else:
            of_free = knot_slopes[:, 1:-1]
        grad_slopes = of_free * torch.sigmoid(slopes + _SLOPE_SHIFT)
        return grad_x, torch.cat((grad_softmaxes.view(M, -1), grad_slopes), dim=1), None
