"""A decoder of one's own: every feature has a logistic distribution that the closure moves and stretches.

    setclosure check-part decoder logistic --plugin examples/my_decoder.py
    setclosure --plugin examples/my_decoder.py run my.yaml --out runs/logistic --set model.decoder=logistic

A module with ``log_prob`` and ``sample`` is a conditional density. G counts microstates times species, K points of
each, c numbers of a closure.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

import setclosure
from setclosure.decoders.base import DecoderConfig
from setclosure.sets.microstates import MicrostateKind


@setclosure.register("decoder", "logistic")
class LogisticConfig(DecoderConfig):
    """Options of the decoder."""

    hidden: int = Field(64, ge=1, description="Units of the hidden layer.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> nn.Module:
        """Make the decoder of particles with d features, from c numbers a species."""
        return Logistic(kind.n_features, closure_dim, self.hidden)


class Logistic(nn.Module):
    """p(x | ẑ) = Π_j sech²((x_j − m_j) / 2 s_j) / 4 s_j, with m and s from a network on ẑ."""

    def __init__(self, n_features: int, closure_dim: int, hidden: int) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(closure_dim, hidden), nn.SiLU(), nn.Linear(hidden, 2 * n_features))

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Log density ``(G, K)`` of points ``x (G, K, d)``, given ``context (G, c)``."""
        middle, log_scale = self._shape(context)
        z = (x - middle) / log_scale.exp()
        return (-z - 2 * softplus(-z) - log_scale).sum(dim=-1)

    @torch.no_grad()
    def sample(self, context: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``n`` points for each context: ``(G, n, d)``."""
        middle, log_scale = self._shape(context)
        shape = (len(context), n, middle.shape[-1])
        u = torch.rand(shape, generator=generator, dtype=context.dtype, device=context.device)
        return middle + log_scale.exp() * u.logit(eps=1e-7)

    def _shape(self, context: Tensor) -> tuple[Tensor, Tensor]:
        middle, log_scale = self.network(context)[:, None].chunk(2, dim=-1)  # (G, 1, d) each
        return middle, log_scale
