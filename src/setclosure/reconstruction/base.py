"""Every reconstruction keeps the protocol here, and its options have the base here."""

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
        """Give the loss of each microstate, ``(B,)``.

        A constant that no parameter of the model can change may be left out.

        Parameters
        ----------
        batch : MicrostateBatch
            B microstates in standard coordinates.
        embeddings : Tensor
            Their embeddings, ``(B, S, c)``.
        decoder : Module
            The decoder.
        generator : torch.Generator, optional
            Source of random numbers; PyTorch's global one by default.
        """
        ...

    def score(
        self, batch: MicrostateBatch, embeddings: Tensor, decoder: D_contra, generator: torch.Generator | None = None
    ) -> Tensor:
        """Say how badly the decoder knows each microstate, ``(B,)``, for the range check; a small number is good.

        Every microstate gets the same random numbers, so that batch mates change nothing. A reconstruction without
        such a score gives NaN. The arguments are those of :meth:`loss`.
        """
        ...


class ReconstructionConfig(PartConfig):
    """The base of the options of reconstructions: a subclass has the options as fields, and builds it."""

    by_index: ClassVar[bool] = False
    """Whether particles are paired with the decoder's by their index: the loss then depends on their order."""

    smooths: ClassVar[bool] = False
    """Whether the bandwidth ε matters to the reconstruction."""

    def build(self, bandwidth: float | Tensor) -> Reconstruction[Any]:
        """Make the reconstruction.

        Parameters
        ----------
        bandwidth : float or Tensor
            ε of q_X in the units of the points, for a reconstruction that smooths: one number, or ``(d,)``; in a
            periodic cell matrices ``(B, d, d)``, as :class:`~setclosure.reconstruction.target_density.TargetDensity`
            takes them.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its reconstruction")


class LossAlone:
    """The base of reconstructions that have a loss and no score for the range check."""

    def score(
        self, batch: MicrostateBatch, embeddings: Tensor, decoder: Any, generator: torch.Generator | None = None
    ) -> Tensor:
        """Give NaN for each microstate, ``(B,)``, as there is no score."""
        return torch.full((len(batch),), float("nan"))
