"""The flat perceptron reads particles in a row, as autoencoders for ordered microstates do (AE-Aug, Sec. 4)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from setclosure.encoders.base import EncoderConfig
from setclosure.errors import ModelError
from setclosure.networks import Activation, mlp
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


@register("encoder", "flat_mlp")
class FlatMLPConfig(EncoderConfig):
    """The sizes of a :class:`FlatMLP`."""

    ordered: ClassVar[bool] = True

    width: int = Field(128, ge=1, description="Units of every hidden layer.")
    depth: int = Field(4, ge=1, description="Hidden layers: as many as a DeepSet has in φ and ρ together.")
    activation: Activation = Field("silu", description="Between the layers.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> FlatMLP:
        """Make the encoder of microstates of a ``kind``, with ``closure_dim`` = c numbers for each species."""
        return FlatMLP(kind, closure_dim, self)


class FlatMLP(nn.Module):
    """An encoder that runs a perceptron on the N·d features in a row, and sees neither species nor weights.

    Its output depends on the order of the particles, and its input has a fixed length. It is the baseline that the
    paper argues against. Training on random orders weakens the dependence on the order and does not remove it.

    Parameters
    ----------
    kind : MicrostateKind
        The sizes N, d and S of microstates.
    closure_dim : int
        Numbers of the embedding of one species, c.
    config : FlatMLPConfig
        Sizes.

    Examples
    --------
    >>> import torch
    >>> batch = MicrostateBatch.from_points(torch.randn(4, 10, 2))
    >>> FlatMLP(MicrostateKind(2, n_particles=10), 3, FlatMLPConfig(width=16))(batch).shape
    torch.Size([4, 1, 3])
    """

    def __init__(self, kind: MicrostateKind, closure_dim: int, config: FlatMLPConfig | None = None) -> None:
        super().__init__()
        config = config or FlatMLPConfig()
        self.kind = kind
        sizes = [kind.n_particles * kind.n_features] + [config.width] * config.depth
        self.network = mlp([*sizes, kind.n_species * closure_dim], config.activation)

    def forward(self, batch: MicrostateBatch) -> Tensor:
        """Embed ``batch``: ``(B, S, c)``.

        Raises
        ------
        ModelError
            If a microstate has another number of particles than N.
        """
        counts = batch.counts
        if batch.points.shape[1] != self.kind.n_particles or bool((counts != self.kind.n_particles).any()):
            raise ModelError(
                f"this encoder reads exactly {self.kind.n_particles} particles in a row; got microstates of "
                f"{int(counts.min())} to {int(counts.max())}. Encoders of sets (DeepSet, Set Transformer) take any "
                "number."
            )
        embedding: Tensor = self.network(batch.points.flatten(1)).unflatten(1, (self.kind.n_species, -1))
        return embedding
