"""OnsagerNet: a drift with an energy law (Yu, Tian, E, Li, Phys. Rev. Fluids 6, 114402, 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from setclosure.dynamics.networks import Activation, Perceptron


class OnsagerNetDrift(nn.Module):
    r"""Drift by the generalised Onsager principle, ``(*, D)`` to ``(*, D)``, in standardised coordinates.

    .. math::

        \dot y = -\bigl(M(y) + W(y)\bigr) \nabla V(y) + f(y)

    with M symmetric positive definite, W antisymmetric, the potential V(y) = ½ ‖U(y) + Γ y‖² + β ‖y‖², which
    confines because β > 0, and an external force f. From the form alone,
    dV/dt = −∇Vᵀ M ∇V + f·∇V ≤ f·∇V: without the force, V never increases.

    Columns of a macrostate may change at very different rates, and a drift in one unit per column would
    break the symmetry of M. So the rates r of the columns (in standard deviations per frame,
    :meth:`set_rates`) enter on both sides: M = √r (L Lᵀ + α I) √r and W = √r A √r, f = r (F y + b), and what
    is returned is ẏ / r, each column in its own unit. L (lower triangular) and A (antisymmetric) come from the
    lower and the strict upper triangle of one D × D network output.

    Parameters
    ----------
    dim : int
        D.
    hidden : tuple of int
        Widths of the hidden layers of U and of the network behind L and W.
    activation : {"tanh", "silu", "gelu", "softplus"}
        Their activation.
    dissipation : float
        α > 0, the least eigenvalue of M.
    confinement : float
        β > 0, the strength of the quadratic term of V.

    Notes
    -----
    The force is affine and starts at zero: a system that needs none is learned as a gradient flow with a
    rotation.

    Examples
    --------
    >>> drift = OnsagerNetDrift(3, hidden=(16,))
    >>> drift(torch.zeros(5, 3)).shape, drift.potential(torch.zeros(5, 3)).shape
    (torch.Size([5, 3]), torch.Size([5]))
    """

    root_rates: Tensor

    def __init__(
        self,
        dim: int,
        hidden: tuple[int, ...] = (128, 128, 128),
        activation: Activation = "tanh",
        dissipation: float = 0.1,
        confinement: float = 0.1,
    ) -> None:
        super().__init__()
        self.dissipation, self.confinement = dissipation, confinement
        self.energy_features = Perceptron(dim, dim, hidden, activation)
        self.gamma = nn.Parameter(torch.eye(dim))
        self.operators = Perceptron(dim, dim * dim, hidden, activation)
        self.force = nn.Linear(dim, dim)
        self.register_buffer("root_rates", torch.ones(dim))
        nn.init.zeros_(self.force.weight)
        nn.init.zeros_(self.force.bias)

    def set_rates(self, rates: Tensor) -> None:
        """Take the rates r of the columns, ``(D,)`` and positive, in standard deviations per unit of time."""
        self.root_rates.copy_(rates.sqrt())

    def potential(self, y: Tensor) -> Tensor:
        """Evaluate V(y), ``(*,)``, at standardised macrostates ``(*, D)``."""
        features = self.energy_features(y) + linear(y, self.gamma)
        value: Tensor = 0.5 * features.square().sum(-1) + self.confinement * y.square().sum(-1)
        return value

    def potential_gradient(self, y: Tensor) -> Tensor:
        """Evaluate ∇V(y), ``(*, D)``, written out: it needs no automatic differentiation."""
        tilted = linear(y, self.gamma)
        u, pulled = self.energy_features.forward_and_pullback(y, lambda u: u + tilted)
        return pulled + linear(u + tilted, self.gamma.T) + 2.0 * self.confinement * y

    def forward(self, y: Tensor) -> Tensor:
        """Evaluate ẏ / r at standardised macrostates ``(*, D)``."""
        D = y.shape[-1]
        gradient = (self.root_rates * self.potential_gradient(y)).unsqueeze(-1)  # (*, D, 1)
        both = self.operators(y).unflatten(-1, (D, D))
        lower, upper = both.tril(), both.triu(1)
        dissipated = lower @ (lower.mT @ gradient) + self.dissipation * gradient
        rotated = upper @ gradient - upper.mT @ gradient
        n: Tensor = self.force(y) - (dissipated + rotated).squeeze(-1) / self.root_rates
        return n
