"""Image decoders map the closure to an image, by convolutions or a Transformer over patches (Sec. 4.4, A.5)."""

from __future__ import annotations

import itertools
import math
from typing import Protocol

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from setclosure.decoders.base import DecoderConfig
from setclosure.networks import Activation, activation, mlp
from setclosure.paper.images.patches import PatchTransformerConfig, joined, transformer
from setclosure.paper.images.raster import ImageGrid, require_pixels
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateKind


class ImageDecoder(Protocol):
    """A map from the closure of a whole microstate to an image of each species."""

    grid: ImageGrid
    """The size of the images that it makes."""

    def __call__(self, closure: Tensor) -> Tensor:
        """Give images ``(B, S, h, w)`` from closures ``(B, S·c)``."""
        ...


@register("decoder", "cnn")
class CNNDecoderConfig(ImageGrid, DecoderConfig):
    """The sizes of a :class:`CNNDecoder`."""

    pool: int = Field(2, ge=1, description="The decoder makes the means of squares of pool × pool pixels.")
    channels: tuple[PositiveInt, ...] = Field(
        (64, 64, 32, 16), min_length=1, description="Channels of the input of each convolution; each doubles the image."
    )
    hidden: int = Field(128, ge=1, description="Units of the hidden layer before the convolutions.")
    activation: Activation = Field("silu", description="Between the layers.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> CNNDecoder:
        """Make the decoder to images of ``kind``, given the S·``closure_dim`` numbers of all species."""
        return CNNDecoder(kind, closure_dim, self)


class CNNDecoder(nn.Module):
    """A decoder of a perceptron to a small image of many channels, and transposed convolutions that double it.

    Parameters
    ----------
    kind, closure_dim
        As in :meth:`CNNDecoderConfig.build`.
    config : CNNDecoderConfig
        Sizes.

    Examples
    --------
    >>> import torch
    >>> CNNDecoder(MicrostateKind(3), 2)(torch.randn(4, 2)).shape
    torch.Size([4, 1, 50, 250])
    """

    def __init__(self, kind: MicrostateKind, closure_dim: int, config: CNNDecoderConfig | None = None) -> None:
        super().__init__()
        require_pixels(kind)
        self.grid = config = config or CNNDecoderConfig()
        c, a = config.channels, config.activation
        h, w = (math.ceil(size / 2 ** len(c)) for size in config.shape)
        self.small = (c[0], h, w)
        self.first = mlp([kind.n_species * closure_dim, config.hidden, c[0] * h * w], a)
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise((*c, kind.n_species)):
            # a stride that divides the kernel reaches every pixel equally often, so there is no checkerboard
            layers += [activation(a), nn.ConvTranspose2d(n_in, n_out, kernel_size=4, stride=2, padding=1)]
        self.convolutions = nn.Sequential(*layers)
        _begin_white(layers[-1])

    def forward(self, closure: Tensor) -> Tensor:
        """Decode closures ``(B, S·c)``: ``(B, S, h, w)``."""
        h, w = self.grid.shape
        images: Tensor = self.convolutions(self.first(closure).unflatten(1, self.small))
        return images[..., :h, :w]  # sizes that would halve to fractions were rounded up, so the rest is cut off


@register("decoder", "vit")
class ViTDecoderConfig(PatchTransformerConfig, DecoderConfig):
    """The sizes of a :class:`ViTDecoder`."""

    def build(self, kind: MicrostateKind, closure_dim: int) -> ViTDecoder:
        """Make the decoder to images of ``kind``, given the S·``closure_dim`` numbers of all species."""
        return ViTDecoder(kind, closure_dim, self)


class ViTDecoder(nn.Module):
    """A decoder of a perceptron to a vector for each patch, self-attention between them, and a linear map to pixels.

    Parameters
    ----------
    kind, closure_dim
        As in :meth:`ViTDecoderConfig.build`.
    config : ViTDecoderConfig
        Sizes.

    Examples
    --------
    >>> import torch
    >>> ViTDecoder(MicrostateKind(3), 2)(torch.randn(4, 2)).shape
    torch.Size([4, 1, 100, 500])
    """

    def __init__(self, kind: MicrostateKind, closure_dim: int, config: ViTDecoderConfig | None = None) -> None:
        super().__init__()
        require_pixels(kind)
        self.grid = config = config or ViTDecoderConfig()
        self.n_species = kind.n_species
        # with one vector for all patches, added to their places, training stays at the mean image for long
        self.first = mlp([kind.n_species * closure_dim, config.width, config.n_patches * config.width], "gelu")
        self.blocks = transformer(config)
        self.norm = nn.LayerNorm(config.width)
        self.pixels = nn.Linear(config.width, kind.n_species * config.patch**2)
        _begin_white(self.pixels)

    def forward(self, closure: Tensor) -> Tensor:
        """Decode closures ``(B, S·c)``: ``(B, S, h, w)``."""
        tokens = self.blocks(self.first(closure).unflatten(1, (self.grid.n_patches, -1)))  # (B, patches, width)
        pixels = (
            self.pixels(self.norm(tokens)).unflatten(2, (self.n_species, -1)).transpose(1, 2)
        )  # (B, S, patches, patch²)
        images: Tensor = joined(pixels.flatten(0, 1), self.grid.patch, self.grid.shape[1])
        separate: Tensor = images.unflatten(0, pixels.shape[:2])
        return separate


def _begin_white(last: nn.Module) -> None:
    """Let a decoder begin with white images.

    Most pixels are white, and grey levels vary little. So the random images of an ordinary start are many times worse
    than the mean image, and a Transformer would need a thousand steps to get to it.
    """
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
