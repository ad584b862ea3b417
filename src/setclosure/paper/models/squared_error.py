"""Autoencoders for ordered microstates minimise the squared error of particles by their index (Sec. 3.2)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from setclosure.errors import ModelError
from setclosure.paper.models.pointwise import PointwiseDecoder
from setclosure.reconstruction.base import LossAlone, ReconstructionConfig
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch


@register("reconstruction", "squared_error")
class SquaredErrorConfig(ReconstructionConfig):
    """The options of a :class:`SquaredError`, which has none."""

    by_index: ClassVar[bool] = True

    def build(self, bandwidth: float | Tensor) -> SquaredError:
        """Make the reconstruction, which smooths nothing and ignores ``bandwidth``."""
        return SquaredError()


class SquaredError(LossAlone):
    """A reconstruction by the mean over particles of ‖x_i − x̂_i‖² / d.

    Particle i is compared with the i-th particle of the decoder, although the order of a set means nothing.

    Examples
    --------
    >>> batch = MicrostateBatch.from_points(torch.ones(2, 5, 3))
    >>> SquaredError().loss(batch, torch.zeros(2, 1, 4), lambda closure: torch.zeros(2, 5, 3))
    tensor([1., 1.])
    """

    def loss(
        self,
        batch: MicrostateBatch,
        embeddings: Tensor,
        decoder: PointwiseDecoder,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Give the loss of each microstate ``(B,)``, from embeddings ``(B, S, c)``.

        Raises
        ------
        ModelError
            If the microstates have another number of particles than the decoder makes.
        """
        decoded = decoder(embeddings.flatten(1))
        if decoded.shape != batch.points.shape:
            raise ModelError(
                f"the decoder makes microstates of shape {tuple(decoded.shape[1:])}, these have "
                f"{tuple(batch.points.shape[1:])}; a squared error pairs particles by their index. Train on sets of "
                "one size, or use a method that reconstructs a distribution or the Chamfer distance."
            )
        weights = batch.particle_weights  # (B, N)
        return (weights * (batch.points - decoded).square().mean(dim=-1)).sum(dim=1)
