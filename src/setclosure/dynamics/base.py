"""Every dynamics keeps the protocol here, and its parts and their options have the bases here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from setclosure.dynamics.rollout import Rollout
from setclosure.dynamics.statistics import Statistics
from setclosure.errors import ModelError, TrainingError
from setclosure.parts import PartConfig


class DynamicsConfig(PartConfig):
    """The base of the options of dynamics: a subclass has the options as fields, and builds the dynamics."""

    def build(self, dim: int, n_observables: int, context_dim: int = 0, time_step: float = 1.0) -> Dynamics:
        """Make the dynamics of macrostates of ``dim`` = D numbers, the first ``n_observables`` of them observables.

        ``context_dim`` = p numbers are known from outside, and ``time_step`` is the usual time between two frames.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its dynamics")

    def candidates(self, steps: int) -> dict[str, DynamicsConfig]:
        """Give the options, by a short name, among which stage two is to choose; none by default.

        Each candidate is trained, and the one with the lowest error of validation rollouts is kept.

        Parameters
        ----------
        steps : int
            The usual number of steps that a training trajectory goes on without a gap.
        """
        return {}


class DriftConfig(PartConfig):
    """The base of the options of drifts: a subclass has the options as fields, and builds the drift."""

    def build(self, dim: int, context_dim: int = 0) -> Drift:
        """Make the drift of macrostates of ``dim`` = D numbers, given ``context_dim`` = p numbers of the context."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its drift")


class DiffusionConfig(PartConfig):
    """The base of the options of diffusions: a subclass has the options as fields, and builds the diffusion."""

    def build(self, dim: int, context_dim: int = 0) -> nn.Module:
        """Make the diffusion of macrostates of ``dim`` = D numbers, given ``context_dim`` = p numbers of the context.

        The module maps y ``(*, D)`` and u ``(*, p)`` to a factor of Σ: its diagonal ``(*, D)`` or a lower triangle
        ``(*, D, D)``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its diffusion")


class Drift(nn.Module):
    """The base of drifts n(y, u) of macrostate and context in standardised coordinates.

    ``forward(y, u)`` maps ``(*, D)`` and ``(*, p)`` to ``(*, D)``. Each column of the result is in units of its root
    mean square change in one time step.
    """

    def set_rates(self, rates: Tensor) -> None:
        """Take the rates of the columns, ``(D,)`` in standard deviations per time step, if the drift needs them."""


class Dynamics(nn.Module, ABC):
    """The base of equations of motion of macrostates z = [z̄, ẑ].

    Training and prediction use :attr:`horizons`, :meth:`loss`, :meth:`start` and :meth:`simulate`. Networks see
    y = (z − shift) / scale and u, the standardised context. Times between frames are in units of ``time_step``, so
    that the unit of time changes neither the loss nor a rollout.

    Parameters
    ----------
    dim : int
        The numbers of a macrostate, D.
    n_observables : int
        The number of observables z̄, which come first, o; the rest is the closure ẑ.
    context_dim : int
        The numbers that are known from outside, p.
    time_step : float
        The usual time between two frames, in the unit of time of the data, Δt.

    Raises
    ------
    ModelError
        If not 1 ≤ n_observables ≤ dim, or the time step is not positive.
    """

    horizons: tuple[int, ...] = (1,)
    """The numbers of steps that training examples have; stage two draws examples of each, in equal shares."""

    stochastic: ClassVar[bool] = False
    """Whether two rollouts from one state differ."""

    shift: Tensor
    scale: Tensor
    rate_scale: Tensor
    low: Tensor
    high: Tensor
    context_shift: Tensor
    context_scale: Tensor
    context_low: Tensor
    context_high: Tensor

    def __init__(self, dim: int, n_observables: int, context_dim: int = 0, time_step: float = 1.0) -> None:
        super().__init__()
        if not 1 <= n_observables <= dim:
            raise ModelError(
                f"a macrostate of {dim} numbers was to have {n_observables} observables; expected 1 to {dim}."
            )
        if not 0.0 < time_step < float("inf"):
            raise ModelError(f"the time step is {time_step}; expected a positive number.")
        self.dim, self.n_observables, self.context_dim = dim, n_observables, context_dim
        self.time_step = time_step
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("rate_scale", torch.ones(dim))
        self.register_buffer("low", torch.full((dim,), -torch.inf))
        self.register_buffer("high", torch.full((dim,), torch.inf))
        self.register_buffer("context_shift", torch.zeros(context_dim))
        self.register_buffer("context_scale", torch.ones(context_dim))
        self.register_buffer("context_low", torch.full((context_dim,), -torch.inf))
        self.register_buffer("context_high", torch.full((context_dim,), torch.inf))

    @property
    def window(self) -> int:
        """The number of consecutive frames in the longest training example."""
        return max(self.horizons) + 1

    # ── the protocol ──────────────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def loss(self, z: Tensor, context: Tensor, dt: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Give the loss of each training example, ``(B,)``, for the caller to weight and average.

        Parameters
        ----------
        z : Tensor
            Consecutive macrostates, ``(B, L, D)``; L − 1 is one of :attr:`horizons`, or fewer steps where the data
            have no longer stretch without a gap.
        context : Tensor
            The context at these frames, ``(B, L, p)``.
        dt : Tensor
            Times between these frames in time steps, ``(B, L − 1)``.
        statistics : Statistics, optional
            Units of states and changes; those of the training data by default. An encoder that is trained with the
            dynamics gives those of the batch, because a closure that merely shrinks would lower a loss in fixed units.
        """

    def start(self, z: Tensor, context: Tensor) -> Tensor:
        """Give the state after the first K known frames, from macrostates ``(B, K, D)`` and context ``(B, K, p)``.

        A dynamics without memory takes the last frame.
        """
        return z[:, -1]

    @abstractmethod
    def simulate(
        self,
        state: Tensor,
        context: Tensor,
        dt: Tensor,
        *,
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Rollout:
        """Predict paths from states.

        Parameters
        ----------
        state : Tensor
            The states that :meth:`start` gave, ``(B, D)``.
        context : Tensor
            The context at each predicted frame, the start included, ``(B, H + 1, p)``.
        dt : Tensor
            Times between frames in time steps, ``(H,)``.
        samples : int
            Paths with independent noise from each state, R.
        generator : torch.Generator, optional
            Source of the noise; PyTorch's global one by default.

        Returns
        -------
        Rollout
            States ``(B, R, H + 1, D)`` with status and step of each path.
        """

    # ── units ─────────────────────────────────────────────────────────────────────────────────────────────────

    def changes(self, now: Tensor, after: Tensor, dt: Tensor) -> Tensor:
        """Give the changes ``(*, D)`` from ``now`` to ``after`` in units of one time step, for times ``dt (*, 1)``."""
        return (after - now) / dt

    @torch.no_grad()
    def set_statistics(self, z: Tensor, context: Tensor, now: Tensor, dt: Tensor) -> None:
        """Take the units, and the range of the training data, from the macrostates of the training split.

        Parameters
        ----------
        z, context : Tensor
            All frames of all training trajectories in a row, ``(F, D)`` and ``(F, p)``; never validation or test data.
        now : Tensor
            Rows at which a pair of successive frames begins, ``(n,)``.
        dt : Tensor
            Time between the frames of each pair in time steps, ``(n,)``.

        Raises
        ------
        ModelError
            If macrostates or context have another shape.
        TrainingError
            If a macrostate is NaN or infinite, or there is no pair of frames.
        """
        if z.ndim != 2 or z.shape[1] != self.dim or context.shape != (len(z), self.context_dim):
            raise ModelError(
                f"macrostates have shape {tuple(z.shape)} and their context {tuple(context.shape)}; expected "
                f"(F, {self.dim}) and (F, {self.context_dim})."
            )
        if len(now) == 0:
            raise TrainingError(
                "no two frames of the training data follow each other, so there is no step to learn. "
                "Look at the gaps between the times of the frames."
            )
        if not bool(torch.isfinite(z).all()):
            row, column = (int(i) for i in (~torch.isfinite(z)).nonzero()[0])
            raise TrainingError(
                f"macrostate {row} of the training frames is not finite in column {column}. "
                "Look at the observables and the encoder's output of that frame."
            )
        z = z.double()
        measured = Statistics.of(z, lambda z: self.changes(z[now], z[now + 1], dt.double()[:, None]))
        self.shift.copy_(measured.shift)
        self.scale.copy_(measured.scale)
        self.rate_scale.copy_(measured.rate)
        self.low.copy_(z.amin(0))
        self.high.copy_(z.amax(0))
        self.set_context_statistics(context)

    @torch.no_grad()
    def set_context_statistics(self, context: Tensor) -> None:
        """Take the units and the range of the context from that of all training frames, ``(F, p)``."""
        if self.context_dim:
            measured = Statistics.of(context.double(), lambda u: u)
            self.context_shift.copy_(measured.shift)
            self.context_scale.copy_(measured.scale)
            self.context_low.copy_(context.amin(0))
            self.context_high.copy_(context.amax(0))

    def statistics(self) -> Statistics:
        """Give the units of the training data."""
        return Statistics(self.shift, self.scale, self.rate_scale)

    def persistence(self) -> Tensor:
        """Say how much of each column's variance stays from one frame to the next, ``(D,)`` between 0 and 1.

        It is the autocorrelation over a time step, 1 − rate² / 2 scale²: about 1 for a column that changes slowly, and
        0 for noise.
        """
        return (1.0 - 0.5 * (self.rate_scale / self.scale).square()).clamp(0.0, 1.0)

    def standardise(self, z: Tensor) -> Tensor:
        """Shift and scale macrostates: y = (z − shift) / scale, ``(*, D)``."""
        return (z - self.shift) / self.scale

    def standard_context(self, context: Tensor) -> Tensor:
        """Shift and scale the context, ``(*, p)``."""
        return (context - self.context_shift) / self.context_scale
