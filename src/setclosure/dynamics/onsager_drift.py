"""OnsagerNet is a drift with an energy law (Yu, Tian, E, Li, Phys. Rev. Fluids 6, 114402, 2021)."""

from __future__ import annotations

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import linear

from setclosure.dynamics.base import Drift, DriftConfig
from setclosure.dynamics.networks import Perceptron, joined
from setclosure.networks import Activation
from setclosure.registry import register


@register("drift", "onsager")
class OnsagerNetConfig(DriftConfig):
    """The options of an :class:`OnsagerNetDrift`."""

    hidden: tuple[PositiveInt, ...] = Field(
        default=(128, 128, 128), description="Widths of the hidden layers of U and of the network behind L and W."
    )
    activation: Activation = Field(default="tanh", description="Activation between the layers.")
    dissipation: float = Field(default=0.1, gt=0, description="α, the least eigenvalue of M.")
    confinement: float = Field(default=0.1, gt=0, description="β, the strength of the quadratic term of V.")

    def build(self, dim: int, context_dim: int = 0) -> OnsagerNetDrift:
        """Make the drift of macrostates of ``dim`` = D numbers, given ``context_dim`` = p numbers of the context."""
        return OnsagerNetDrift(dim, context_dim, self)


class OnsagerNetDrift(Drift):
    r"""A drift by the generalised Onsager principle, in standardised coordinates.

    .. math::

        \dot y = -\bigl(M(y) + W(y)\bigr) \nabla V(y) + f(y)

    with M symmetric positive definite, W antisymmetric, the potential V(y) = ½ ‖U(y) + Γ y‖² + β ‖y‖², which
    confines because β > 0, and an external force f. This form implies
    dV/dt = −∇Vᵀ M ∇V + f·∇V ≤ f·∇V, so V never increases without the force.

    Columns of a macrostate may change at very different rates, and a drift in one unit per column would
    break the symmetry of M. So the rates r of the columns (in standard deviations per time step,
    :meth:`set_rates`) enter on both sides: M = √r (L Lᵀ + α I) √r and W = √r A √r, f = r (F y + b). The drift
    gives ẏ / r, each column in its own unit. L (lower triangular) and A (antisymmetric) come from the
    lower and the strict upper triangle of one D × D network output.

    Parameters
    ----------
    dim : int
        Numbers of a macrostate, D.
    context_dim : int
        Numbers of the context, p. The context enters U, L, W and f; V is the potential at a given context.
    config : OnsagerNetConfig, optional
        Sizes and constants.

    Notes
    -----
    The force is affine and starts at zero. A system that needs no force is learned as a gradient flow with a
    rotation.

    Examples
    --------
    >>> drift, u = OnsagerNetDrift(3, config=OnsagerNetConfig(hidden=(16,))), torch.zeros(5, 0)
    >>> drift(torch.zeros(5, 3), u).shape, drift.potential(torch.zeros(5, 3), u).shape
    (torch.Size([5, 3]), torch.Size([5]))
    """

    root_rates: Tensor

    def __init__(self, dim: int, context_dim: int = 0, config: OnsagerNetConfig | None = None) -> None:
        super().__init__()
        config = config or OnsagerNetConfig()
        self.dissipation, self.confinement = config.dissipation, config.confinement
        n_in = dim + context_dim
        self.energy_features = Perceptron(n_in, dim, config.hidden, config.activation)
        self.gamma = nn.Parameter(torch.eye(dim))
        self.operators = Perceptron(n_in, dim * dim, config.hidden, config.activation)
        self.force = nn.Linear(n_in, dim)
        self.register_buffer("root_rates", torch.ones(dim))
        nn.init.zeros_(self.force.weight)
        nn.init.zeros_(self.force.bias)

    def set_rates(self, rates: Tensor) -> None:
        """Take the rates r of the columns, ``(D,)`` and positive, in standard deviations per time step."""
        self.root_rates.copy_(rates.sqrt())

    def potential(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate V(y), ``(*,)``, at standardised macrostates ``(*, D)`` and context ``(*, p)``."""
        features = self.energy_features(joined(y, u)) + linear(y, self.gamma)
        value: Tensor = 0.5 * features.square().sum(-1) + self.confinement * y.square().sum(-1)
        return value

    def potential_gradient(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate ∇V(y), ``(*, D)``, without automatic differentiation."""
        tilted = linear(y, self.gamma)
        features, pulled = self.energy_features.forward_and_pullback(joined(y, u), lambda features: features + tilted)
        of_state = pulled[..., : y.shape[-1]]
        return of_state + linear(features + tilted, self.gamma.T) + 2.0 * self.confinement * y

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate ẏ / r at standardised macrostates ``(*, D)`` and context ``(*, p)``."""
        D = y.shape[-1]
        gradient = (self.root_rates * self.potential_gradient(y, u)).unsqueeze(-1)  # (*, D, 1)
        x = joined(y, u)
        both = self.operators(x).unflatten(-1, (D, D))
        lower, upper = both.tril(), both.triu(1)
        dissipated = lower @ (lower.mT @ gradient) + self.dissipation * gradient
        rotated = upper @ gradient - upper.mT @ gradient
        n: Tensor = self.force(x) - (dissipated + rotated).squeeze(-1) / self.root_rates
        return n
