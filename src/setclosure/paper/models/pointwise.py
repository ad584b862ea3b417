"""The point-wise decoder maps the closure to all particles in a row (the autoencoder baselines of Sec. 4)."""

from __future__ import annotations

from typing import Protocol

from pydantic import Field
from torch import Tensor, nn

from setclosure.decoders.base import DecoderConfig
from setclosure.networks import Activation, mlp
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateKind


class PointwiseDecoder(Protocol):
    """A map from the closure of a whole microstate to a list of particles."""

    def __call__(self, closure: Tensor) -> Tensor:
        """Give particles ``(B, N, d)`` from closures ``(B, S·c)``."""
        ...


@register("decoder", "pointwise_mlp")
class PointwiseMLPConfig(DecoderConfig):
    """The sizes of a :class:`PointwiseMLP`."""

    hidden: int = Field(128, ge=1, description="Units of every hidden layer.")
    depth: int = Field(3, ge=1, description="Hidden layers.")
    activation: Activation = Field("silu", description="Between the layers.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> PointwiseMLP:
        """Make the decoder to the N particles of ``kind``, given the S·``closure_dim`` numbers of all species."""
        return PointwiseMLP(kind, closure_dim, self)


class PointwiseMLP(nn.Module):
    """A perceptron from closures to as many particles as training microstates have.

    Parameters
    ----------
    kind : MicrostateKind
        The sizes N, d and S of microstates; species are decoded together, since their numbers may vary (A.4).
    closure_dim : int
        Numbers of the embedding of one species, c.
    config : PointwiseMLPConfig
        Sizes.

    Examples
    --------
    >>> import torch
    >>> PointwiseMLP(MicrostateKind(2, n_particles=10), 3)(torch.randn(4, 3)).shape
    torch.Size([4, 10, 2])
    """

    def __init__(self, kind: MicrostateKind, closure_dim: int, config: PointwiseMLPConfig | None = None) -> None:
        super().__init__()
        config = config or PointwiseMLPConfig()
        self.kind = kind
        sizes = [kind.n_species * closure_dim] + [config.hidden] * config.depth
        self.network = mlp([*sizes, kind.n_particles * kind.n_features], config.activation)

    def forward(self, closure: Tensor) -> Tensor:
        """Decode closures ``(B, S·c)``: ``(B, N, d)``."""
        points: Tensor = self.network(closure).unflatten(1, (self.kind.n_particles, self.kind.n_features))
        return points
