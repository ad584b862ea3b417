"""The protocol of reconstructions: what compares microstates with what a decoder makes of their embeddings."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor

from setclosure.parts import PartConfig
from setclosure.sets.microstates import MicrostateBatch

D_contra = TypeVar("D_contra", contravariant=True)


class Reconstruction(Protocol[D_contra]):
    """The comparison that trains an encoder and a decoder of one kind together."""

    def loss(
        self, batch: MicrostateBatch, embeddings: Tensor, decoder: D_contra, generator: torch.Generator | None = None
    ) -> Tensor:
        """Give the loss of each microstate ``(B,)``, from embeddings ``(B, S, c)``; random numbers from ``generator``.

        A constant that no parameter of the model can change may be left out.
        """
        ...

    def score(
        self, batch: MicrostateBatch, embeddings: Tensor, decoder: D_contra, generator: torch.Generator | None = None
    ) -> Tensor:
        """Say how badly the decoder knows each microstate ``(B,)``: small is well; for the range check.

        Every microstate gets the same random numbers, so that batch mates change nothing. NaN where the comparison has
        no such score.
        """
        ...


class ReconstructionConfig(PartConfig):
    """Options of a reconstruction; a subclass has its fields, and makes it."""

    by_index: ClassVar[bool] = False
    """Whether particles are paired with the decoder's by their index: the loss then depends on their order."""

    def build(self, bandwidth: float | Tensor) -> Reconstruction[Any]:
        """Make the reconstruction; ``bandwidth`` is ε in the units of the points, for those that smooth."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its reconstruction")


class LossAlone:
    """The base of reconstructions that have a loss and no score."""

    def score(
        self, batch: MicrostateBatch, embeddings: Tensor, decoder: Any, generator: torch.Generator | None = None
    ) -> Tensor:
        """Give NaN for each microstate, ``(B,)``: there is no score."""
        return torch.full((len(batch),), float("nan"))
