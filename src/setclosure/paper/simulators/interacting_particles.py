"""Interacting particles attract and repel each other in the plane, from clustered starts (Sec. 4.2, A.3)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from setclosure.observables.pair_energy import pair_energy_of_points
from setclosure.observables.pair_kernels import euler_frames
from setclosure.registry import register
from setclosure.sets.features import Features
from setclosure.simulate.simulator import SimulatorConfig
from setclosure.trajectories.layout import Array, Layout, Trajectory


@register("simulator", "interacting_particles")
class InteractingParticles(SimulatorConfig):
    """A system of N particles in the plane that attract each other at a distance and repel each other when close.

    The law is dx_i/dt = (1/N) Σ_{j≠i} F(r_ij) (x_i − x_j)/r_ij with F(r) = tanh(a(1 − r)) + b (Sec. 4.2).

    A trajectory starts from a mixture of isotropic Gaussians whose means are uniform in the unit disk and whose
    components are equally likely for each particle. The observable is the normalised pair energy of A.3, which
    is the potential of F, so it never rises; with N = 300 it settles at 0.2283.

    The paper integrates with Δt = 0.002 and shows 301 frames. With a frame for every step a trajectory would end at
    T = 0.6, before the energy has settled, so a frame is kept every 10 steps here (T = 6).

    Examples
    --------
    >>> import numpy as np
    >>> system = InteractingParticles(n_particles=20, n_frames=5)
    >>> system.simulate(np.random.default_rng(0)).points.shape
    (5, 20, 2)
    """

    in_threads: ClassVar[bool] = True

    preset: Literal["released", "paper-text"] = Field(
        "released",
        description="Width of the clusters at the start. released: standard deviation 0.1 always; paper-text: "
        "uniform in 0.05 … 0.3 for each cluster of each trajectory.",
    )
    n_particles: int = Field(300, ge=2, description="Particles, N.")
    n_components: int = Field(2, ge=1, description="Clusters at the start.")
    a: float = Field(4.0, gt=0, le=100, description="Steepness of the force at r = 1.")
    b: float = Field(0.1, ge=-1, le=1, description="Offset of the force.")
    time_step: float = Field(0.002, gt=0, le=0.1, description="Step of forward Euler, Δt.")
    frame_stride: int = Field(10, ge=1, description="Steps from one frame to the next.")
    n_frames: int = Field(301, ge=2, description="Frames of a trajectory, T, the start included.")

    @property
    def times(self) -> Array:
        """The times of the frames, ``(T,)``."""
        return np.asarray(np.arange(self.n_frames) * (self.frame_stride * self.time_step))

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        default = (self.a, self.b) == (4.0, 0.1)
        return Layout(
            name="interacting particles",
            features=Features(2),
            max_frames=self.n_frames,
            max_particles=self.n_particles,
            observable="pair_energy" if default else f"pair_energy(a={self.a!r}, b={self.b!r})",
            observable_names=("pair_energy",),
            units="dimensionless: lengths in the distance at which tanh changes sign, times in that over the force",
        )

    def initial(self, rng: np.random.Generator) -> Array:
        """Draw the first frame of a trajectory, ``(N, 2)`` float32."""
        K = self.n_components
        radius, angle = np.sqrt(rng.random(K)), 2 * np.pi * rng.random(K)
        means = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        sd = np.full(K, 0.1) if self.preset == "released" else rng.uniform(0.05, 0.3, K)
        component = rng.integers(K, size=self.n_particles)
        points: Array = means[component] + sd[component, None] * rng.standard_normal((self.n_particles, 2))
        return np.asarray(points, dtype=np.float32)

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory, with points ``(T, N, 2)`` float32 and observables ``(T, 1)``."""
        points = np.empty((self.n_frames, self.n_particles, 2), np.float32)
        euler_frames(
            self.initial(rng), np.float32(self.a), np.float32(self.b), self.time_step, self.frame_stride, points
        )
        return Trajectory(points, pair_energy_of_points(points, self.a, self.b)[:, None], self.times)
