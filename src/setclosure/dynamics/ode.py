"""The macro dynamics without noise are an ordinary differential equation, learned over one step or over many."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt, SerializeAsAny, field_validator
from torch import Tensor

from setclosure.dynamics.base import Drift, DriftConfig, DynamicsConfig
from setclosure.dynamics.integrators import euler, rk4
from setclosure.dynamics.markov import MarkovDynamics
from setclosure.dynamics.mlp_drift import MLPDriftConfig
from setclosure.dynamics.rollout import Scheme
from setclosure.dynamics.statistics import Statistics, steps_ahead
from setclosure.parts import read_part
from setclosure.registry import register

SHORT_HORIZON, LONG_HORIZON = 16, 64
"""The most steps of the two longer horizons that ``horizons: auto`` tries."""

_FAR = 1e3
"""The standard deviations from the mean of the training data at which a path of the loss is held."""


@register("dynamics", "ode")
class ODEConfig(DynamicsConfig):
    """The options of an :class:`ODE`."""

    drift: SerializeAsAny[DriftConfig] = Field(default_factory=MLPDriftConfig, description="Drift g.")
    integrator: Literal["euler", "rk4"] = Field(
        "euler", description="Steps of a rollout: euler, for which the one-step loss is made, or rk4, of order 4."
    )
    substeps: PositiveInt = Field(1, description="Steps of the integrator in each time step.")
    horizons: tuple[PositiveInt, ...] | Literal["auto"] = Field(
        (1,),
        description="Numbers of steps over which the drift is rolled out and compared with the data in training. [1] "
        "is the paper's loss of one step; longer ones are for observables that fluctuate; several are learned from "
        "together. auto tries one step, a quarter of a trajectory (at most 16 steps) and all of it (at most 64), and "
        "keeps the one whose rollouts of the validation trajectories are best.",
    )
    observable_weight: float = Field(
        1.0, gt=0, description="Weight of each observable in the loss, beside 1 for each number of the closure."
    )
    truncation: PositiveInt = Field(
        40, description="Most successive steps of a longer horizon through which gradients flow."
    )

    @field_validator("drift", mode="before")
    @classmethod
    def _read_drift(cls, value: Any) -> Any:
        return read_part("drift", value, "mlp")

    @field_validator("horizons")
    @classmethod
    def _check_horizons(cls, value: tuple[int, ...] | str) -> tuple[int, ...] | str:
        if isinstance(value, str):
            return value
        if not value or len(set(value)) < len(value):
            raise ValueError("expected one number of steps or several different ones, such as [1, 16], or auto")
        return tuple(sorted(value))

    def candidates(self, steps: int) -> dict[str, DynamicsConfig]:
        """Give the horizons that ``auto`` tries, for trajectories that usually go on for ``steps`` steps.

        Examples
        --------
        >>> list(ODEConfig(horizons="auto").candidates(30)), ODEConfig().candidates(30)
        (['horizon-1', 'horizon-7', 'horizon-30'], {})
        """
        if self.horizons != "auto":
            return {}
        tried = sorted({1, max(1, min(steps // 4, SHORT_HORIZON)), max(1, min(steps, LONG_HORIZON))})
        return {f"horizon-{h}": self.model_copy(update={"horizons": (h,)}) for h in tried}

    def build(self, dim: int, n_observables: int, context_dim: int = 0, time_step: float = 1.0) -> ODE:
        """Make the dynamics of macrostates of ``dim`` = D numbers, the first ``n_observables`` of them observables.

        Its horizon is one step where that is left to stage two.
        """
        return ODE(
            dim,
            n_observables,
            context_dim,
            time_step,
            self.drift.build(dim, context_dim),
            scheme=Scheme(self.integrator, self.substeps),
            horizons=(1,) if isinstance(self.horizons, str) else self.horizons,
            observable_weight=self.observable_weight,
            truncation=self.truncation,
        )


class ODE(MarkovDynamics):
    """The dynamics dz = g(z, u) dt, trained by the squared error of rollouts over one step or over many.

    Parameters
    ----------
    dim, n_observables, context_dim, time_step, drift, scheme
        As in :class:`~setclosure.dynamics.markov.MarkovDynamics`; there is no diffusion.
    horizons : tuple of int
        Numbers of steps of the training examples, increasing.
    observable_weight : float
        The weight of each observable in the loss, beside 1 for each other column.
    truncation : int
        The most successive steps through which gradients flow.

    Attributes
    ----------
    lag_scale : Tensor
        The root mean square change of each column over k frames, ``(H, D)`` for k = 1 … H, the longest horizon. It is
        the largest over up to k frames, so that a column that returns to its start has no vanishing unit. Changes
        over unequal times are brought to k time steps in proportion.

    Examples
    --------
    >>> dynamics = ODEConfig().build(dim=9, n_observables=1)
    >>> dynamics.drift(torch.zeros(4, 9)).shape, dynamics.diffusion(torch.zeros(4, 9)) is None
    (torch.Size([4, 9]), True)
    """

    lag_scale: Tensor

    def __init__(
        self,
        dim: int,
        n_observables: int,
        context_dim: int,
        time_step: float,
        drift: Drift,
        scheme: Scheme | None = None,
        horizons: tuple[int, ...] = (1,),
        observable_weight: float = 1.0,
        truncation: int = 40,
    ) -> None:
        super().__init__(dim, n_observables, context_dim, time_step, drift, scheme=scheme)
        self.horizons, self.observable_weight, self.truncation = horizons, observable_weight, truncation
        self.register_buffer("lag_scale", torch.ones(max(horizons), dim))

    @torch.no_grad()
    def set_statistics(self, z: Tensor, context: Tensor, now: Tensor, dt: Tensor) -> None:
        """Take units and range from training macrostates; see :meth:`Dynamics.set_statistics`.

        The units of lags that no stretch of the data without a gap has are those of the longest one that it has.
        """
        super().set_statistics(z, context, now, dt)
        z = z.double()
        ahead = steps_ahead(now, len(z)).to(now.device)
        after = z.new_zeros(len(z))
        after[now] = dt.double()
        time = torch.cat([after.new_zeros(1), after.cumsum(0)])  # of each frame, as if gaps took none
        squares = [self.rate_scale.double().square()]
        for k in range(2, min(len(self.lag_scale), int(ahead.max())) + 1):
            first = (ahead >= k).nonzero().flatten()
            change = (z[first + k] - z[first]) * (k / (time[first + k] - time[first]))[:, None]
            squares.append(torch.maximum(change.square().mean(0), squares[-1]))
        squares += [squares[-1]] * (len(self.lag_scale) - len(squares))
        self.lag_scale.copy_(torch.stack(squares).sqrt())

    def loss(self, z: Tensor, context: Tensor, dt: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Give the squared error of rollouts from the first frame, averaged over lags and columns, ``(B,)``.

        The error at lag k is divided by the mean square change over k frames, so a drift of zero has a loss of about 1
        at every lag. Where the only horizon is one step this is the squared error of each increment per time step, as
        an Euler step makes it; with others the path is that of the integrator. Each observable weighs
        ``observable_weight`` times as much as another column.

        Examples
        --------
        >>> dynamics = ODEConfig(horizons=(1, 6)).build(dim=2, n_observables=1)
        >>> dynamics.loss(torch.ones(5, 7, 2), torch.zeros(5, 7, 0), torch.ones(5, 6)).shape
        torch.Size([5])
        """
        s = statistics or self.statistics()
        if self.horizons != (1,):
            return self._path_loss(z, self.standard_context(context), dt, s, statistics is None)
        now, after = z[:, 0], z[:, 1]
        y = (now - s.shift) / s.scale
        u = self.standard_context(context[:, 0])
        residual = self.changes(now, after, dt) / s.rate - self.drift_network(y, u)  # (B, D), in rate scales
        return self._over_columns(residual.square())

    def _path_loss(self, z: Tensor, u: Tensor, dt: Tensor, s: Statistics, of_training: bool) -> Tensor:
        """Give the loss of examples ``(B, L, D)``, given their standardised context; the lags are 1 … L − 1."""
        H = z.shape[1] - 1
        # in other units a change over k frames is as many times that over one as in the training data
        scale = self.lag_scale[:H] if of_training else s.rate * (self.lag_scale / self.rate_scale)[:H]
        path = self._path((z[:, 0] - s.shift) / s.scale, u, dt, s.rate / s.scale)
        lags = torch.arange(1, H + 1, dtype=dt.dtype, device=dt.device)
        per_lag = (lags / dt.cumsum(1)).unsqueeze(-1)  # 1 where all times between frames are the time step
        error = (z[:, 1:] - s.shift) / s.scale - path
        return self._over_columns((error * per_lag * (s.scale / scale)).square()).mean(-1)

    def _path(self, y: Tensor, u: Tensor, dt: Tensor, rate: Tensor) -> Tensor:
        """Roll out from ``y (B, D)`` with gradients, ``(B, H, D)``; ``rate`` is in standard deviations per step."""
        path = []
        step = rk4 if self.scheme.integrator == "rk4" else euler
        for k in range(dt.shape[1]):
            known, speed = u[:, k], rate * dt[:, k : k + 1]

            def drift(y: Tensor, known: Tensor = known, speed: Tensor = speed) -> Tensor:
                g: Tensor = self.drift_network(y, known) * speed
                return g

            for _ in range(self.scheme.substeps):
                y = step(drift, y, 1.0 / self.scheme.substeps)
            y = y.clamp(-_FAR, _FAR)  # a path that leaves every bound has no gradient, and the loss stays finite
            path.append(y)
            if (k + 1) % self.truncation == 0:
                y = y.detach()
        return torch.stack(path, dim=1)

    def _over_columns(self, squares: Tensor) -> Tensor:
        """Average the columns of ``(*, D)`` with the weight of the observables."""
        if self.observable_weight == 1.0:
            return squares.mean(-1)
        weight = squares.new_ones(self.dim)
        weight[: self.n_observables] = self.observable_weight
        return (squares * weight).sum(-1) / weight.sum()
