"""All networks of the library take their perceptrons and activations from here."""

from __future__ import annotations

import itertools
from typing import Literal

from torch import nn

Activation = Literal["softplus", "silu", "gelu", "tanh", "relu"]
"""The name of an activation, as configurations have it."""

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


def activation(name: Activation) -> nn.Module:
    """Make an activation layer from its name.

    Examples
    --------
    >>> activation("tanh")
    Tanh()
    """
    return _ACTIVATIONS[name]()


def mlp(sizes: list[int], between: Activation) -> nn.Sequential:
    """Make linear layers with an activation between them, and none after the last.

    Parameters
    ----------
    sizes : list of int
        Numbers of the input, of each hidden layer, and of the output.
    between : {"softplus", "silu", "gelu", "tanh", "relu"}
        The activation.

    Examples
    --------
    >>> len(mlp([2, 16, 16, 3], "silu"))
    5
    """
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        layers += [nn.Linear(n_in, n_out)] if i == 0 else [activation(between), nn.Linear(n_in, n_out)]
    return nn.Sequential(*layers)
