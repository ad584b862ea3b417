"""The perceptron that encoders and decoders share, and its activations by name."""

from __future__ import annotations

import itertools
from typing import Literal

from torch import nn

Activation = Literal["softplus", "silu", "gelu", "tanh", "relu"]
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


def activation(name: Activation) -> nn.Module:
    """A new activation layer by its name."""
    return _ACTIVATIONS[name]()


def mlp(sizes: list[int], between: Activation) -> nn.Sequential:
    """Linear layers of the given ``sizes`` with an activation between them, none after the last."""
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        layers += [nn.Linear(n_in, n_out)] if i == 0 else [activation(between), nn.Linear(n_in, n_out)]
    return nn.Sequential(*layers)
