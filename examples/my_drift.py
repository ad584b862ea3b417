"""A drift of one's own: a linear relaxation to a state that the context decides on.

    setclosure check-part drift relaxation --plugin examples/my_drift.py
    setclosure --plugin examples/my_drift.py run my.yaml --out runs/relaxation --set model.dynamics.drift=relaxation

A drift sees standardised macrostates y and context u, and answers in units of the usual change in a time step. The
dynamics, ``ode`` or ``euler_maruyama``, owns the loss and the rollouts.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

import setclosure
from setclosure.dynamics.base import Drift, DriftConfig


@setclosure.register("drift", "relaxation")
class RelaxationConfig(DriftConfig):
    """Options of the drift."""

    hidden: int = Field(32, ge=1, description="Units of the layer between the context and the state of rest.")

    def build(self, dim: int, context_dim: int = 0) -> Drift:
        """Make the drift of D macroscopic numbers, given p numbers of the context."""
        return Relaxation(dim, context_dim, self.hidden)


class Relaxation(Drift):
    """n(y, u) = −K (y − y*(u)), with K = A Aᵀ + diag(k) positive definite: no path grows without bound."""

    def __init__(self, dim: int, context_dim: int, hidden: int) -> None:
        super().__init__()
        self.mixing = nn.Parameter(0.1 * torch.randn(dim, dim))
        self.rates = nn.Parameter(torch.zeros(dim))
        self.rest = nn.Parameter(torch.zeros(dim))
        self.shift = None
        if context_dim:
            self.shift = nn.Sequential(nn.Linear(context_dim, hidden), nn.Tanh(), nn.Linear(hidden, dim))

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate the drift ``(*, D)`` at macrostates ``(*, D)`` and context ``(*, p)``."""
        rest = self.rest if self.shift is None else self.rest + self.shift(u)
        K = self.mixing @ self.mixing.T + torch.diag(softplus(self.rates))
        return -(y - rest) @ K  # K is symmetric
