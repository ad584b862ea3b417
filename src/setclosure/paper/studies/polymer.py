"""The study of Sec. 4.4 predicts the extension of a polymer in a flow from its video."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from setclosure.experiments.study import SimulationSettings
from setclosure.model.closure_model import ClosureModel
from setclosure.paper.simulators.polymer_video import PolymerVideo
from setclosure.paper.studies.base import PaperStudy
from setclosure.paper.videos import image_video
from setclosure.registry import register
from setclosure.settings import Settings
from setclosure.trajectories.dataset import TrajectoryDataset

TESTS = ("fast", "medium", "slow")
"""Names of the tests, which are names of starts of the simulator."""


class SplitSizes(Settings):
    """The numbers of trajectories in the splits."""

    train: int = Field(150, ge=2, description="Training, each from a coil of its own.")
    validation: int = Field(30, ge=1, description="Validation, from the same distribution.")
    each_test: int = Field(50, ge=2, description="Tests fast, medium and slow: one start each, many noises.")


class Simulations(SimulationSettings):
    """The simulations of all splits."""

    system: PolymerVideo = Field(default_factory=PolymerVideo, description="The training system.")
    trajectories: SplitSizes = Field(default_factory=SplitSizes)

    @model_validator(mode="after")
    def _there_are_all_starts(self) -> Simulations:
        for start in TESTS:
            self.system.require_start(start)
        return self

    def splits(self) -> dict[str, tuple[PolymerVideo, int]]:
        """Give the simulator and the number of trajectories of each split."""
        n = self.trajectories
        return {
            "train": (self.system, n.train),
            "validation": (self.system, n.validation),
            **{start: (self.system.model_copy(update={"start": start}), n.each_test) for start in TESTS},
        }


@register("study", "polymer")
class PolymerStudy(PaperStudy):
    """The study: the whole configuration of a run on this system."""

    unit_range: ClassVar[bool] = True  # an extension of hundreds is far beyond the kernels of the MMD

    simulation: Simulations = Field(default_factory=Simulations)

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
        if self.model.encoder is not None and self.model.encoder.raw:
            raise ValueError(
                f"method '{self.model.method}' reads images, and microstates are {microstates}; take pixels"
            )
        return self

    def illustrate(self, model: ClosureModel, data: TrajectoryDataset, path: Path) -> None:
        """Write a video of the first trajectory of a test, if its microstates are images."""
        image_video(model, data, path.with_name(f"{path.name}.gif"))
