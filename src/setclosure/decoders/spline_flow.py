"""Conditional masked-autoregressive spline flow, with one context for all points of a set.

Durkan et al. 2019 (arXiv 1906.04032) with the masks of Germain et al. 2015 (arXiv 1502.03509); the paper's
decoder (B.2). What depends on the context alone is computed once for each set: the context's part of every
layer, and the spline of every layer's first feature. Only the features behind the first need a network for
each point.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from setclosure.decoders.rational_quadratic import inverse_spline, knots, n_parameters, spline
from setclosure.settings import Settings


class SplineFlowConfig(Settings):
    """Sizes of a :class:`SplineFlow`."""

    layers: int = Field(8, ge=1, description="Autoregressive spline layers.")
    bins: int = Field(16, ge=2, le=256, description="Bins of each spline.")
    box: float = Field(
        8.0, gt=0, description="The splines act on [-box, box]; outside they are the identity."
    )
    hidden: int = Field(128, ge=1, description="Units of every hidden layer.")
    blocks: int = Field(2, ge=0, description="Residual blocks of every network, of two linear layers each.")

    def build(self, n_features: int, context_dim: int) -> SplineFlow:
        """Make the flow for ``n_features`` = d and ``context_dim`` = c."""
        return SplineFlow(n_features, context_dim, **self.model_dump())


class SplineFlow(nn.Module):
    """Normalizing flow p(x | context) of autoregressive rational-quadratic spline layers over a base N(0, I).

    ``log_prob`` needs one pass, ``sample`` inverts feature by feature (d passes). The order of the features is
    reversed after each layer, which is fixed and needs no seed: each feature comes before each other one in
    every second layer. A new flow is the identity to within about 1 %.

    Parameters
    ----------
    n_features : int
        Features of a point, d ≥ 1.
    context_dim : int
        Numbers of a context, c ≥ 0; with 0 the density is unconditional.
    layers, bins, box, hidden, blocks
        As in :class:`SplineFlowConfig`.

    Examples
    --------
    >>> flow = SplineFlow(n_features=2, context_dim=3, layers=2, hidden=16)
    >>> x, context = torch.randn(5, 100, 2), torch.randn(5, 3)
    >>> flow.log_prob(x, context).shape, flow.sample(context, 7).shape
    (torch.Size([5, 100]), torch.Size([5, 7, 2]))
    """

    def __init__(
        self,
        n_features: int,
        context_dim: int,
        layers: int = 8,
        bins: int = 16,
        box: float = 8.0,
        hidden: int = 128,
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.n_features, self.box, self.hidden, self.blocks = n_features, box, hidden, blocks
        # The context's part of all layers is one matrix product: per layer the first feature's spline, and
        # for every other feature's network a shift of its first hidden layer and of each block's inner layer.
        self._first = n_parameters(bins)
        self._shifts = (blocks + 1) * hidden if n_features > 1 else 0
        self.trunk = _Trunk(context_dim, hidden, blocks)
        self.heads = nn.Linear(hidden, layers * (self._first + self._shifts))
        with torch.no_grad():
            weight = self.heads.weight.view(layers, -1, hidden)
            bias = self.heads.bias.view(layers, -1)
            weight[:, : self._first] *= 0.01
            bias[:, : self._first] = 0.0
        self.conditioners = nn.ModuleList(
            _Conditioner(n_features, bins, hidden, blocks) for _ in range(layers if n_features > 1 else 0)
        )
        self.layers = layers

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Log density ``(G, K)`` of ``x (G, K, d)`` given one context for each set, ``(G, c)``."""
        columns = list(x.unbind(dim=-1))
        log_slope = x.new_zeros(())
        for layer, (first, shifts) in enumerate(self._context_parts(context)):
            columns, slopes = self._layer(layer, columns, first, shifts)
            log_slope = log_slope + slopes
            columns.reverse()
        square = sum((column.square() for column in columns), start=x.new_zeros(()))
        return log_slope - 0.5 * square - 0.5 * self.n_features * math.log(2.0 * math.pi)

    @torch.no_grad()
    def sample(self, context: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``n`` points for each context of ``(G, c)``: ``(G, n, d)``."""
        G, d = context.shape[0], self.n_features
        noise = torch.randn((d, G, n), generator=generator, dtype=context.dtype, device=context.device)
        columns = list(noise)
        parts = self._context_parts(context)
        for layer in reversed(range(self.layers)):
            columns.reverse()
            columns = self._invert(layer, columns, *parts[layer])
        return torch.stack(columns, dim=-1)

    def _context_parts(self, context: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Per layer: the first feature's spline parameters ``(G, 3b-1)``, and shifts ``(blocks+1, G, 1, hidden)``."""
        parts = self.heads(self.trunk(context)).view(context.shape[0], self.layers, -1)
        first = parts[..., : self._first]
        shifts = parts[..., self._first :].unflatten(-1, (-1, 1, self.hidden)) if self._shifts else first
        return [(first[:, layer], shifts[:, layer].transpose(0, 1)) for layer in range(self.layers)]

    def _layer(
        self, layer: int, columns: list[Tensor], first: Tensor, shifts: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Transform the columns ``(G, K)`` of one layer; also the sum of the log-derivatives ``(G, K)``."""
        head, log_slope = spline(columns[0], knots(first, self.box))
        if self.n_features == 1:
            return [head], log_slope
        G, K = head.shape
        parameters = self.conditioners[layer](torch.stack(columns[:-1], dim=-1), shifts)
        rest = torch.stack(columns[1:], dim=-1)
        tail, slopes = spline(rest.view(-1, 1), knots(parameters.view(-1, self._first), self.box))
        log_slope = log_slope + slopes.view(G, K, -1).sum(dim=-1)
        return [head, *tail.view(G, K, -1).unbind(dim=-1)], log_slope

    def _invert(self, layer: int, columns: list[Tensor], first: Tensor, shifts: Tensor) -> list[Tensor]:
        """Undo :meth:`_layer`, one feature after the other: each needs those before it."""
        done = [inverse_spline(columns[0], knots(first, self.box))]
        for j in range(1, self.n_features):
            known = torch.stack(
                done + columns[j:-1], dim=-1
            )  # masks hide the features that are not yet known
            parameters = self.conditioners[layer](known, shifts)[:, :, j - 1]
            column = inverse_spline(columns[j].reshape(-1, 1), knots(parameters.flatten(0, 1), self.box))
            done.append(column.view_as(columns[j]))
        return done


class _Trunk(nn.Module):
    """Residual network on the contexts ``(G, c)``, of which every layer's context part is a linear image."""

    def __init__(self, context_dim: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.inlet = nn.Linear(context_dim, hidden) if context_dim else None
        self.constant = nn.Parameter(torch.zeros(hidden))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
            for _ in range(blocks)
        )

    def forward(self, context: Tensor) -> Tensor:
        h = self.constant.expand(context.shape[0], -1)
        if self.inlet is not None:
            h = h + self.inlet(context)
        for block in self.blocks:
            h = h + block(h)
        return F.relu(h)


class _Conditioner(nn.Module):
    """Masked residual network: features 1 … d-1 of each point to the spline parameters of features 2 … d.

    Each hidden unit has a degree in 1 … d-1 and sees features up to its degree; the parameters of feature j see
    units of degree below j (Germain et al. 2015). With d = 2 nothing is masked.
    """

    inlet_mask: Tensor
    inner_mask: Tensor
    outlet_mask: Tensor

    def __init__(self, n_features: int, bins: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.masked = n_features > 2
        self.n_out = n_features - 1
        self.inlet = nn.Parameter(torch.empty(hidden, n_features - 1))
        self.inner = nn.ParameterList(nn.Parameter(torch.empty(2, hidden, hidden)) for _ in range(blocks))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(hidden)) for _ in range(blocks))
        self.outlet = nn.Linear(hidden, (n_features - 1) * n_parameters(bins))
        nn.init.kaiming_uniform_(self.inlet, a=math.sqrt(5.0))
        for pair in self.inner:
            for weight in pair:
                nn.init.kaiming_uniform_(weight, a=math.sqrt(5.0))
        with torch.no_grad():
            self.outlet.weight.mul_(0.01)
            self.outlet.bias.zero_()
        if self.masked:
            degree = torch.arange(hidden) % (n_features - 1) + 1
            feature = torch.arange(1, n_features)
            out = feature.repeat_interleave(n_parameters(bins))
            self.register_buffer("inlet_mask", degree[:, None] >= feature, persistent=False)
            self.register_buffer("inner_mask", degree[:, None] >= degree, persistent=False)
            self.register_buffer("outlet_mask", out[:, None] >= degree, persistent=False)

    def forward(self, x: Tensor, shifts: Tensor) -> Tensor:
        """Spline parameters ``(G, K, d-1, 3b-1)`` of ``x (G, K, d-1)``, with ``shifts (blocks+1, G, 1, hidden)``."""
        inlet, outlet = self.inlet, self.outlet.weight
        inner = list(self.inner)
        if self.masked:
            inlet, outlet = inlet * self.inlet_mask, outlet * self.outlet_mask
            inner = [pair * self.inner_mask for pair in inner]
        h = x @ inlet.T + shifts[0]
        for pair, bias, shift in zip(inner, self.biases, shifts[1:], strict=True):
            inside = F.relu(F.relu(h) @ pair[0].T + shift)
            h = h + F.linear(inside, pair[1], bias)
        return F.linear(h, outlet, self.outlet.bias).unflatten(-1, (self.n_out, -1))
