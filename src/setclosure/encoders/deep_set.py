"""DeepSet is the paper's encoder, ρ(Σ_i w_i φ(x_i)) (B.1; Zaheer et al. 2017, arXiv 1703.06114)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from setclosure.encoders.base import EncoderConfig
from setclosure.networks import Activation, activation, mlp
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


@register("encoder", "deep_set")
class DeepSetConfig(EncoderConfig):
    """The sizes of a :class:`DeepSet`."""

    width: int = Field(128, ge=1, description="Units of every hidden layer, and of the pooled representation.")
    phi_layers: int = Field(2, ge=1, description="Hidden layers of the element-wise map φ.")
    rho_layers: int = Field(2, ge=0, description="Hidden layers of the set-level map ρ.")
    activation: Activation = Field("silu", description="The paper has softplus; silu is smooth too, and cheaper.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> DeepSet:
        """Make the encoder of microstates of a ``kind``, with ``closure_dim`` = c numbers for each species."""
        return DeepSet(kind.n_features, closure_dim, self)


class DeepSet(nn.Module):
    """An encoder that averages the features φ(x_i) of the particles and maps the mean by ρ.

    φ is computed once for all particles and averaged for each species by the weights, so the cost is linear in N
    and hardly grows with S.

    Parameters
    ----------
    n_features : int
        Features of a particle, d.
    closure_dim : int
        Numbers of the embedding of one species, c.
    config : DeepSetConfig
        Sizes.

    Examples
    --------
    >>> import torch
    >>> batch = MicrostateBatch.from_points(torch.randn(4, 10, 2))
    >>> DeepSet(2, 3, DeepSetConfig(width=16))(batch).shape
    torch.Size([4, 1, 3])
    """

    def __init__(self, n_features: int, closure_dim: int, config: DeepSetConfig | None = None) -> None:
        super().__init__()
        config = config or DeepSetConfig()
        w, a = config.width, config.activation
        # the last linear layer of φ would commute with the mean, so φ ends in an activation instead
        self.phi = nn.Sequential(mlp([n_features] + [w] * config.phi_layers, a), activation(a))
        self.rho = mlp([w] * (config.rho_layers + 1) + [closure_dim], a)

    def forward(self, batch: MicrostateBatch) -> Tensor:
        """Embed ``batch``: ``(B, S, c)``."""
        elements = self.phi(batch.points)  # (B, N, width)
        pooled = batch.weights @ elements  # (B, S, width)
        embedding: Tensor = self.rho(pooled)
        return embedding
