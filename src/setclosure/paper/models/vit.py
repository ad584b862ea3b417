"""Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) on the image of a pixel set (Sec. 4.4, A.5)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from setclosure.encoders.base import EncoderConfig
from setclosure.paper.images.patches import PatchTransformerConfig, patches, transformer
from setclosure.paper.images.raster import rasterise, require_pixels
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


@register("encoder", "vit")
class ViTEncoderConfig(PatchTransformerConfig, EncoderConfig):
    """Sizes of a :class:`ViTEncoder`."""

    raw: ClassVar[bool] = True

    def build(self, kind: MicrostateKind, closure_dim: int) -> ViTEncoder:
        """Make the encoder of microstates of a ``kind``, with ``closure_dim`` = c numbers a species."""
        return ViTEncoder(kind, closure_dim, self)


class ViTEncoder(nn.Module):
    """Self-attention between the patches of the image of each species, their mean, and a linear map.

    The image is made from the set, so that order and padding cannot matter; places do, and masses do not.

    Parameters
    ----------
    kind : MicrostateKind
        Pixel sets, d = 3.
    closure_dim : int
        Numbers of the embedding of one species, c.
    config : ViTEncoderConfig
        Sizes.

    Raises
    ------
    ModelError
        If particles of the ``kind`` are no pixels.

    Examples
    --------
    >>> batch = MicrostateBatch.from_arrays([[[7.5, 2.5, 255.0], [8.5, 2.5, 31.0]]])
    >>> ViTEncoder(MicrostateKind(3), 2)(batch).shape
    torch.Size([1, 1, 2])
    """

    def __init__(self, kind: MicrostateKind, closure_dim: int, config: ViTEncoderConfig | None = None) -> None:
        super().__init__()
        require_pixels(kind)
        self.grid = config = config or ViTEncoderConfig()
        self.embed = nn.Linear(config.patch**2, config.width)
        self.places = nn.Parameter(0.02 * torch.randn(config.n_patches, config.width))
        self.blocks = transformer(config)
        self.head = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, closure_dim))

    def forward(self, batch: MicrostateBatch) -> Tensor:
        """Embed ``batch``: ``(B, S, c)``.

        Raises
        ------
        ModelError
            If a pixel lies outside the image.
        """
        images = rasterise(batch, self.grid)  # (B, S, h, w)
        tokens = self.embed(patches(images.flatten(0, 1), self.grid.patch)) + self.places  # (B·S, patches, width)
        embedding: Tensor = self.head(self.blocks(tokens).mean(dim=1)).unflatten(0, images.shape[:2])
        return embedding
