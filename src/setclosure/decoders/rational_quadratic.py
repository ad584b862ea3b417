"""Monotone rational-quadratic splines with linear tails (Durkan et al. 2019, arXiv 1906.04032, Sec. 3.1).

A spline is given by ``b`` bins on [-box, box]: b + 1 knots (x_k, y_k) and the slope δ_k at each of them, with
slope 1 at both ends so that the identity continues it outside. Every function takes a row of points ``(M, K)``
for each of ``M`` splines.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

MIN_BIN = 1e-3
"""Smallest width and height of a bin, as a part of the box."""
MIN_SLOPE = 1e-3
"""Smallest slope at a knot."""
_SLOPE_SHIFT = math.log(math.expm1(1.0 - MIN_SLOPE))


class Knots(NamedTuple):
    """Knots of M splines: positions ``x``, values ``y`` and slopes, each ``(M, b + 1)``, ascending."""

    x: Tensor
    y: Tensor
    slope: Tensor


def n_parameters(bins: int) -> int:
    """Free numbers of a spline of ``bins`` bins: widths, heights, and inner slopes."""
    return 3 * bins - 1


def knots(parameters: Tensor, box: float) -> Knots:
    """Make knots out of unconstrained ``parameters (M, 3b - 1)``; zeros give the identity.

    Widths and heights are softmaxes of b numbers each, slopes a softplus of b - 1 numbers, all bounded below by
    :data:`MIN_BIN` and :data:`MIN_SLOPE`.
    """
    bins = (parameters.shape[-1] + 1) // 3
    widths, heights, slopes = parameters.split([bins, bins, bins - 1], dim=-1)
    slopes = MIN_SLOPE + F.softplus(slopes + _SLOPE_SHIFT)
    return Knots(_edges(widths, box), _edges(heights, box), F.pad(slopes, (1, 1), value=1.0))


def _edges(logits: Tensor, box: float) -> Tensor:
    bins = logits.shape[-1]
    parts = MIN_BIN + (1.0 - MIN_BIN * bins) * logits.softmax(dim=-1)
    inner = 2.0 * box * parts[..., :-1].cumsum(dim=-1) - box
    ends = inner.new_full((*inner.shape[:-1], 1), box)
    return torch.cat((-ends, inner, ends), dim=-1)


def spline(x: Tensor, k: Knots) -> tuple[Tensor, Tensor]:
    """Evaluate splines.

    Parameters
    ----------
    x : Tensor
        Points, ``(M, K)``.
    k : Knots
        Knots of the M splines.

    Returns
    -------
    (Tensor, Tensor)
        Values and logarithms of the derivative, ``(M, K)`` each. Outside the box: ``x`` and 0.
    """
    inside, z, (x0, y0, d0, x1, y1, d1) = _locate(x, k.x, k)
    w, h = x1 - x0, y1 - y0
    t = (z - x0) / w
    s = h / w
    tu, u = t * (1.0 - t), 1.0 - t
    denominator = s + (d0 + d1 - 2.0 * s) * tu
    y = y0 + h * (s * t * t + d0 * tu) / denominator
    numerator = d1 * t * t + 2.0 * s * tu + d0 * u * u
    log_slope = 2.0 * (s / denominator).log() + numerator.log()
    return torch.where(inside, y, x), torch.where(inside, log_slope, torch.zeros_like(x))


def inverse_spline(y: Tensor, k: Knots) -> Tensor:
    """Points ``(M, K)`` at which the splines have the values ``y (M, K)``; the inverse of :func:`spline`."""
    inside, z, (x0, y0, d0, x1, y1, d1) = _locate(y, k.y, k)
    w, h = x1 - x0, y1 - y0
    s = h / w
    dy = z - y0
    curvature = dy * (d0 + d1 - 2.0 * s)
    a = h * (s - d0) + curvature
    b = h * d0 - curvature
    c = -s * dy
    root = (
        2.0 * c / (-b - (b * b - 4.0 * a * c).clamp_min(0.0).sqrt())
    )  # the stable form of the root in [0, 1]
    return torch.where(inside, x0 + root.clamp(0.0, 1.0) * w, y)


def _locate(z: Tensor, edges: Tensor, k: Knots) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Whether points lie inside the box; the points, clamped to it; and both knots of their bins."""
    low, high = edges[:, :1], edges[:, -1:]
    inside = (z > low) & (z < high)
    z = torch.where(inside, z, torch.zeros_like(z))  # outside, any point of the box: its result is not used
    right = torch.searchsorted(edges[:, 1:-1].detach().contiguous(), z.detach().contiguous(), right=True) + 1
    left = right - 1
    return inside, z, (*(e.gather(1, left) for e in k), *(e.gather(1, right) for e in k))
