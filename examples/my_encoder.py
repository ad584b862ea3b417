"""An encoder of one's own: the moments of the particles, and a small network on them.

    setclosure check-part encoder moments --plugin examples/my_encoder.py
    setclosure --plugin examples/my_encoder.py run my.yaml --out runs/moments --set model.encoder=moments

Padding, species and masses are all weights, so it needs no masks.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

import setclosure
from setclosure.encoders.base import EncoderConfig
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


@setclosure.register("encoder", "moments")
class MomentsConfig(EncoderConfig):
    """Options of the encoder: what a configuration may set, and checks."""

    order: int = Field(4, ge=1, description="Highest power.")
    width: int = Field(64, ge=1, description="Units of the hidden layer.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> nn.Module:
        """Make the encoder of particles with d features, to c numbers a species."""
        return Moments(kind.n_features, closure_dim, self)


class Moments(nn.Module):
    """ρ(Σ_i w_i x_i^k, k = 1 … order), for each species."""

    def __init__(self, n_features: int, closure_dim: int, config: MomentsConfig) -> None:
        super().__init__()
        self.order = config.order
        self.rho = nn.Sequential(
            nn.Linear(n_features * config.order, config.width), nn.SiLU(), nn.Linear(config.width, closure_dim)
        )

    def forward(self, batch: MicrostateBatch) -> Tensor:
        """Embed microstates: ``(B, S, c)``."""
        powers = torch.cat([batch.points**k for k in range(1, self.order + 1)], dim=-1)  # (B, N, d · order)
        return self.rho(batch.weights @ powers)  # weights are (B, S, N)
