"""The Vision Transformer reads the image of a pixel set (Sec. 4.4, A.5; Dosovitskiy et al. 2021, arXiv 2010.11929)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from setclosure.paper.images.patches import PatchTransformerConfig, patches, transformer
from setclosure.paper.models.image_encoder import ImageEncoder, ImageEncoderConfig
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateKind


@register("encoder", "vit")
class ViTEncoderConfig(PatchTransformerConfig, ImageEncoderConfig):
    """The sizes of a :class:`ViTEncoder`."""

    def build(self, kind: MicrostateKind, closure_dim: int) -> ViTEncoder:
        """Make the encoder of microstates of a ``kind``, with ``closure_dim`` = c numbers for each species."""
        return ViTEncoder(kind, closure_dim, self)


class ViTEncoder(ImageEncoder):
    """An encoder of self-attention between the patches of the image of each species, their mean, and a linear map.

    Parameters
    ----------
    kind, closure_dim
        As in :meth:`ViTEncoderConfig.build`.
    config : ViTEncoderConfig
        Sizes.

    Examples
    --------
    >>> from setclosure import MicrostateBatch
    >>> batch = MicrostateBatch.from_arrays([[[7.5, 2.5, 255.0], [8.5, 2.5, 31.0]]])
    >>> ViTEncoder(MicrostateKind(3), 2)(batch).shape
    torch.Size([1, 1, 2])
    """

    def __init__(self, kind: MicrostateKind, closure_dim: int, config: ViTEncoderConfig | None = None) -> None:
        config = config or ViTEncoderConfig()
        super().__init__(kind, config)
        self.patch = config.patch
        self.embed = nn.Linear(config.patch**2, config.width)
        self.places = nn.Parameter(0.02 * torch.randn(config.n_patches, config.width))
        self.blocks = transformer(config)
        self.head = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, closure_dim))

    def embed_images(self, images: Tensor) -> Tensor:
        """Embed images ``(G, h, w)``: ``(G, c)``."""
        tokens = self.embed(patches(images, self.patch)) + self.places  # (G, patches, width)
        embedding: Tensor = self.head(self.blocks(tokens).mean(dim=1))
        return embedding
