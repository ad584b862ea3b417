"""Squared error of pixels: what autoencoders of images minimise (A.5)."""

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
    """A squared error has no options."""

    def build(self, bandwidth: float | Tensor) -> PixelError:
        """Make the reconstruction; it smooths nothing."""
        return PixelError()


class PixelError(LossAlone):
    """Mean over pixels of (g − ĝ)², with grey levels from 0 to 1, at the resolution that the decoder makes."""

    def loss(
        self,
        batch: MicrostateBatch,
        embeddings: Tensor,
        decoder: ImageDecoder,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Loss of each microstate ``(B,)``, from embeddings ``(B, S, c)``."""
        images = rasterise(batch, decoder.grid)  # (B, S, h, w)
        return (images - decoder(embeddings.flatten(1))).square().mean(dim=(1, 2, 3))
