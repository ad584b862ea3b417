"""What an encoder is, and the activations that encoders share."""

from __future__ import annotations

import itertools
from typing import Literal, Protocol

from torch import Tensor, nn

from setclosure.microstates import MicrostateBatch
from setclosure.settings import Settings

Activation = Literal["softplus", "silu", "gelu", "tanh", "relu"]
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


class Encoder(Protocol):
    """A module that maps a batch of microstates to one embedding ``(B, S, c)``: c numbers for each species.

    The same map serves every species; the closure of the whole microstate is the S·c numbers in a row.
    """

    def __call__(self, batch: MicrostateBatch) -> Tensor:
        """Embed ``batch``; nothing but order, padding and batch mates must leave the result unchanged."""
        ...


class EncoderConfig(Settings):
    """Options of an encoder; a subclass has its fields, and makes it."""

    def build(self, n_features: int, closure_dim: int) -> nn.Module:
        """Make the :class:`Encoder` for ``n_features`` = d and ``closure_dim`` = c."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its encoder")


def activation(name: Activation) -> nn.Module:
    """A new activation layer by its name."""
    return _ACTIVATIONS[name]()


def mlp(sizes: list[int], between: Activation) -> nn.Sequential:
    """Linear layers of the given ``sizes`` with an activation between them, none after the last."""
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        layers += [nn.Linear(n_in, n_out)] if i == 0 else [activation(between), nn.Linear(n_in, n_out)]
    return nn.Sequential(*layers)
