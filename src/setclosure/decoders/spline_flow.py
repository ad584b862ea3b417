"""The paper's decoder is a conditional autoregressive spline flow, with one context for all points of a set (B.2).

The splines are those of Durkan et al. 2019 (arXiv 1906.04032), the masks those of Germain et al. 2015 (arXiv
1502.03509). All that depends on the context alone is computed once for each set: the context's part of every layer,
and the spline of every layer's first feature. Only the features behind the first need a network for each point.

A feature may be an angle. Its spline is then one of the circle to itself, after a rotation that is learned, too
(Rezende et al. 2020, arXiv 2002.02428), its base is uniform, and the networks see its cosine and sine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

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

    on_circles: ClassVar[bool] = True

    layers: int = Field(8, ge=1, description="Autoregressive spline layers.")
    bins: int = Field(16, ge=2, le=256, description="Bins of each spline.")
    box: float = Field(8.0, gt=0, description="The splines act on [-box, box]; outside they are the identity.")
    hidden: int = Field(128, ge=1, description="Units of every hidden layer.")
    blocks: int = Field(2, ge=0, description="Residual blocks of every network; one hidden layer each on points.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> SplineFlow:
        """Make the flow for the d features of ``kind``, given the ``closure_dim`` = c numbers of one species."""
        return SplineFlow(kind.n_features, closure_dim, **self.options(), circular=kind.circular)


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
    circular : sequence of bool
        Which features are angles, ``(d,)``; none by default.

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
        circular: Sequence[bool] = (),
    ) -> None:
        super().__init__()
        self.n_features, self.layers, self.box = n_features, layers, box
        self.circular = tuple(circular) if any(circular) else (False,) * n_features
        # a circular spline has a slope more than another, and a rotation; where some are, all have as much room
        self._first = n_parameters(bins, circular=True) + 1 if any(self.circular) else n_parameters(bins)
        self._bins = bins
        outputs = (n_features - 1) * self._first
        self.trunk = ContextTrunk(context_dim, hidden, blocks)
        self.conditioners = nn.ModuleList(
            Conditioner(n_features - 1, outputs, hidden, blocks, [1 + angle for angle in self._angles(layer)[:-1]])
            for layer in range(layers if n_features > 1 else 0)
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
        for column, angle in zip(columns, self._angles(self.layers), strict=True):
            total = total - (0.5 * math.log(2.0 * math.pi) if angle else 0.5 * column.square())
        return total

    @torch.no_grad()
    def sample(self, context: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``n`` points for each context of ``(G, c)``: ``(G, n, d)``."""
        shape = (self.n_features, context.shape[0], n)
        columns = list(torch.randn(shape, generator=generator, dtype=context.dtype, device=context.device))
        for j, angle in enumerate(self._angles(self.layers)):
            if angle:
                uniform = torch.rand(shape[1:], generator=generator, dtype=context.dtype, device=context.device)
                columns[j] = (2.0 * uniform - 1.0) * math.pi
        parts = self._context_parts(context)
        for layer in reversed(range(self.layers)):
            columns.reverse()
            columns = self._invert(layer, columns, *parts[layer])
        return torch.stack(columns, dim=-1)

    def _angles(self, layer: int) -> tuple[bool, ...]:
        """Say which columns are angles in the order that they have before a layer."""
        return self.circular if layer % 2 == 0 else self.circular[::-1]

    def _context_parts(self, context: Tensor) -> list[tuple[Tensor, Tensor]]:
        """List the first feature's parameters ``(G, ·)`` and the conditioner's biases ``(G, ·)`` of each layer."""
        parts = self.heads(self.trunk(context)).view(context.shape[0], self.layers, -1)
        return [(part[:, : self._first], part[:, self._first :]) for part in parts.unbind(dim=1)]

    def _transform(
        self, layer: int, columns: list[Tensor], first: Tensor, biases: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Transform columns ``(G, K)`` by one layer; give them and the sum of the log-derivatives ``(G, K)``."""
        angles = self._angles(layer)
        head, log_slope = self._spline(columns[0], first, angles[0])
        if self.n_features == 1:
            return [head], log_slope
        G, K = head.shape
        parameters = self.conditioners[layer](_inputs(columns[:-1], angles), biases)
        rest = torch.stack(columns[1:], dim=-1)
        if len(set(angles[1:])) == 1:
            tail, log_slopes = self._spline(rest.view(-1, 1), parameters.view(-1, self._first), angles[1])
            log_slope = log_slope + log_slopes.view(G, K, -1).sum(dim=-1)
            return [head, *tail.view(G, K, -1).unbind(dim=-1)], log_slope
        done: dict[int, Tensor] = {}
        for kind in (False, True):
            of_kind = [j for j, angle in enumerate(angles[1:]) if angle == kind]
            own = parameters.view(G, K, -1, self._first)[:, :, of_kind].reshape(-1, self._first)
            tail, log_slopes = self._spline(rest[..., of_kind].reshape(-1, 1), own, kind)
            log_slope = log_slope + log_slopes.view(G, K, -1).sum(dim=-1)
            done |= dict(zip(of_kind, tail.view(G, K, -1).unbind(dim=-1), strict=True))
        return [head, *(done[j] for j in range(self.n_features - 1))], log_slope

    def _invert(self, layer: int, columns: list[Tensor], first: Tensor, biases: Tensor) -> list[Tensor]:
        """Undo :meth:`_transform`, one feature after the other, as each needs those before it."""
        angles = self._angles(layer)
        done = [self._inverse(columns[0], first, angles[0])]
        for j in range(1, self.n_features):
            known = _inputs(done + columns[j:-1], angles)  # masks hide the features that are not yet known
            parameters = self.conditioners[layer](known, biases).unflatten(-1, (-1, self._first))[:, :, j - 1]
            column = self._inverse(columns[j].reshape(-1, 1), parameters.flatten(0, 1), angles[j])
            done.append(column.view_as(columns[j]))
        return done

    def _spline(self, x: Tensor, parameters: Tensor, angle: bool) -> tuple[Tensor, Tensor]:
        """Evaluate splines at ``x (M, K)``; an angle is turned first."""
        if angle:
            return spline(wrapped(x + parameters[:, -1:]), parameters[:, :-1], math.pi)
        return spline(x, parameters[:, : n_parameters(self._bins)], self.box)

    def _inverse(self, y: Tensor, parameters: Tensor, angle: bool) -> Tensor:
        if angle:
            return wrapped(inverse(y, knots(parameters[:, :-1], math.pi), circular=True) - parameters[:, -1:])
        return inverse(y, knots(parameters[:, : n_parameters(self._bins)], self.box))


def wrapped(angle: Tensor) -> Tensor:
    """Move angles into [-π, π).

    Examples
    --------
    >>> round(wrapped(torch.tensor(4.0)).item(), 4)
    -2.2832
    """
    return angle - 2.0 * math.pi * ((angle + math.pi) / (2.0 * math.pi)).floor()


def _inputs(columns: list[Tensor], angles: tuple[bool, ...]) -> Tensor:
    """Give columns ``(G, K)`` as a network sees them, an angle as cosine and sine: ``(G, K, ·)``."""
    seen = [[x.cos(), x.sin()] if angle else [x] for x, angle in zip(columns, angles, strict=False)]
    return torch.stack([part for parts in seen for part in parts], dim=-1)
