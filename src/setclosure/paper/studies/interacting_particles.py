"""The study of Sec. 4.2 predicts the energy of interacting particles."""

from __future__ import annotations

from pydantic import Field

from setclosure.experiments.study import SimulationSettings
from setclosure.paper.simulators.interacting_particles import InteractingParticles
from setclosure.paper.studies.base import PaperStudy
from setclosure.registry import register
from setclosure.settings import Settings


class SplitSizes(Settings):
    """The numbers of trajectories in the splits."""

    train: int = Field(1000, ge=2, description="Training.")
    validation: int = Field(100, ge=1, description="Validation, from the same distribution.")
    in_dst: int = Field(200, ge=1, description="Test: the same distribution, drawn again.")
    diff_init: int = Field(200, ge=1, description="Test: three clusters at the start instead of two.")
    diff_n: int = Field(200, ge=1, description="Test: 400 particles instead of 300.")


class Simulations(SimulationSettings):
    """The simulations of all splits."""

    system: InteractingParticles = Field(default_factory=InteractingParticles, description="The training system.")
    diff_init_components: int = Field(3, ge=1, description="Clusters at the start of diff_init.")
    diff_n_particles: int = Field(400, ge=2, description="Particles of diff_n.")
    trajectories: SplitSizes = Field(default_factory=SplitSizes)

    def splits(self) -> dict[str, tuple[InteractingParticles, int]]:
        """Give the simulator and the number of trajectories of each split."""
        change = {
            "diff_init": {"n_components": self.diff_init_components},
            "diff_n": {"n_particles": self.diff_n_particles},
        }
        return {
            split: (self.system.model_copy(update=change.get(split, {})), n)
            for split, n in self.trajectories.model_dump().items()
        }


@register("study", "interacting_particles")
class InteractingParticlesStudy(PaperStudy):
    """The study: the whole configuration of a run on this system."""

    simulation: Simulations = Field(default_factory=Simulations)
