"""Every encoder keeps the protocol here, and its options have the base here."""

from __future__ import annotations

from typing import ClassVar, Protocol

from torch import Tensor, nn

from setclosure.parts import PartConfig
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


class Encoder(Protocol):
    """A module that maps a batch of microstates to embeddings ``(B, S, c)``, c numbers for each species.

    The same map serves every species. The closure of a whole microstate is its S·c numbers in a row.
    """

    def __call__(self, batch: MicrostateBatch) -> Tensor:
        """Embed ``batch``, ``(B, S, c)``; order, padding and batch mates must not change the result."""
        ...


class EncoderConfig(PartConfig):
    """The base of the options of encoders: a subclass has the options as fields, and builds the encoder."""

    ordered: ClassVar[bool] = False
    """Whether the encoder reads a list of a fixed length instead of a set.

    Such an encoder is trained on random orders of the particles, and takes no other number of them."""

    trained: ClassVar[bool] = True
    """Whether the encoder has weights that stage one trains.

    One that has none gives ``statistics(batch) (B, m)`` and takes what it needs from those of all training frames by
    ``fit(statistics)``. It has neither a decoder nor a loss."""

    joint: ClassVar[bool] = False
    """Whether the encoder gives one embedding ``(B, 1, c)`` of all species together, instead of one for each."""

    raw: ClassVar[bool] = False
    """Whether the encoder reads particles in the units of the data instead of standard coordinates.

    An encoder of images does, because a pixel is a place in an image. Such an encoder uses no symmetry."""

    def build(self, kind: MicrostateKind, closure_dim: int) -> nn.Module:
        """Make the :class:`Encoder` of microstates of a ``kind``, with ``closure_dim`` = c numbers for each species."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its encoder")
