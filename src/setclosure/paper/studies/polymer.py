"""The study of Sec. 4.4: a polymer that a flow stretches, from its video."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from setclosure.model.methods import METHODS
from setclosure.settings import Settings
from setclosure.paper.simulators.polymer_video import PolymerVideo
from setclosure.experiments.study import SimulationBase, StudySettings

TESTS = ("fast", "medium", "slow")


class SplitSizes(Settings):
    """Trajectories in each split."""

    train: int = Field(150, ge=2, description="Training, each from a coil of its own.")
    validation: int = Field(30, ge=1, description="Validation, from the same distribution.")
    each_test: int = Field(50, ge=2, description="Tests fast, medium and slow: one start each, many noises.")


class SimulationSettings(SimulationBase):
    """The simulations of all splits."""

    system: PolymerVideo = Field(default_factory=PolymerVideo, description="The training system.")
    trajectories: SplitSizes = Field(default_factory=SplitSizes)

    @model_validator(mode="after")
    def _there_are_all_starts(self) -> SimulationSettings:
        for start in TESTS:
            self.system.require_start(start)
        return self

    def splits(self) -> dict[str, tuple[PolymerVideo, int]]:
        """The simulator and the number of trajectories of each split."""
        n = self.trajectories
        return {
            "train": (self.system, n.train),
            "validation": (self.system, n.validation),
            **{start: (self.system.model_copy(update={"start": start}), n.each_test) for start in TESTS},
        }


class PolymerStudy(StudySettings):
    """The whole configuration of a run."""

    unit_range: ClassVar[bool] = True  # an extension of hundreds is far beyond the kernels of the MMD

    study: Literal["polymer"]
    simulation: SimulationSettings = Field(default_factory=SimulationSettings)

    @model_validator(mode="after")
    def _beads_are_no_pixels(self) -> PolymerStudy:
        microstates, weight = self.simulation.system.microstates, self.model.weight_feature
        if microstates == "pixels":
            return self
        if weight is not None:
            raise ValueError(
                f"microstates of {microstates} have no grey level to weigh by, and model.weight_feature is {weight}; "
                "set it to null"
            )
        if METHODS[self.model.method].reads_images:
            raise ValueError(
                f"method '{self.model.method}' reads images, and microstates are {microstates}; take pixels"
            )
        return self
