"""Autoencoders of images minimise the squared error of pixels (A.5)."""

from __future__ import annotations

import torch
from torch import Tensor

from setclosure.paper.images.raster import rasterise
from setclosure.paper.models.image_decoders import ImageDecoder
from setclosure.reconstruction.base import LossAlone, ReconstructionConfig
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch


@register("reconstruction", "pixel_error")
class PixelErrorConfig(ReconstructionConfig):
    """The options of a :class:`PixelError`, which has none."""

    def build(self, bandwidth: float | Tensor) -> PixelError:
        """Make the reconstruction, which smooths nothing and ignores ``bandwidth``."""
        return PixelError()


class PixelError(LossAlone):
    """A reconstruction by the mean of (g − ĝ)² over pixels, with grey levels from 0 to 1.

    Images are compared at the resolution that the decoder makes.
    """

    def loss(
        self,
        batch: MicrostateBatch,
        embeddings: Tensor,
        decoder: ImageDecoder,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Give the loss of each microstate ``(B,)``, from embeddings ``(B, S, c)``.

        Raises
        ------
        ModelError
            If a pixel lies outside the image.
        """
        images = rasterise(batch, decoder.grid)  # (B, S, h, w)
        return (images - decoder(embeddings.flatten(1))).square().mean(dim=(1, 2, 3))
