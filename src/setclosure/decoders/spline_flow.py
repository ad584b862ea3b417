"""The paper's decoder is a conditional autoregressive spline flow, with one context for all points of a set (B.2).

The splines are those of Durkan et al. 2019 (arXiv 1906.04032), the masks those of Germain et al. 2015 (arXiv
1502.03509). All that depends on the context alone is computed once for each set: the context's part of every layer,
and the spline of every layer's first feature. Only the features behind the first need a network for each point.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from setclosure.decoders.base import DecoderConfig
from setclosure.decoders.conditioner import Conditioner, ContextTrunk
from setclosure.decoders.rational_quadratic import inverse, knots, n_parameters, spline
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateKind


@register("decoder", "spline_flow")
class SplineFlowConfig(DecoderConfig):
    """The sizes of a :class:`SplineFlow`."""

    layers: int = Field(8, ge=1, description="Autoregressive spline layers.")
    bins: int = Field(16, ge=2, le=256, description="Bins of each spline.")
    box: float = Field(8.0, gt=0, description="The splines act on [-box, box]; outside they are the identity.")
    hidden: int = Field(128, ge=1, description="Units of every hidden layer.")
    blocks: int = Field(2, ge=0, description="Residual blocks of every network; one hidden layer each on points.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> SplineFlow:
        """Make the flow for the d features of ``kind``, given the ``closure_dim`` = c numbers of one species."""
        return SplineFlow(kind.n_features, closure_dim, **self.options())


class SplineFlow(nn.Module):
    """A normalizing flow p(x | context) of autoregressive rational-quadratic spline layers over a base N(0, I).

    ``log_prob`` needs one pass, ``sample`` inverts feature by feature (d passes). The order of the features is
    reversed after each layer, so each feature comes before each other one in every second layer. A new flow is close
    to the identity.

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
        self.n_features, self.layers, self.box = n_features, layers, box
        self._first = n_parameters(bins)
        outputs = (n_features - 1) * self._first
        self.trunk = ContextTrunk(context_dim, hidden, blocks)
        self.conditioners = nn.ModuleList(
            Conditioner(n_features - 1, outputs, hidden, blocks) for _ in range(layers if n_features > 1 else 0)
        )
        # The context's part of all layers is one matrix product: for each layer the first feature's spline, and
        # the biases of the other features' network. Splines start near the identity.
        inner = blocks * hidden if n_features > 1 else 0
        self.heads = nn.Linear(hidden, layers * (self._first + outputs + inner))
        with torch.no_grad():
            rows = self.heads.weight.view(layers, -1, hidden)
            rows[:, : self._first + outputs] *= 0.01
            biases = self.heads.bias.view(layers, -1)
            biases[:, : self._first + outputs] = 0.0
            biases[:, self._first + outputs :].uniform_(-1.0, 1.0)  # kinks of the hidden units spread over the data

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Evaluate the log density ``(G, K)`` at ``x (G, K, d)``, given one context for each set, ``(G, c)``."""
        with torch.autocast(x.device.type, enabled=False):  # log-determinants need their full precision
            return self._log_prob(x, context.to(x.dtype))

    def _log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        columns = list(x.unbind(dim=-1))
        total = x.new_full((), -0.5 * self.n_features * math.log(2.0 * math.pi))
        for layer, (first, biases) in enumerate(self._context_parts(context)):
            columns, log_slope = self._transform(layer, columns, first, biases)
            total = total + log_slope
            columns.reverse()
        for column in columns:
            total = total - 0.5 * column.square()
        return total

    @torch.no_grad()
    def sample(self, context: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``n`` points for each context of ``(G, c)``: ``(G, n, d)``."""
        shape = (self.n_features, context.shape[0], n)
        columns = list(torch.randn(shape, generator=generator, dtype=context.dtype, device=context.device))
        parts = self._context_parts(context)
        for layer in reversed(range(self.layers)):
            columns.reverse()
            columns = self._invert(layer, columns, *parts[layer])
        return torch.stack(columns, dim=-1)

    def _context_parts(self, context: Tensor) -> list[tuple[Tensor, Tensor]]:
        """List the first feature's parameters ``(G, 3b-1)`` and the conditioner's biases ``(G, ·)`` of each layer."""
        parts = self.heads(self.trunk(context)).view(context.shape[0], self.layers, -1)
        return [(part[:, : self._first], part[:, self._first :]) for part in parts.unbind(dim=1)]

    def _transform(
        self, layer: int, columns: list[Tensor], first: Tensor, biases: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Transform columns ``(G, K)`` by one layer; give them and the sum of the log-derivatives ``(G, K)``."""
        head, log_slope = spline(columns[0], first, self.box)
        if self.n_features == 1:
            return [head], log_slope
        G, K = head.shape
        parameters = self.conditioners[layer](torch.stack(columns[:-1], dim=-1), biases)
        rest = torch.stack(columns[1:], dim=-1)
        tail, log_slopes = spline(rest.view(-1, 1), parameters.view(-1, self._first), self.box)
        log_slope = log_slope + log_slopes.view(G, K, -1).sum(dim=-1)
        return [head, *tail.view(G, K, -1).unbind(dim=-1)], log_slope

    def _invert(self, layer: int, columns: list[Tensor], first: Tensor, biases: Tensor) -> list[Tensor]:
        """Undo :meth:`_transform`, one feature after the other, as each needs those before it."""
        done = [inverse(columns[0], knots(first, self.box))]
        for j in range(1, self.n_features):
            known = torch.stack(done + columns[j:-1], dim=-1)  # masks hide the features that are not yet known
            parameters = self.conditioners[layer](known, biases).unflatten(-1, (-1, self._first))[:, :, j - 1]
            column = inverse(columns[j].reshape(-1, 1), knots(parameters.flatten(0, 1), self.box))
            done.append(column.view_as(columns[j]))
        return done
