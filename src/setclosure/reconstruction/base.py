"""What a reconstruction is: the comparison that trains an encoder and a decoder together."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from setclosure.sets.microstates import MicrostateBatch
from setclosure.settings import Settings

D_contra = TypeVar("D_contra", contravariant=True)


class Reconstruction(Protocol[D_contra]):
    """Compares microstates with what a decoder of one kind makes of their embeddings."""

    def loss(
        self, batch: MicrostateBatch, embeddings: Tensor, decoder: D_contra, generator: torch.Generator | None = None
    ) -> Tensor:
        """Loss of each microstate ``(B,)``, from embeddings ``(B, S, c)``; random numbers from ``generator``."""
        ...


class ReconstructionConfig(Settings):
    """Options of a reconstruction; a subclass has its fields, and makes it."""

    def build(self, bandwidth: float | Tensor) -> Reconstruction[Any]:
        """Make the reconstruction; ``bandwidth`` is ε in the units of the points, for those that smooth."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its reconstruction")
