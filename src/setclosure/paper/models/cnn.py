"""The convolutional encoder halves the image of a pixel set in each layer (Sec. 4.4, A.5)."""

from __future__ import annotations

import itertools
import math

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from setclosure.networks import Activation, activation, mlp
from setclosure.paper.models.image_encoder import ImageEncoder, ImageEncoderConfig
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateKind


@register("encoder", "cnn")
class CNNEncoderConfig(ImageEncoderConfig):
    """The sizes of a :class:`CNNEncoder`."""

    pool: int = Field(2, ge=1, description="The model sees the means of squares of pool × pool pixels.")
    channels: tuple[PositiveInt, ...] = Field(
        (16, 32, 64, 64), min_length=1, description="Channels of each convolution; each halves the image."
    )
    width: int = Field(128, ge=1, description="Units of the hidden layer behind the convolutions.")
    activation: Activation = Field("silu", description="Between the layers.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> CNNEncoder:
        """Make the encoder of microstates of a ``kind``, with ``closure_dim`` = c numbers for each species."""
        return CNNEncoder(kind, closure_dim, self)


class CNNEncoder(ImageEncoder):
    """An encoder of strided convolutions on the image of each species, and a perceptron on their output.

    Parameters
    ----------
    kind, closure_dim
        As in :meth:`CNNEncoderConfig.build`.
    config : CNNEncoderConfig
        Sizes.

    Examples
    --------
    >>> from setclosure import MicrostateBatch
    >>> batch = MicrostateBatch.from_arrays([[[7.5, 2.5, 255.0], [8.5, 2.5, 31.0]]])
    >>> CNNEncoder(MicrostateKind(3), 2)(batch).shape
    torch.Size([1, 1, 2])
    """

    def __init__(self, kind: MicrostateKind, closure_dim: int, config: CNNEncoderConfig | None = None) -> None:
        config = config or CNNEncoderConfig()
        super().__init__(kind, config)
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise((1, *config.channels)):
            layers += [nn.Conv2d(n_in, n_out, kernel_size=3, stride=2, padding=1), activation(config.activation)]
        self.convolutions = nn.Sequential(*layers)
        h, w = (math.ceil(size / 2 ** len(config.channels)) for size in config.shape)
        self.head = mlp([config.channels[-1] * h * w, config.width, closure_dim], config.activation)

    def embed_images(self, images: Tensor) -> Tensor:
        """Embed images ``(G, h, w)``: ``(G, c)``."""
        embedding: Tensor = self.head(self.convolutions(images[:, None]).flatten(1))
        return embedding
