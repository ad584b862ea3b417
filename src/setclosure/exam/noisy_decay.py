"""A decay whose observable is measured with white noise, which a drift of one step takes for fast decay."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from setclosure.exam.simulator import ExamSimulator
from setclosure.registry import register
from setclosure.sets.features import Features
from setclosure.trajectories.layout import Array, Layout, Trajectory


@register("simulator", "noisy_decay")
class NoisyDecay(ExamSimulator):
    """Particles on a line whose places shrink by x' = −rate · x; the observable is x(t) with white noise.

    x(0) is drawn between 1 and 2. The particles lie at x(t) times standard normal numbers, so their spread shows what
    the observable would be without noise.

    Examples
    --------
    >>> NoisyDecay(n_frames=3).simulate(np.random.default_rng(0)).observables.shape
    (3, 1)
    """

    n_particles: int = Field(30, ge=1, description="Particles, N.")
    rate: float = Field(0.1, gt=0, description="Rate of the decay.")
    interval: float = Field(0.1, gt=0, description="Time between two frames.")
    n_frames: int = Field(60, ge=2, description="Frames.")
    noise: float = Field(0.2, ge=0, description="Standard deviation of the noise of the observable.")

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        return Layout("noisy decay", Features(1), self.n_frames, self.n_particles, "given", ("x",))

    def start(self, rng: np.random.Generator) -> tuple[float, Array]:
        """Draw x(0), and the place of each particle as a multiple of x, ``(N,)``."""
        return float(rng.uniform(1, 2)), rng.normal(size=self.n_particles)

    def follow(self, start: tuple[float, Array], rng: np.random.Generator) -> Trajectory:
        """Give the trajectory from a start, with noise of the observable from ``rng``."""
        times = np.arange(self.n_frames) * self.interval
        x = start[0] * np.exp(-self.rate * times)
        observed = x + self.noise * rng.normal(size=self.n_frames)
        return Trajectory((x[:, None] * start[1])[..., None], observed[:, None], times)
