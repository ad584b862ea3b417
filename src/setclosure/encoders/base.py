"""The protocol behind which every encoder stands, and the base of their options."""

from __future__ import annotations

from typing import ClassVar, Protocol

from torch import Tensor, nn

from setclosure.parts import PartConfig
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


class Encoder(Protocol):
    """A module that maps a batch of microstates to one embedding ``(B, S, c)``: c numbers for each species.

    The same map serves every species; the closure of the whole microstate is the S·c numbers in a row.
    """

    def __call__(self, batch: MicrostateBatch) -> Tensor:
        """Embed ``batch``; nothing but order, padding and batch mates must leave the result unchanged."""
        ...


class EncoderConfig(PartConfig):
    """Options of an encoder; a subclass has its fields, and makes it."""

    ordered: ClassVar[bool] = False
    """Whether the encoder reads a list of a fixed length instead of a set: it is then trained on random orders of the
    particles, and takes no other number of them."""

    raw: ClassVar[bool] = False
    """Whether the encoder reads particles in the units of the data instead of standardised ones: a pixel is a place in
    an image. Such a method knows no symmetry."""

    def build(self, kind: MicrostateKind, closure_dim: int) -> nn.Module:
        """Make the :class:`Encoder` of microstates of a ``kind``, with ``closure_dim`` = c numbers a species."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its encoder")
