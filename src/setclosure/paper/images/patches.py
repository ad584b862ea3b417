"""An image is a sequence of square patches, over which encoders and decoders run a Transformer."""

from __future__ import annotations

from pydantic import Field, model_validator
from torch import Tensor, nn

from setclosure.paper.images.raster import ImageGrid


class PatchTransformerConfig(ImageGrid):
    """The sizes of a Transformer over the patches of an image."""

    patch: int = Field(25, ge=1, description="Rows and columns of a patch, of the pooled image.")
    width: int = Field(64, ge=1, description="Width of the attention blocks.")
    heads: int = Field(4, ge=1, description="Attention heads; divides the width.")
    depth: int = Field(2, ge=1, description="Attention blocks.")

    @model_validator(mode="after")
    def _sizes_divide(self) -> PatchTransformerConfig:
        h, w = self.shape
        if h % self.patch or w % self.patch:
            raise ValueError(f"patch ({self.patch}) must divide the pooled image of {h} rows and {w} columns")
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self

    @property
    def n_patches(self) -> int:
        """The number of patches of an image, n."""
        h, w = self.shape
        return (h // self.patch) * (w // self.patch)


def transformer(config: PatchTransformerConfig) -> nn.Module:
    """Make blocks of self-attention and perceptrons, each behind a layer norm, on sequences ``(G, n, width)``."""
    block = nn.TransformerEncoderLayer(
        config.width,
        config.heads,
        dim_feedforward=4 * config.width,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
    return nn.TransformerEncoder(block, config.depth, enable_nested_tensor=False)


def patches(images: Tensor, size: int) -> Tensor:
    """Cut images ``(G, h, w)`` into patches, row by row: ``(G, n, size²)``."""
    squares: Tensor = images.unflatten(2, (-1, size)).unflatten(1, (-1, size))  # (G, h / size, size, w / size, size)
    return squares.transpose(2, 3).flatten(3).flatten(1, 2)


def joined(sequence: Tensor, size: int, width: int) -> Tensor:
    """Join patches ``(G, n, size²)`` into images ``(G, h, width)``, the inverse of :func:`patches`.

    Examples
    --------
    >>> import torch
    >>> image = torch.arange(24.0).reshape(1, 4, 6)
    >>> patches(image, 2).shape, torch.equal(joined(patches(image, 2), 2, 6), image)
    (torch.Size([1, 6, 4]), True)
    """
    squares: Tensor = sequence.unflatten(2, (size, size)).unflatten(1, (-1, width // size))
    return squares.transpose(2, 3).flatten(3).flatten(1, 2)
