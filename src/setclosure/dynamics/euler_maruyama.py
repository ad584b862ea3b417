"""The macro dynamics with noise are a stochastic differential equation, learned by its one-step likelihood (Eq. 5)."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from pydantic import Field, PositiveInt, SerializeAsAny, field_validator
from torch import Tensor, nn

from setclosure.dynamics.base import DiffusionConfig, Drift, DriftConfig, DynamicsConfig
from setclosure.dynamics.diffusions import DiagonalConfig
from setclosure.dynamics.markov import MarkovDynamics
from setclosure.dynamics.mlp_drift import MLPDriftConfig
from setclosure.dynamics.rollout import Scheme
from setclosure.dynamics.statistics import Statistics
from setclosure.parts import read_part
from setclosure.registry import register


@register("dynamics", "euler_maruyama")
class EulerMaruyamaConfig(DynamicsConfig):
    """The options of an :class:`EulerMaruyama` dynamics."""

    drift: SerializeAsAny[DriftConfig] = Field(default_factory=MLPDriftConfig, description="Drift g.")
    diffusion: SerializeAsAny[DiffusionConfig] = Field(default_factory=DiagonalConfig, description="Diffusion Σ.")
    substeps: PositiveInt = Field(1, description="Steps of the integrator in each time step of a rollout.")

    @field_validator("drift", mode="before")
    @classmethod
    def _read_drift(cls, value: Any) -> Any:
        return read_part("drift", value, "mlp")

    @field_validator("diffusion", mode="before")
    @classmethod
    def _read_diffusion(cls, value: Any) -> Any:
        return read_part("diffusion", value, "diagonal")

    def build(self, dim: int, n_observables: int, context_dim: int = 0, time_step: float = 1.0) -> EulerMaruyama:
        """Make the dynamics of macrostates of ``dim`` = D numbers, the first ``n_observables`` of them observables."""
        drift = self.drift.build(dim, context_dim)
        diffusion = self.diffusion.build(dim, context_dim)
        scheme = Scheme("euler", self.substeps)
        return EulerMaruyama(dim, n_observables, context_dim, time_step, drift, diffusion, scheme)


class EulerMaruyama(MarkovDynamics):
    """The dynamics dz = g(z, u) dt + Σ(z, u) dW (Eq. 4), trained by the likelihood of one Euler–Maruyama step.

    Parameters
    ----------
    dim, n_observables, context_dim, time_step, drift, diffusion, scheme
        As in :class:`~setclosure.dynamics.markov.MarkovDynamics`; there is a diffusion.

    Examples
    --------
    >>> dynamics = EulerMaruyamaConfig().build(dim=3, n_observables=2)
    >>> dynamics.diffusion(torch.zeros(4, 3)).shape
    torch.Size([4, 3])
    """

    stochastic: ClassVar[bool] = True

    diffusion_network: nn.Module

    def __init__(
        self,
        dim: int,
        n_observables: int,
        context_dim: int,
        time_step: float,
        drift: Drift,
        diffusion: nn.Module,
        scheme: Scheme | None = None,
    ) -> None:
        super().__init__(dim, n_observables, context_dim, time_step, drift, diffusion, scheme)

    def changes(self, now: Tensor, after: Tensor, dt: Tensor) -> Tensor:
        """Give changes ``(*, D)`` in units of one time step, where noise grows with the root of the time."""
        return (after - now) / dt.sqrt()

    def loss(self, z: Tensor, context: Tensor, dt: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Give minus the log density of the next macrostate, ``(B,)``.

        The density is that of Eq. 5,

            p(z_{t+1} | z_t) = N(z_t + g(z_t) Δt, Δt Σ(z_t) Σ(z_t)ᵀ),

        with all its constants and in physical units, so that values of two models may be compared. With ``statistics``
        it is in their units, in which a closure that shrinks gains nothing.
        """
        s = statistics or self.statistics()
        now, after = z[:, 0], z[:, 1]
        y = (now - s.shift) / s.scale
        u = self.standard_context(context[:, 0])
        drifted = self.drift_network(y, u) * dt.sqrt()
        residual = self.changes(now, after, dt) / s.rate - drifted  # (B, D), in rate scales
        factor = self.diffusion_network(y, u)
        if factor.ndim == y.ndim:
            noise, diagonal = residual / factor, factor
        else:
            noise = torch.linalg.solve_triangular(factor, residual.unsqueeze(-1), upper=False).squeeze(-1)
            diagonal = factor.diagonal(dim1=-2, dim2=-1)
        log_volume = diagonal.log().sum(-1)
        if statistics is None:
            log_volume = log_volume + s.rate.log().sum()
        log_time = 0.5 * self.dim * dt[:, 0].log()
        loss: Tensor = 0.5 * noise.square().sum(-1) + log_volume + log_time + 0.5 * self.dim * math.log(2.0 * math.pi)
        return loss
