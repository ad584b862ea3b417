"""Rollouts predict macrostates from the first one alone (Algorithm 2); each path has a status."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from setclosure.dynamics.integrators import euler, euler_maruyama, rk4
from setclosure.errors import ConfigurationError, ModelError

_FAR = 1e6
"""The distance, in widths of the training range, beyond which a finite path counts as diverged."""

_CHUNK_PATHS = 8192
"""The number of paths that are integrated together, enough for large matrix products on small machines."""

_CHUNK_NUMBERS = 2**25
"""The most numbers of states and noise that are held at once, 128 MiB in float32."""


class RolloutStatus(IntEnum):
    """The way in which a path ended."""

    OK = 0
    DIVERGED = 1
    OUTSIDE = 2

    @property
    def sentence(self) -> str:
        """A sentence that says what the status means and what to do."""
        return _SENTENCES[self]


_SENTENCES = {
    RolloutStatus.OK: "the path stayed inside the range of the training data.",
    RolloutStatus.DIVERGED: (
        "the path left every bound, and is held at its last state before that. Use a bounded activation "
        "(tanh), a smaller step (more substeps), or an initial state closer to the training data."
    ),
    RolloutStatus.OUTSIDE: (
        "the path left the range of the training data, where the dynamics was not learned. "
        "Read it with care, or train on data that covers this region."
    ),
}


@dataclass(frozen=True)
class Rollout:
    """Predicted macrostates, with the status of each path.

    Parameters
    ----------
    states : Tensor
        Macrostates ``(B, R, H + 1, D)``, the initial state first, always finite. A diverged path is held, from the
        step at which it diverged, at its last state before that step.
    status : Tensor
        A :class:`RolloutStatus` for each path, ``(B, R)`` int64.
    step : Tensor
        The step at which the path diverged or else first was outside, ``(B, R)`` int64; −1 if neither.
    n_observables : int
        The number of columns that are observables, which come first.
    """

    states: Tensor
    status: Tensor
    step: Tensor
    n_observables: int

    @property
    def observables(self) -> Tensor:
        """The observables z̄ of the states, ``(B, R, H + 1, o)``."""
        return self.states[..., : self.n_observables]

    def message(self, b: int, r: int = 0) -> str:
        """Say in a sentence how sample ``r`` of path ``b`` ended."""
        status = RolloutStatus(int(self.status[b, r]))
        when = "" if status is RolloutStatus.OK else f" at step {int(self.step[b, r])}"
        return f"path {b}, sample {r}: {status.name.lower()}{when}; {status.sentence}"


class Integrable(Protocol):
    """The parts of dynamics that a rollout uses; see :class:`~setclosure.dynamics.markov.MarkovDynamics`."""

    dim: int
    n_observables: int
    context_dim: int
    shift: Tensor
    scale: Tensor
    rate_scale: Tensor
    low: Tensor
    high: Tensor
    drift_network: Any
    diffusion_network: Any

    @property
    def stochastic(self) -> bool:
        """Whether two rollouts from one state differ."""

    def standardise(self, z: Tensor) -> Tensor:
        """Shift and scale macrostates, ``(*, D)``."""
        ...

    def standard_context(self, context: Tensor) -> Tensor:
        """Shift and scale the context, ``(*, p)``."""
        ...


@dataclass(frozen=True)
class Scheme:
    """The integration of a rollout.

    Parameters
    ----------
    integrator : {"euler", "rk4"}
        Euler steps, or Runge–Kutta steps of order 4, which are for an ODE only. With diffusion, Euler steps are those
        of Euler–Maruyama, which the loss of Eq. 5 assumes.
    substeps : int
        Steps of the integrator in each time step.
    range_margin : float
        A path is outside when a column leaves the training range by more than this share of its width.

    Raises
    ------
    ConfigurationError
        If a value is out of range.
    """

    integrator: Literal["euler", "rk4"] = "euler"
    substeps: int = 1
    range_margin: float = 0.1

    def __post_init__(self) -> None:
        if self.integrator not in ("euler", "rk4"):
            raise ConfigurationError(f"integrator is '{self.integrator}'; expected 'euler' or 'rk4'.")
        if self.substeps < 1:
            raise ConfigurationError(f"substeps is {self.substeps}; expected at least 1.")
        if not self.range_margin >= 0:
            raise ConfigurationError(
                f"range_margin is {self.range_margin}; expected a share of the width, not negative."
            )


def rollout(
    dynamics: Integrable,
    z0: Tensor,
    dt: Tensor,
    *,
    context: Tensor | None = None,
    samples: int = 1,
    scheme: Scheme | None = None,
    generator: torch.Generator | None = None,
) -> Rollout:
    """Predict frames from the initial macrostates ``z0`` (Algorithm 2).

    Every path gets its own random stream, seeded by one number that ``generator`` draws for each path, in
    order. So the noise of path (b, r) depends on the state of ``generator``, on its place b · R + r, on
    the number of steps and on the scheme, but not on later batch mates, chunks, or the device that holds the model.
    (The last digits may still differ with the size of the batch, because matrix products round differently.)

    Parameters
    ----------
    dynamics : Integrable
        The dynamics, with its statistics set.
    z0 : Tensor
        Initial macrostates, ``(B, D)``, in physical units.
    dt : Tensor
        Times between the frames in time steps, ``(H,)``, positive.
    context : Tensor, optional
        The context at every frame, ``(B, H + 1, p)``; that of a frame holds until the next.
    samples : int, optional
        Paths with independent noise from each initial state, R; one for an ODE.
    scheme : Scheme, optional
        The integration; one Euler step for each time step by default.
    generator : torch.Generator, optional
        Source of the noise; PyTorch's global one by default.

    Returns
    -------
    Rollout
        States ``(B, R, H + 1, D)``, finite in any case, with status and step of each path.

    Raises
    ------
    ModelError
        If ``z0`` or ``context`` has another shape or is not finite.
    ConfigurationError
        If a number is out of range, the integrator is "rk4" and there is diffusion, or ``samples`` > 1 and
        there is none.

    Examples
    --------
    >>> from setclosure.dynamics.ode import ODEConfig
    >>> paths = rollout(ODEConfig().build(3, 1), torch.zeros(2, 3), torch.ones(5))
    >>> paths.states.shape, paths.message(0)[:13]
    (torch.Size([2, 1, 6, 3]), 'path 0, sampl')
    """
    scheme = scheme or Scheme()
    if context is None:
        context = z0.new_zeros(len(z0), len(dt) + 1, 0)
    _check(dynamics, z0, dt, context, samples, scheme)
    (B, D), steps, substeps = z0.shape, len(dt), scheme.substeps
    paths = B * samples
    device = dynamics.shift.device
    seeds: list[int] | None = None
    if dynamics.stochastic:
        where = generator.device if generator is not None else "cpu"
        seeds = torch.randint(2**63 - 1, (paths,), generator=generator, device=where).tolist()
    # made outside inference mode, so that the caller may use them like any tensor
    states = torch.empty(paths, steps + 1, D, dtype=dynamics.shift.dtype, device=device)
    status = torch.zeros(paths, dtype=torch.int64, device=device)
    step = torch.full((paths,), -1, dtype=torch.int64, device=device)
    per_path = D * (steps + 1 + (steps * substeps if seeds is not None else 0))
    chunk = max(1, min(_CHUNK_PATHS, _CHUNK_NUMBERS // per_path))
    with torch.inference_mode():
        start = z0.to(states).repeat_interleave(samples, dim=0)
        u = dynamics.standard_context(context.to(states)).repeat_interleave(samples, dim=0).transpose(0, 1)
        for first in range(0, paths, chunk):
            part = slice(first, first + chunk)
            noise = None if seeds is None else _noise(seeds[part], steps * substeps, states)
            y = _integrate(dynamics, dynamics.standardise(start[part]), u[:, part], dt.tolist(), scheme, noise)
            _judge(dynamics, y, scheme.range_margin, status[part], step[part])
            torch.addcmul(dynamics.shift, y.transpose(0, 1), dynamics.scale, out=states[part])
            states[part, 0] = start[part]
    return Rollout(
        states.view(B, samples, steps + 1, D),
        status.view(B, samples),
        step.view(B, samples),
        dynamics.n_observables,
    )


def _noise(seeds: list[int], steps: int, like: Tensor) -> Tensor:
    """Draw standard normal numbers ``(steps, P, D)``: one stream for each path, on the CPU."""
    D = like.shape[-1]
    noise = torch.empty(steps, len(seeds), D, dtype=like.dtype)
    stream = torch.Generator()
    for p, seed in enumerate(seeds):
        noise[:, p] = torch.randn(steps, D, generator=stream.manual_seed(seed), dtype=like.dtype)
    return noise.to(like.device)


def _integrate(
    dynamics: Integrable, y: Tensor, context: Tensor, dt: list[float], scheme: Scheme, noise: Tensor | None
) -> Tensor:
    """Integrate in standardised coordinates, where a step costs the networks and little else.

    It gives the paths, ``(H + 1, P, D)``, from ``y (P, D)`` and the standardised context ``(H + 1, P, p)``.
    """
    network, noise_network = dynamics.drift_network, dynamics.diffusion_network
    rate = dynamics.rate_scale / dynamics.scale  # (D,), standard deviations per time step
    path = y.new_empty(len(dt) + 1, *y.shape)
    path[0] = y
    for t, of_frame in enumerate(dt):
        u, h = context[t], of_frame / scheme.substeps  # in time steps

        def drift(y: Tensor, u: Tensor = u) -> Tensor:
            g: Tensor = network(y, u) * rate
            return g

        def diffusion(y: Tensor, u: Tensor = u) -> Tensor:
            factor: Tensor = noise_network(y, u)
            return factor * (rate if factor.ndim == y.ndim else rate.unsqueeze(-1))

        for s in range(scheme.substeps):
            if noise is not None:
                y = euler_maruyama(drift, diffusion, y, h, noise[t * scheme.substeps + s])
            else:
                y = rk4(drift, y, h) if scheme.integrator == "rk4" else euler(drift, y, h)
        path[t + 1] = y
    return path


def _judge(dynamics: Integrable, y: Tensor, margin: float, status: Tensor, step: Tensor) -> None:
    """Fill ``status`` and ``step`` ``(P,)`` for the paths ``y`` ``(H + 1, P, D)``, and hold the diverged ones.

    It is called once after the last step: paths do not touch each other, so a diverged one costs only its own time.
    """
    low, high = dynamics.standardise(dynamics.low), dynamics.standardise(dynamics.high)
    width = (high - low).clamp_min(1.0)  # a column that hardly varied may move by its scale
    finite = torch.isfinite(y)
    for name, share in ((RolloutStatus.OUTSIDE, margin), (RolloutStatus.DIVERGED, _FAR)):
        reach = share * width if share > 0 else torch.zeros_like(width)
        left = ~(finite & (y >= low - reach) & (y <= high + reach)).all(-1)  # (H + 1, P)
        ever = left.any(0)
        first = left.to(torch.uint8).argmax(0)
        status[ever] = int(name)
        step[ever] = first[ever]
    lost = status == RolloutStatus.DIVERGED
    if bool(lost.any()):
        last_good = (step[lost] - 1).clamp_min(0)
        t = torch.arange(len(y), device=y.device).unsqueeze(1).minimum(last_good)  # (H + 1, lost)
        y[:, lost] = y[:, lost].gather(0, t.unsqueeze(-1).expand(-1, -1, y.shape[-1]))


def _check(dynamics: Integrable, z0: Tensor, dt: Tensor, context: Tensor, samples: int, scheme: Scheme) -> None:
    if z0.ndim != 2 or z0.shape[1] != dynamics.dim or len(z0) == 0:
        raise ModelError(f"initial macrostates have shape {tuple(z0.shape)}; expected (B ≥ 1, {dynamics.dim}).")
    if not bool(torch.isfinite(z0).all()):
        rows = (~torch.isfinite(z0).all(1)).nonzero().flatten().tolist()
        raise ModelError(
            f"initial macrostates {rows[:5]} are not finite; expected finite numbers. Look at their microstates."
        )
    if dt.ndim != 1 or len(dt) == 0 or not bool((dt > 0).all()):
        raise ConfigurationError(f"times between frames are {dt.tolist()[:5]}; expected one or more positive numbers.")
    wanted = (len(z0), len(dt) + 1, dynamics.context_dim)
    if context.shape != wanted or not bool(torch.isfinite(context).all()):
        raise ModelError(f"the context has shape {tuple(context.shape)}; expected finite numbers {wanted}.")
    if samples < 1:
        raise ConfigurationError(f"samples is {samples}; expected at least 1.")
    if scheme.integrator == "rk4" and dynamics.stochastic:
        raise ConfigurationError("rk4 integrates an ODE, and these dynamics have diffusion; use 'euler'.")
    if samples > 1 and not dynamics.stochastic:
        raise ConfigurationError(
            f"{samples} samples of an ODE would be equal; use samples=1, or dynamics with diffusion."
        )
