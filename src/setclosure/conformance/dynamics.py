"""The promises of dynamics: what training and rollouts rely on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from setclosure.conformance.report import Report, begun
from setclosure.conformance.require import (
    require,
    require_different,
    require_finite,
    require_gradients,
    require_reload,
    require_same,
    require_shape,
)
from setclosure.dynamics.base import Dynamics, DynamicsConfig
from setclosure.dynamics.rollout import Rollout, RolloutStatus
from setclosure.dynamics.statistics import Statistics
from setclosure.errors import SetclosureError
from setclosure.seeds import seeded, torch_stream

DIM, OBSERVABLES, CONTEXTS = 3, 1, (0, 2)
"""Numbers of a macrostate, observables among them, and numbers of the context with which dynamics are tried."""

B, H, R = 5, 6, 3
"""Starts, steps and samples of a rollout."""

CLOSE = 1e-9
"""Share by which two results may differ in double precision: products of matrices round with the size of a batch."""


def check_dynamics(config: DynamicsConfig) -> Report:
    """Check the promises of dynamics.

    Raises
    ------
    ConformanceError
        If they break one; the message says which, and what was found.

    Examples
    --------
    >>> from setclosure.dynamics.ode import ODEConfig
    >>> check_dynamics(ODEConfig(drift={"hidden": [8]})).promises[-1]
    'weights and statistics are saved and loaded'
    """
    report = begun("dynamics", config)
    with report.promise("it is built with and without context, and says how many steps its examples have"):
        tried = [_Tried(config, p) for p in CONTEXTS]
    checks: dict[str, Callable[[_Tried], None]] = {
        "units are taken from the training data, which are refused if they are not finite": _Tried.statistics,
        "the loss of each example, (B,), is finite and that of the example alone": _Tried.losses,
        "every parameter has a finite gradient, in the units of the data and of a batch": _Tried.gradients,
        "the times between frames enter the loss, and less time is less change": _Tried.times,
        "the unit of time and the units of the macrostates change no rollout": _Tried.units,
        "a state is made of any number of known frames, whatever is in the batch": _Tried.start,
        "paths (B, R, H + 1, D) are finite and each has a status, far outside of the data, too": _Tried.paths,
        "the same random numbers give the same paths, and others others": _Tried.noise,
        "later starts of a batch change nothing": _Tried.mates,
        "the context enters the loss and the paths, and never before its time": _Tried.context,
        "weights and statistics are saved and loaded": _Tried.reload,
    }
    report.keeps(checks, tried)
    return report


class _Tried:
    """Dynamics with a context of p numbers, and training data for them."""

    def __init__(self, config: DynamicsConfig, p: int) -> None:
        self.config, self.p = config, p
        generator = torch_stream(0, "conformance", p)
        horizons = self.made(fitted=False).horizons
        whole = isinstance(horizons, tuple) and all(isinstance(h, int) and h > 0 for h in horizons)
        require(whole and bool(horizons), f"horizons is {horizons!r}; expected a tuple of numbers of steps from 1 on.")
        frames = max(40, max(horizons) + 1)
        options = {"generator": generator, "dtype": torch.float64}
        walks = 0.1 * torch.randn(8, frames, DIM, **options).cumsum(1) + torch.randn(8, 1, DIM, **options)  # type: ignore[call-overload]
        self.z: Tensor = walks * torch.tensor([1.0, 20.0, 0.05]) + torch.tensor([0.0, 5.0, 0.0])
        self.u: Tensor = torch.randn(8, frames, p, **options)  # type: ignore[call-overload]
        self.dynamics = self.made()
        self.example = self.example_of(max(horizons))
        self.dt = torch.ones(H, dtype=torch.float64)

    def example_of(self, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Give training examples of so many steps."""
        return self.z[:B, : steps + 1], self.u[:B, : steps + 1], torch.ones(B, steps, dtype=torch.float64)

    def made(self, seed: int = 0, time_step: float = 1.0, unit: float = 1.0, fitted: bool = True) -> Dynamics:
        """Make dynamics with the statistics of the data in another unit."""
        with seeded(seed, "conformance"):
            dynamics: Any = self.config.build(DIM, OBSERVABLES, self.p, time_step)
        require(
            isinstance(dynamics, Dynamics),
            f"build gave a {type(dynamics).__name__}; expected a subclass of setclosure.dynamics.base.Dynamics.",
        )
        made: Dynamics = dynamics.double().eval()
        if fitted:
            z = unit * self.z.flatten(0, 1)
            now = torch.arange(len(z)).view(len(self.z), -1)[:, :-1].flatten()
            made.set_statistics(z, self.u.flatten(0, 1), now, torch.ones(len(now), dtype=torch.float64))
        return made

    def roll(
        self,
        z: Tensor | None = None,
        u: Tensor | None = None,
        dt: Tensor | None = None,
        *,
        seed: int = 0,
        dynamics: Dynamics | None = None,
        samples: int = 1,
    ) -> Rollout:
        """Predict from single frames."""
        dynamics = dynamics or self.dynamics
        z = self.z[:B, 0] if z is None else z
        u = self.u[: len(z), : H + 1] if u is None else u
        with torch.no_grad():
            state = dynamics.start(z[:, None], u[:, :1])
        dt = self.dt if dt is None else dt
        return dynamics.simulate(state, u, dt, samples=samples, generator=torch_stream(seed, "paths"))

    @property
    def samples(self) -> int:
        return R if self.dynamics.stochastic else 1

    def statistics(self) -> None:
        s = self.dynamics.statistics()
        every = self.z.flatten(0, 1)
        require_same(s.shift, every.mean(0), "shift, the mean of each column", 1e-6)
        require_same(s.scale, every.std(0, correction=0), "scale, the standard deviation of each column", 1e-6)
        for what, z, now in (
            ("macrostates that are NaN", every * float("nan"), torch.arange(3)),
            ("no pair of frames", every, torch.arange(0)),
            ("macrostates of another number of columns", every[:, :-1], torch.arange(3)),
        ):
            try:
                self.made(fitted=False).set_statistics(z, self.u.flatten(0, 1), now, torch.ones(len(now)))
            except SetclosureError:
                continue
            require(False, f"set_statistics took {what}; expected a ModelError or TrainingError.")

    def losses(self) -> None:
        for steps in self.dynamics.horizons:
            z, u, dt = self.example_of(steps)
            loss = self.dynamics.loss(z, u, dt)
            require_shape(loss, (B,), f"the loss of examples of {steps} steps")
            require_finite(loss, f"the loss of examples of {steps} steps")
            alone = torch.cat([self.dynamics.loss(z[b : b + 1], u[b : b + 1], dt[b : b + 1]) for b in range(B)])
            require_same(alone, loss, f"losses of examples of {steps} steps alone, and in a batch", CLOSE)

    def gradients(self) -> None:
        z, u, dt = self.example
        require_gradients(self.dynamics, self.dynamics.loss(z, u, dt).sum())
        encoded = z.clone().requires_grad_()
        changes = self.dynamics.changes(encoded[:, 0], encoded[:, 1], dt[:, :1])
        loss = self.dynamics.loss(encoded, u, dt, Statistics.of(encoded, lambda _: changes))
        require_shape(loss, (B,), "the loss in the units of a batch")
        require_gradients(self.dynamics, loss.sum())
        require(encoded.grad is not None, "the loss in the units of a batch does not depend on the macrostates.")
        require_finite(torch.as_tensor(encoded.grad), "the gradient of the macrostates")

    def times(self) -> None:
        z, u, dt = self.example
        require_different(self.dynamics.loss(z, u, 2 * dt), self.dynamics.loss(z, u, dt), "losses for dt and 2 dt")
        sizes = [self._change(h) for h in (1.0, 1e-4)]
        require(
            sizes[1] < 0.05 * sizes[0],
            f"paths change by {sizes[0]:.3g} standard deviations in a time step, and by {sizes[1]:.3g} in 1e-4 of it.",
        )

    def _change(self, h: float) -> float:
        states = self.roll(dt=h * self.dt).states
        return float(((states[:, :, -1] - states[:, :, 0]) / self.dynamics.scale).square().mean().sqrt())

    def units(self) -> None:
        states = self.roll().states
        other = self.roll(dynamics=self.made(time_step=100.0)).states
        require_same(other, states, "rollouts with a time step of 100 and of 1 units of time", CLOSE)
        unit = 1e3
        scaled = self.roll(unit * self.z[:B, 0], dynamics=self.made(unit=unit)).states
        require_same(scaled / unit, states, "rollouts of macrostates in a unit a thousand times smaller", 1e-6)

    def start(self) -> None:
        for K in (1, 4):
            known, u = self.z[:B, :K], self.u[:B, :K]
            state = self.dynamics.start(known, u)
            require(len(state) == B, f"start gave {len(state)} states of {B} macrostates.")
            require_finite(state, f"the state after {K} known frames")
            alone = torch.cat([self.dynamics.start(known[b : b + 1], u[b : b + 1]) for b in range(B)])
            require_same(alone, state, "states of macrostates alone, and in a batch", CLOSE)

    def paths(self) -> None:
        rollout = self.roll(samples=self.samples)
        require_shape(rollout.states, (B, self.samples, H + 1, DIM), "the states")
        require_shape(rollout.observables, (B, self.samples, H + 1, OBSERVABLES), "the observables")
        require(not rollout.states.requires_grad, "the states carry gradients; simulate in torch.inference_mode().")
        far = self.roll(self.z[:B, 0] + 1e4 * self.dynamics.scale)
        for found, what in ((rollout, "from the data"), (far, "from far outside")):
            require_finite(found.states, f"the states of paths {what}")
            require_shape(found.status, tuple(found.states.shape[:2]), f"the status of paths {what}")
            known = {int(status) for status in RolloutStatus}
            require(set(found.status.flatten().tolist()) <= known, f"a status of paths {what} is not a RolloutStatus.")
        ok = int((far.status == RolloutStatus.OK).sum())
        require(ok == 0, f"{ok} paths that start 10,000 standard deviations outside of the data have the status ok.")

    def noise(self) -> None:
        states = self.roll(samples=self.samples).states
        require_same(self.roll(samples=self.samples).states, states, "paths with equal generators", 0.0)
        other = self.roll(seed=1, samples=self.samples).states
        if not self.dynamics.stochastic:
            require_same(other, states, "paths with two generators, of dynamics that are not stochastic", 0.0)
            return
        require_different(other, states, "paths with two generators, of stochastic dynamics")
        require_different(states[:, 0], states[:, 1], "two samples of the noise")

    def mates(self) -> None:
        together = self.roll(samples=self.samples).states
        alone = self.roll(self.z[:1, 0], samples=self.samples).states
        require_same(alone, together[:1], "paths from the first start alone, and in a batch", CLOSE)

    def context(self) -> None:
        if self.p == 0:
            return
        z, u, dt = self.example
        require_different(self.dynamics.loss(z, u + 1, dt), self.dynamics.loss(z, u, dt), "losses given two contexts")
        known = self.u[:B, : H + 1]
        before = self.roll().states
        require_different(self.roll(u=known + 1).states, before, "paths given two contexts")
        later = known.clone()
        later[:, H // 2 :] += 1
        after = self.roll(u=later).states
        seen = slice(0, H // 2)
        require_same(after[:, :, seen], before[:, :, seen], "frames before the context changes", CLOSE)

    def reload(self) -> None:
        z, u, dt = self.example
        other = self.made(seed=1, fitted=False)
        require_reload(self.dynamics, other, lambda module: module.loss(z, u, dt))
        require_same(self.roll(dynamics=other).states, self.roll().states, "paths after saving and loading")
