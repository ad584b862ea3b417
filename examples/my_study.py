"""A study of one's own: a run that simulates its data, with tests beside the training distribution.

    echo 'study: spreading' > spreading.yaml
    setclosure check-part study spreading --plugin examples/my_study.py
    setclosure --plugin examples/my_study.py run spreading.yaml --out runs/spreading

Every field is a key of the configuration, as in ``--set simulation.system.n_particles=50``.
"""

import numpy as np
from pydantic import Field

from setclosure import Features, Layout, Trajectory, register
from setclosure.experiments.study import SimulationSettings, SimulationStudy, Words
from setclosure.simulate.simulator import SimulatorConfig


@register("simulator", "cloud")
class Cloud(SimulatorConfig):
    """Particles that start in a cloud, and diffuse."""

    n_particles: int = Field(60, ge=2, description="Particles, N.")
    n_frames: int = Field(41, ge=2, description="Frames.")
    width: float = Field(1.0, gt=0, description="Standard deviation of the cloud at the start.")

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        return Layout("cloud", Features(2), self.n_frames, self.n_particles, "extension", ("extension",))

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory."""
        steps = 0.1 * rng.normal(size=(self.n_frames, self.n_particles, 2))
        steps[0] *= 10 * self.width
        points = steps.cumsum(axis=0)
        return Trajectory(points, np.ptp(points[..., :1], axis=1), np.arange(self.n_frames))


class Simulations(SimulationSettings):
    """The section ``simulation``."""

    system: Cloud = Field(default_factory=Cloud, description="The training system.")
    n: int = Field(100, ge=10, description="Training trajectories; a fifth of them for validation and each test.")

    def splits(self) -> dict[str, tuple[Cloud, int]]:
        """The simulator and the number of trajectories of each split."""
        wide = self.system.model_copy(update={"width": 2 * self.system.width})
        few = (self.system, self.n // 5)
        return {"train": (self.system, self.n), "validation": few, "same": few, "wide": (wide, self.n // 5)}


@register("study", "spreading")
class Spreading(SimulationStudy):
    """The whole configuration of a run: name, seeds, model and training are those of every study."""

    simulation: Simulations = Field(default_factory=Simulations)

    def test_words(self, test: str) -> Words:
        """Give label and explanation of a test, for the report."""
        return Words({"same": "As in training", "wide": "Twice as wide"}[test])
