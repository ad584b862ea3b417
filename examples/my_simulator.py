"""A simulator of one's own: Brownian particles in a trap, each trajectory at a temperature of its own.

    setclosure check-part simulator trap --plugin examples/my_simulator.py --set n_particles=20

In Python, ``simulate_dataset("trap.zarr", Trap(), 100, seed=0, split="train")`` of ``setclosure.simulate.campaign``
fills a data set on all cores, and goes on after a kill.
"""

import numpy as np
from pydantic import Field

import setclosure
from setclosure import Features, Layout, Trajectory
from setclosure.simulate.simulator import SimulatorConfig


@setclosure.register("observable", "mean_square")
def mean_square(microstates):
    """Mean of x² + y² over the particles: ``(B,)``."""
    return (microstates.particle_weights[..., None] * microstates.points.square()).sum(dim=(1, 2))


@setclosure.register("simulator", "trap")
class Trap(SimulatorConfig):
    """dx = −k x dt + √(2 T) dW in the plane; the temperature T is the context."""

    n_particles: int = Field(100, ge=1, description="Particles, N.")
    n_frames: int = Field(51, ge=2, description="Frames, the start included.")
    time_step: float = Field(0.05, gt=0, description="Time from frame to frame.")
    stiffness: float = Field(1.0, gt=0, description="k.")
    temperatures: tuple[float, float] = Field((0.5, 2.0), description="Least and largest temperature.")

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        return Layout(
            name="particles in a trap",
            features=Features(2),
            max_frames=self.n_frames,
            max_particles=self.n_particles,
            observable="mean_square",
            observable_names=("mean_square",),
            context_names=("temperature",),
        )

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory, exactly; every random number comes from ``rng``."""
        T, decay = rng.uniform(*self.temperatures), np.exp(-self.stiffness * self.time_step)
        x = np.empty((self.n_frames, self.n_particles, 2))
        x[0] = rng.normal(size=x[0].shape) * 0.2 + rng.uniform(-2, 2, size=2)
        for t in range(1, self.n_frames):
            x[t] = decay * x[t - 1] + np.sqrt(T / self.stiffness * (1 - decay**2)) * rng.normal(size=x[0].shape)
        times = np.arange(self.n_frames) * self.time_step
        return Trajectory(x, (x**2).sum(axis=2).mean(axis=1, keepdims=True), times, context=np.array([T]))
