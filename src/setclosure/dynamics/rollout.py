"""Rollouts: macrostates predicted from the first one alone (Algorithm 2), each path with a status."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import torch
from torch import Tensor

from setclosure.dynamics.integrators import euler, euler_maruyama, rk4
from setclosure.dynamics.macro_dynamics import MacroDynamics
from setclosure.errors import ConfigurationError, ModelError

_FAR = 1e6  # a path so many widths of the training range away has diverged, finite or not
_CHUNK_PATHS = 8192  # paths that go together: enough for large matrix products, few enough for small machines
_CHUNK_NUMBERS = 2**25  # states and noise held for a chunk, in numbers


class RolloutStatus(IntEnum):
    """How a path ended."""

    OK = 0
    DIVERGED = 1
    OUTSIDE = 2

    @property
    def sentence(self) -> str:
        """What that means and what to do, for a reader."""
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
    """Predicted macrostates.

    Parameters
    ----------
    states : Tensor
        ``(B, R, H + 1, D)``, the initial state first; always finite. A diverged path is held, from the step
        at which it diverged, at its last state before that.
    status : Tensor
        A :class:`RolloutStatus` for each path, ``(B, R)`` int64.
    step : Tensor
        The step at which the path diverged or else first was outside, ``(B, R)`` int64; −1 if neither.
    n_observables : int
        How many of the D columns are observables (the first ones).
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
        """Say in a sentence what became of sample ``r`` of path ``b``."""
        status = RolloutStatus(int(self.status[b, r]))
        when = "" if status is RolloutStatus.OK else f" at step {int(self.step[b, r])}"
        return f"path {b}, sample {r}: {status.name.lower()}{when}; {status.sentence}"


def rollout(
    dynamics: MacroDynamics,
    z0: Tensor,
    steps: int,
    *,
    samples: int = 1,
    integrator: Literal["euler", "rk4"] = "euler",
    substeps: int = 1,
    generator: torch.Generator | None = None,
    range_margin: float = 0.1,
) -> Rollout:
    """Predict ``steps`` frames from the initial macrostates ``z0``.

    Every path gets its own random stream, seeded by one number that ``generator`` draws for each path, in
    order. So the noise of path (b, r) depends on the state of ``generator``, on its place b · R + r, on
    ``steps`` and on ``substeps``: not on later batch mates, chunks, or the device that holds the model.
    (The last digits may still differ with the size of the batch: matrix products round differently.)

    Parameters
    ----------
    dynamics : MacroDynamics
        The dynamics, its statistics set.
    z0 : Tensor
        Initial macrostates, ``(B, D)``, physical units.
    steps : int
        H, frames to predict.
    samples : int, optional
        R, paths with independent noise from each initial state; one for an ODE.
    integrator : {"euler", "rk4"}, optional
        Euler (with diffusion: Euler–Maruyama, what Eq. 5 was trained for), or Runge–Kutta of order 4, which
        takes the drift as the right-hand side of an ODE and knows no noise.
    substeps : int, optional
        Steps of the integrator in each frame.
    generator : torch.Generator, optional
        Source of the noise; PyTorch's global one by default.
    range_margin : float, optional
        A path is outside when a column leaves the training range by more than this share of its width.

    Returns
    -------
    Rollout
        States ``(B, R, H + 1, D)``, finite in any case, with status and step of each path.

    Raises
    ------
    ModelError
        If ``z0`` has another shape or is not finite.
    ConfigurationError
        If a number is out of range, ``integrator`` is "rk4" and there is diffusion, or ``samples`` > 1 and
        there is none.

    Examples
    --------
    >>> paths = rollout(MacroDynamics(3, 1), torch.zeros(2, 3), steps=5)
    >>> paths.states.shape, paths.message(0)[:13]
    (torch.Size([2, 1, 6, 3]), 'path 0, sampl')
    """
    _check(
        dynamics,
        z0,
        steps=steps,
        samples=samples,
        integrator=integrator,
        substeps=substeps,
        range_margin=range_margin,
    )
    B, D = z0.shape
    paths = B * samples
    device = dynamics.shift.device
    seeds: list[int] | None = None
    if dynamics.is_stochastic:
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
        for first in range(0, paths, chunk):
            part = slice(first, first + chunk)
            noise = None if seeds is None else _noise(seeds[part], steps * substeps, states)
            y = _integrate(
                dynamics,
                dynamics.standardise(start[part]),
                steps,
                integrator=integrator,
                substeps=substeps,
                noise=noise,
            )
            _judge(dynamics, y, range_margin, status[part], step[part])
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
    dynamics: MacroDynamics, y: Tensor, steps: int, *, integrator: str, substeps: int, noise: Tensor | None
) -> Tensor:
    """Integrate in standardised coordinates, where a step costs the networks and little else.

    Returns the paths, ``(H + 1, P, D)``.
    """
    network, noise_network = dynamics.drift_network, dynamics.diffusion_network
    rate = dynamics.rate_scale / dynamics.scale  # (D,), standard deviations per frame
    h = 1.0 / substeps  # in frames

    def drift(y: Tensor) -> Tensor:
        g: Tensor = network(y) * rate
        return g

    def diffusion(y: Tensor) -> Tensor:
        factor: Tensor = noise_network(y)  # type: ignore[misc]  # called only when there is one
        return factor * (rate if factor.ndim == y.ndim else rate.unsqueeze(-1))

    path = y.new_empty(steps + 1, *y.shape)
    path[0] = y
    for t in range(steps):
        for s in range(substeps):
            if noise is not None:
                y = euler_maruyama(drift, diffusion, y, h, noise[t * substeps + s])
            else:
                y = rk4(drift, y, h) if integrator == "rk4" else euler(drift, y, h)
        path[t + 1] = y
    return path


def _judge(dynamics: MacroDynamics, y: Tensor, margin: float, status: Tensor, step: Tensor) -> None:
    """Fill ``status`` and ``step`` ``(P,)`` for the paths ``y`` ``(H + 1, P, D)``; hold the diverged ones.

    All at once after the last step: paths do not touch each other, so a lost one costs only its own time.
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


def _check(
    dynamics: MacroDynamics,
    z0: Tensor,
    *,
    steps: int,
    samples: int,
    integrator: str,
    substeps: int,
    range_margin: float,
) -> None:
    if z0.ndim != 2 or z0.shape[1] != dynamics.dim or len(z0) == 0:
        raise ModelError(f"initial macrostates have shape {tuple(z0.shape)}; expected (B ≥ 1, {dynamics.dim}).")
    if not bool(torch.isfinite(z0).all()):
        rows = (~torch.isfinite(z0).all(1)).nonzero().flatten().tolist()
        raise ModelError(f"initial macrostates {rows[:5]} are not finite; look at their microstates.")
    for name, value, least in (("steps", steps, 1), ("samples", samples, 1), ("substeps", substeps, 1)):
        if value < least:
            raise ConfigurationError(f"{name} is {value}; expected at least {least}.")
    if not range_margin >= 0:
        raise ConfigurationError(f"range_margin is {range_margin}; expected a share of the width, not negative.")
    if integrator not in ("euler", "rk4"):
        raise ConfigurationError(f"integrator is '{integrator}'; expected 'euler' or 'rk4'.")
    if integrator == "rk4" and dynamics.is_stochastic:
        raise ConfigurationError("rk4 integrates an ODE, and these dynamics have diffusion; use 'euler'.")
    if samples > 1 and not dynamics.is_stochastic:
        raise ConfigurationError(
            f"{samples} samples of an ODE would be equal; use samples=1, or dynamics with diffusion."
        )
