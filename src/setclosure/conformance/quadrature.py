"""Quadrature of densities in one dimension and in two, over circles or out to a thousand standard deviations."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

REACH = 7.6
"""The grid is x = sinh t with abs t up to this, so abs x up to 1,000: fine where the data are, and coarse far away."""

POINTS = {1: 2001, 2: 121}
"""Points of the grid along each axis, by dimension."""


class Grid:
    """A grid for densities of ``d`` features, 1 or 2.

    Parameters
    ----------
    d : int
        Features.
    circular : tuple of bool
        Which of them are angles, ``(d,)``; none by default.

    Examples
    --------
    >>> grid = Grid(2)
    >>> normal = torch.distributions.Normal(0.0, 1.0)
    >>> round(grid.total(normal.log_prob(grid.points[0]).sum(-1).exp()), 6)
    1.0
    """

    def __init__(self, d: int, circular: tuple[bool, ...] = ()) -> None:
        self.d, n = d, POINTS[d]
        t = torch.linspace(-REACH, REACH, n, dtype=torch.float64)
        line = t.sinh(), t.cosh() * (t[1] - t[0])
        middle = (2 * torch.arange(n, dtype=torch.float64) + 1 - n) * (math.pi / n)
        circle = middle, torch.full((n,), 2 * math.pi / n, dtype=torch.float64)
        both = [circle if angle else line for angle in circular or (False,) * d]
        self.axes, self.weights = [axis for axis, _ in both], [weights for _, weights in both]
        self.points = torch.cartesian_prod(*self.axes).view(1, -1, d)

    @torch.no_grad()
    def density(self, decoder: Any, context: Tensor) -> Tensor:
        """Evaluate the density of one ``context (1, c)`` on the grid, ``(n^d,)``."""
        parts = [decoder.log_prob(part, context)[0] for part in self.points.split(2**14, dim=1)]
        return torch.cat(parts).exp()

    def total(self, density: Tensor) -> float:
        """Integrate a density."""
        return float((self.marginal(density, 0) * self.weights[0]).sum())

    def marginal(self, density: Tensor, axis: int) -> Tensor:
        """Give the density of one feature, ``(n,)``."""
        if self.d == 1:
            return density
        return (density.view(len(self.axes[0]), -1).movedim(axis, 0) * self.weights[1 - axis]).sum(dim=1)

    def gap(self, density: Tensor, sample: Tensor, axis: int) -> float:
        """Give the largest difference of the distribution functions of a density and of a sample ``(K, d)``."""
        at = self.axes[axis]
        step = self.marginal(density, axis) * self.weights[axis]
        below = step.cumsum(0) - 0.5 * step  # the trapezoidal rule, up to the middle of each step
        values = sample[:, axis].double().sort().values
        share = torch.arange(1, len(values) + 1, dtype=torch.float64) / len(values)
        right = torch.searchsorted(at, values).clamp(1, len(at) - 1)
        x0, x1 = at[right - 1], at[right]
        part = ((values - x0) / (x1 - x0)).clamp(0, 1)
        return float((below[right - 1] + part * (below[right] - below[right - 1]) - share).abs().max())
