"""What a reconstruction is: the comparison that trains an encoder and a decoder together."""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from torch import Tensor

from setclosure.microstates import MicrostateBatch

D = TypeVar("D", contravariant=True)


class Reconstruction(Protocol[D]):
    """Compares microstates with what a decoder of kind ``D`` makes of their embeddings."""

    def loss(
        self, batch: MicrostateBatch, embeddings: Tensor, decoder: D, generator: torch.Generator | None = None
    ) -> Tensor:
        """Loss of each microstate ``(B,)``, from embeddings ``(B, S, c)``; random numbers from ``generator``."""
        ...
