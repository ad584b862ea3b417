"""A flock: particles of one speed take on the mean heading of those around them, with noise (Vicsek et al. 1995)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from setclosure.exam.simulator import ExamSimulator
from setclosure.registry import register
from setclosure.sets.features import Features
from setclosure.trajectories.layout import Array, Layout, Trajectory

WIDTH = 0.8
"""The standard deviation of the places of a flock at the start."""

MOST_SPREAD = 1.5
"""The headings of a flock spread at the start by a standard deviation drawn up to this, in radians."""


@register("simulator", "flocking")
class Flocking(ExamSimulator):
    """Vicsek particles in a periodic box, which start as some flocks with headings and spreads of their own.

    In a step the heading becomes that of the mean direction within the radius, the particle itself included, plus
    η·U(−π, π). Then the particle moves. The observable is the polar order, the size of the mean direction.

    Examples
    --------
    >>> Flocking(noise=(0.3, 0.3)).layout.context_names, Flocking(told=True).layout.context_names
    ((), ('eta',))
    """

    n_particles: int = Field(200, ge=2, description="Particles, N.")
    side: float = Field(5.0, gt=0, description="Side of the periodic box.")
    radius: float = Field(0.7, gt=0, description="Radius of the neighbourhood.")
    speed: float = Field(0.03, gt=0, description="Distance of a step.")
    noise: tuple[float, float] = Field((0.05, 0.6), description="η is drawn uniformly between these for a trajectory.")
    told: bool = Field(False, description="Whether η is given as context.")
    most_flocks: int = Field(4, ge=1, description="One to so many flocks at the start.")
    n_frames: int = Field(41, ge=2, description="Frames, a step each.")

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        return Layout(
            "flocking",
            Features(2, vectors=1, names=("x", "y", "heading x", "heading y")),
            self.n_frames,
            self.n_particles,
            "polar_order",
            ("polar order",),
            context_names=("eta",) if self.told else (),
            has_cell=True,
        )

    def start(self, rng: np.random.Generator) -> tuple[Array, Array, float]:
        """Draw places ``(N, 2)``, headings ``(N,)`` and η."""
        flocks = rng.integers(1, self.most_flocks + 1)
        centres, headings = rng.uniform(0, self.side, (flocks, 2)), rng.uniform(-np.pi, np.pi, flocks)
        spreads = rng.uniform(0, MOST_SPREAD, flocks)
        of = rng.integers(flocks, size=self.n_particles)
        places = (centres[of] + WIDTH * rng.normal(size=(self.n_particles, 2))) % self.side
        return places, headings[of] + spreads[of] * rng.normal(size=self.n_particles), float(rng.uniform(*self.noise))

    def follow(self, start: tuple[Array, Array, float], rng: np.random.Generator) -> Trajectory:
        """Give the trajectory from a start, with noise from ``rng``."""
        x, heading, eta = start
        points = np.empty((self.n_frames, self.n_particles, 4))
        for t in range(self.n_frames):
            if t:
                heading = self._mean_heading(x, heading) + eta * rng.uniform(-np.pi, np.pi, self.n_particles)
                x = (x + self.speed * np.stack([np.cos(heading), np.sin(heading)], axis=1)) % self.side
            points[t] = np.column_stack([x, np.cos(heading), np.sin(heading)])
        order = np.linalg.norm(points[..., 2:].mean(axis=1), axis=1)
        points[..., :2][points[..., :2] >= self.side] = 0.0
        context = np.array([eta]) if self.told else None
        return Trajectory(points, order[:, None], np.arange(self.n_frames), cell=self.side * np.eye(2), context=context)

    def _mean_heading(self, x: Array, heading: Array) -> Array:
        offset = x[:, None] - x
        offset -= self.side * np.rint(offset / self.side)
        near = np.square(offset).sum(axis=-1) < self.radius**2
        return np.asarray(np.arctan2(near @ np.sin(heading), near @ np.cos(heading)))
