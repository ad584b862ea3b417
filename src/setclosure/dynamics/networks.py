"""Drifts and diffusions share a perceptron, which knows the derivatives of its activations.

The derivatives are written out because OnsagerNet needs the gradient of its potential where automatic
differentiation is off (a rollout runs in inference mode).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from setclosure.networks import Activation, mlp


def _tanh_slope(x: Tensor) -> Tensor:
    return 1.0 - torch.tanh(x).square()


def _silu_slope(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


def _gelu_slope(x: Tensor) -> Tensor:
    density = torch.exp(-0.5 * x.square()) / math.sqrt(2.0 * math.pi)
    return 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))) + x * density


def _relu_slope(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype)


_SLOPES: dict[Activation, Callable[[Tensor], Tensor]] = {
    "tanh": _tanh_slope,
    "silu": _silu_slope,
    "gelu": _gelu_slope,
    "softplus": torch.sigmoid,
    "relu": _relu_slope,
}


def joined(y: Tensor, u: Tensor) -> Tensor:
    """Join macrostates ``(*, D)`` and context ``(*, p)`` into the input of a network, ``(*, D + p)``."""
    return torch.cat([y, u], dim=-1) if u.shape[-1] else y


class Perceptron(nn.Sequential):
    """Linear layers with an activation between them, from ``(*, n_in)`` to ``(*, n_out)``.

    Parameters
    ----------
    n_in, n_out : int
        Sizes of input and output.
    hidden : tuple of int
        Widths of the hidden layers; none makes an affine map.
    activation : {"tanh", "silu", "gelu", "softplus", "relu"}
        The activation between the layers.

    Examples
    --------
    >>> Perceptron(4, 3, hidden=(16,))(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(self, n_in: int, n_out: int, hidden: tuple[int, ...], activation: Activation = "tanh") -> None:
        super().__init__(*mlp([n_in, *hidden, n_out], activation))
        self._slope = _SLOPES[activation]

    def forward_and_pullback(self, x: Tensor, cotangent: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Evaluate u(x) ``(*, n_out)`` and J(x)ᵀ v ``(*, n_in)`` with v = ``cotangent(u)`` and J = ∂u/∂x.

        Both are ordinary differentiable operations, so training may differentiate through them.
        """
        linears = [layer for layer in self if isinstance(layer, nn.Linear)]
        activations = [layer for layer in self if not isinstance(layer, nn.Linear)]
        before: list[Tensor] = []  # what enters each activation
        u = linears[0](x)
        for act, layer in zip(activations, linears[1:], strict=True):
            before.append(u)
            u = layer(act(u))
        v = linear(cotangent(u), linears[-1].weight.T)
        for entered, layer in zip(reversed(before), reversed(linears[:-1]), strict=True):
            v = linear(v * self._slope(entered), layer.weight.T)
        return u, v
