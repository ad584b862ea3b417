"""A perceptron is the paper's drift g (Sec. 3.3), in standardised coordinates."""

from __future__ import annotations

from pydantic import Field, PositiveInt
from torch import Tensor

from setclosure.dynamics.base import Drift, DriftConfig
from setclosure.dynamics.networks import Perceptron, joined
from setclosure.networks import Activation
from setclosure.registry import register


@register("drift", "mlp")
class MLPDriftConfig(DriftConfig):
    """The options of an :class:`MLPDrift`."""

    hidden: tuple[PositiveInt, ...] = Field(default=(128, 128, 128), description="Widths of the hidden layers.")
    activation: Activation = Field(
        default="tanh",
        description="tanh keeps the drift bounded; the others let some rollouts diverge.",
    )

    def build(self, dim: int, context_dim: int = 0) -> MLPDrift:
        """Make the drift of macrostates of ``dim`` = D numbers, given ``context_dim`` = p numbers of the context."""
        return MLPDrift(dim, context_dim, self)


class MLPDrift(Drift):
    """A perceptron from macrostate and context to the drift.

    With the default activation, tanh, the drift is bounded, so no rollout can leave in finite time; with the others it
    grows without bound away from the training data, and some rollouts do diverge.

    Parameters
    ----------
    dim : int
        Numbers of a macrostate, D.
    context_dim : int
        Numbers of the context, p.
    config : MLPDriftConfig, optional
        Sizes.

    Examples
    --------
    >>> import torch
    >>> MLPDrift(9, 1)(torch.zeros(5, 9), torch.zeros(5, 1)).shape
    torch.Size([5, 9])
    """

    def __init__(self, dim: int, context_dim: int = 0, config: MLPDriftConfig | None = None) -> None:
        super().__init__()
        config = config or MLPDriftConfig()
        self.network = Perceptron(dim + context_dim, dim, config.hidden, config.activation)

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate the drift ``(*, D)`` at standardised macrostates ``(*, D)`` and context ``(*, p)``."""
        drift: Tensor = self.network(joined(y, u))
        return drift
