"""The macro dynamics: drift and diffusion with the statistics that scale them, and their configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from setclosure.dynamics.diffusion import ConstantDiffusion, DiagonalDiffusion, FullDiffusion
from setclosure.dynamics.drift import MLPDrift
from setclosure.dynamics.networks import Activation
from setclosure.dynamics.onsager import OnsagerNetDrift
from setclosure.errors import ModelError, TrainingError
from setclosure.settings import Settings

_CONSTANT = 1e-6
"""A column that varies by a smaller share of its size is constant, but for the rounding of float32."""


class DriftConfig(Settings):
    """The drift g."""

    name: Literal["mlp", "onsager"] = Field(default="mlp", description="A perceptron, or OnsagerNet.")
    hidden: tuple[PositiveInt, ...] = Field(default=(128, 128, 128), description="Widths of the hidden layers.")
    activation: Activation = Field(
        default="tanh",
        description="tanh keeps the drift bounded; silu, gelu and softplus let some rollouts diverge.",
    )


class DiffusionConfig(Settings):
    """The diffusion Σ; none makes the macro dynamics an ODE."""

    name: Literal["none", "constant", "diagonal", "full"] = Field(
        default="none",
        description="No noise, constant diagonal, state-dependent diagonal, or lower triangular.",
    )
    hidden: tuple[PositiveInt, ...] = Field(default=(32, 32), description="Widths of the hidden layers.")


class MacroDynamics(nn.Module):
    """The macro dynamics dz = g(z) dt + Σ(z) dW of Eq. 4, with z = [z̄, ẑ].

    Inside, networks see y = (z − shift) / scale and answer in units of the rate scale, the root mean square
    increment of each column from frame to frame: n(y) is the drift per frame in that unit, L(y) the diffusion
    per square root of a frame. Outside, all is physical: g(z) = rate · n(y) / Δt in units of z per time, and
    Σ(z) = rate · L(y) / √Δt in units of z per √time, where Δt = ``time_step`` is the time between two frames.
    So Δt is a unit: it changes the numbers of g and Σ, and neither the likelihood nor a rollout.

    Parameters
    ----------
    dim : int
        D, the numbers of a macrostate.
    n_observables : int
        o, how many of them are observables z̄ (the first ones); the rest is the closure ẑ.
    drift : DriftConfig, optional
        The drift.
    diffusion : DiffusionConfig, optional
        The diffusion; none by default.
    time_step : float, optional
        Δt, the time between two frames, in whatever unit of time g and Σ shall have.

    Raises
    ------
    ModelError
        If not 1 ≤ n_observables ≤ dim, or the time step is not positive.

    Examples
    --------
    >>> dynamics = MacroDynamics(9, 1)
    >>> _ = dynamics.set_statistics(torch.randn(20, 50, 9, generator=torch.manual_seed(0)))
    >>> dynamics.drift(torch.zeros(4, 9)).shape, dynamics.diffusion(torch.zeros(4, 9)) is None
    (torch.Size([4, 9]), True)
    """

    shift: Tensor
    scale: Tensor
    rate_scale: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self,
        dim: int,
        n_observables: int,
        drift: DriftConfig | None = None,
        diffusion: DiffusionConfig | None = None,
        time_step: float = 1.0,
    ) -> None:
        super().__init__()
        if not 1 <= n_observables <= dim:
            raise ModelError(
                f"a macrostate of {dim} numbers with {n_observables} observables; expected at least one, "
                "and no more than numbers."
            )
        if not 0.0 < time_step < float("inf"):
            raise ModelError(f"the time step is {time_step}; expected a positive number.")
        self.dim, self.n_observables, self.time_step = dim, n_observables, time_step
        self.drift_network = _make_drift(dim, drift or DriftConfig())
        self.diffusion_network = _make_diffusion(dim, diffusion or DiffusionConfig())
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_buffer("rate_scale", torch.ones(dim))
        self.register_buffer("low", torch.full((dim,), -torch.inf))
        self.register_buffer("high", torch.full((dim,), torch.inf))

    @property
    def is_stochastic(self) -> bool:
        """Whether there is a diffusion."""
        return self.diffusion_network is not None

    @torch.no_grad()
    def set_statistics(self, z: Tensor) -> MacroDynamics:
        """Take shift, scale, rate scale and range from the macrostates of the training split, ``(M, T, D)``.

        Shift and scale are mean and standard deviation, the rate scale is the root mean square increment per
        frame, the range the least and the largest value. Columns that do not vary have their own size (or
        one, if they are zero) as scale, and a rate scale of one millionth of it: they are never divided by
        zero, and the dynamics can hardly move them.

        Parameters
        ----------
        z : Tensor
            Macrostates of whole trajectories, ``(M, T, D)`` with T ≥ 2; never of validation or test data.

        Returns
        -------
        MacroDynamics
            Itself.

        Raises
        ------
        ModelError
            If the shape is another.
        TrainingError
            If a macrostate is NaN or infinite.
        """
        if z.ndim != 3 or z.shape[0] < 1 or z.shape[1] < 2 or z.shape[2] != self.dim:
            raise ModelError(f"macrostates have shape {tuple(z.shape)}; expected (M, T ≥ 2, {self.dim}).")
        if not bool(torch.isfinite(z).all()):
            m, t, column = (int(i) for i in (~torch.isfinite(z)).nonzero()[0])
            raise TrainingError(
                f"macrostate {t} of trajectory {m} is not finite in column {column}. "
                "Look at the observables and the encoder's output of that frame."
            )
        self._take_statistics(z)
        return self

    @contextmanager
    def measured_on(self, z: Tensor) -> Iterator[None]:
        """Inside the block shift, scale and rate scale are those of the batch ``z``, as functions of it.

        For an encoder that is trained with the dynamics: gradients flow through the statistics, so a loss that is
        measured in them cannot be lowered by a closure that merely shrinks. Statistics that lag behind, or are
        detached, let it shrink without end.

        Parameters
        ----------
        z : Tensor
            Pieces of training trajectories, ``(B, T, D)`` with B, T ≥ 2.
        """
        shift, scale, rate = _statistics(z)
        self.shift, self.scale, self.rate_scale = shift, scale, rate
        try:
            yield
        finally:
            self.shift, self.scale, self.rate_scale = shift.detach(), scale.detach(), rate.detach()

    @torch.no_grad()
    def _take_statistics(self, z: Tensor) -> None:
        z = z.double()
        for buffer, value in zip((self.shift, self.scale, self.rate_scale), _statistics(z), strict=True):
            buffer.copy_(value)
        self.low.copy_(z.amin((0, 1)))
        self.high.copy_(z.amax((0, 1)))
        if isinstance(self.drift_network, OnsagerNetDrift):
            self.drift_network.set_rates(self.rate_scale / self.scale)

    def standardise(self, z: Tensor) -> Tensor:
        """Shift and scale: y = (z − shift) / scale, ``(*, D)``."""
        return (z - self.shift) / self.scale

    def drift(self, z: Tensor) -> Tensor:
        """Evaluate g(z), ``(*, D)``, in units of z per unit of time."""
        g: Tensor = self.drift_network(self.standardise(z)) * (self.rate_scale / self.time_step)
        return g

    def diffusion(self, z: Tensor) -> Tensor | None:
        """Evaluate Σ(z), in units of z per root of the unit of time.

        Returns
        -------
        Tensor or None
            The diagonal ``(*, D)`` if Σ is diagonal, else a lower-triangular factor ``(*, D, D)``; None if
            there is no diffusion.
        """
        if self.diffusion_network is None:
            return None
        factor: Tensor = self.diffusion_network(self.standardise(z))
        unit = self.rate_scale / self.time_step**0.5
        sigma: Tensor = factor * (unit if factor.ndim == z.ndim else unit.unsqueeze(-1))
        return sigma


def _statistics(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard deviation and root mean square increment of the columns of ``z`` (M, T, D)."""
    size = z.detach().abs().amax((0, 1))
    size = torch.where(size > 0, size, torch.ones_like(size))
    variance = z.var((0, 1), correction=0)
    squared = (z[:, 1:] - z[:, :-1]).square().mean((0, 1))
    least = (_CONSTANT * size).square()
    # the root's gradient at zero is infinite: constant columns take their own size before it
    scale = torch.where(variance > least, variance, size.square()).sqrt()
    rate = torch.maximum(squared, (_CONSTANT * scale).square()).sqrt()
    return z.mean((0, 1)), scale, rate


def _make_drift(dim: int, config: DriftConfig) -> nn.Module:
    if config.name == "onsager":
        return OnsagerNetDrift(dim, config.hidden, config.activation)
    return MLPDrift(dim, config.hidden, config.activation)


def _make_diffusion(dim: int, config: DiffusionConfig) -> nn.Module | None:
    if config.name == "none":
        return None
    if config.name == "constant":
        return ConstantDiffusion(dim)
    if config.name == "diagonal":
        return DiagonalDiffusion(dim, config.hidden)
    return FullDiffusion(dim, config.hidden)
