"""The drift g as a perceptron (the paper's choice, Sec. 3.3), in standardised coordinates."""

from __future__ import annotations

from setclosure.dynamics.networks import Activation, Perceptron


class MLPDrift(Perceptron):
    """Drift ``(*, D)`` of a standardised macrostate ``(*, D)`` by a multi-layer perceptron.

    Parameters
    ----------
    dim : int
        D.
    hidden : tuple of int
        Widths of the hidden layers.
    activation : {"tanh", "silu", "gelu", "softplus"}
        With the default, tanh, the drift is bounded, so no rollout can leave in finite time; with the other
        three it grows without bound away from the training data, and some rollouts do diverge.

    Examples
    --------
    >>> import torch
    >>> MLPDrift(9)(torch.zeros(5, 9)).shape
    torch.Size([5, 9])
    """

    def __init__(self, dim: int, hidden: tuple[int, ...] = (128, 128, 128), activation: Activation = "tanh") -> None:
        super().__init__(dim, dim, hidden, activation)
