"""The macro dynamics without noise are an ordinary differential equation, learned from one-step increments."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt, SerializeAsAny, field_validator
from torch import Tensor

from setclosure.dynamics.base import DriftConfig, DynamicsConfig
from setclosure.dynamics.markov import MarkovDynamics
from setclosure.dynamics.mlp_drift import MLPDriftConfig
from setclosure.dynamics.rollout import Scheme
from setclosure.dynamics.statistics import Statistics
from setclosure.parts import read_part
from setclosure.registry import register


@register("dynamics", "ode")
class ODEConfig(DynamicsConfig):
    """The options of an :class:`ODE`."""

    drift: SerializeAsAny[DriftConfig] = Field(default_factory=MLPDriftConfig, description="Drift g.")
    integrator: Literal["euler", "rk4"] = Field(
        "euler", description="Steps of a rollout: euler, for which the one-step loss is made, or rk4, of order 4."
    )
    substeps: PositiveInt = Field(1, description="Steps of the integrator in each time step.")

    @field_validator("drift", mode="before")
    @classmethod
    def _read_drift(cls, value: Any) -> Any:
        return read_part("drift", value, "mlp")

    def build(self, dim: int, n_observables: int, context_dim: int = 0, time_step: float = 1.0) -> ODE:
        """Make the dynamics of macrostates of ``dim`` = D numbers, the first ``n_observables`` of them observables."""
        drift = self.drift.build(dim, context_dim)
        return ODE(dim, n_observables, context_dim, time_step, drift, scheme=Scheme(self.integrator, self.substeps))


class ODE(MarkovDynamics):
    """The dynamics dz = g(z, u) dt, trained by the squared error of one-step increments.

    Parameters
    ----------
    dim, n_observables, context_dim, time_step, drift, scheme
        As in :class:`~setclosure.dynamics.markov.MarkovDynamics`; there is no diffusion.

    Examples
    --------
    >>> import torch
    >>> dynamics = ODEConfig().build(dim=9, n_observables=1)
    >>> dynamics.drift(torch.zeros(4, 9)).shape, dynamics.diffusion(torch.zeros(4, 9)) is None
    (torch.Size([4, 9]), True)
    """

    def loss(self, z: Tensor, context: Tensor, dt: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Give the squared error of each increment per time step, averaged over the columns, ``(B,)``.

        Each column is in units of its root mean square increment, so a drift of zero has a loss of about 1.

        Examples
        --------
        >>> import torch
        >>> dynamics = ODEConfig().build(dim=2, n_observables=1)
        >>> dynamics.loss(torch.ones(5, 2, 2), torch.zeros(5, 2, 0), torch.ones(5, 1)).shape
        torch.Size([5])
        """
        s = statistics or self.statistics()
        now, after = z[:, 0], z[:, 1]
        y = (now - s.shift) / s.scale
        u = self.standard_context(context[:, 0])
        residual = self.changes(now, after, dt) / s.rate - self.drift_network(y, u)  # (B, D), in rate scales
        error: Tensor = residual.square().mean(-1)
        return error
