"""Encoders that see the image of a pixel set have their base here."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from setclosure.encoders.base import EncoderConfig
from setclosure.paper.images.raster import ImageGrid, rasterise, require_pixels
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


class ImageEncoderConfig(ImageGrid, EncoderConfig):
    """The base of the options of encoders of images, which read pixels as they are."""

    raw: ClassVar[bool] = True


class ImageEncoder(nn.Module):
    """The base of encoders that make the image of each species from its set, and embed it.

    The image is made from the set, so order, padding and masses cannot change it.

    Parameters
    ----------
    kind : MicrostateKind
        The kind of the microstates, pixel sets with d = 3.
    grid : ImageGrid
        The size of the image that is made.

    Raises
    ------
    ModelError
        If particles of the ``kind`` are no pixels.
    """

    def __init__(self, kind: MicrostateKind, grid: ImageGrid) -> None:
        super().__init__()
        require_pixels(kind)
        self.grid = grid

    def embed_images(self, images: Tensor) -> Tensor:
        """Embed images ``(G, h, w)`` with grey levels from 0 (white) to 1: ``(G, c)``."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it embeds an image")

    def forward(self, batch: MicrostateBatch) -> Tensor:
        """Embed ``batch``: ``(B, S, c)``.

        Raises
        ------
        ModelError
            If a pixel lies outside the image.
        """
        images = rasterise(batch, self.grid)  # (B, S, h, w)
        embedding: Tensor = self.embed_images(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return embedding
