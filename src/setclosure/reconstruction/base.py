"""What a reconstruction is: the comparison that trains an encoder and a decoder together."""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from torch import Tensor

from setclosure.microstates import MicrostateBatch

D_contra = TypeVar("D_contra", contravariant=True)


class Reconstruction(Protocol[D_contra]):
    """Compares microstates with what a decoder of one kind makes of their embeddings."""

    def loss(
        self, batch: MicrostateBatch, embeddings: Tensor, decoder: D_contra, generator: torch.Generator | None = None
    ) -> Tensor:
        """Loss of each microstate ``(B,)``, from embeddings ``(B, S, c)``; random numbers from ``generator``."""
        ...
