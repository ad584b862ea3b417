"""The study of the exam trains on one of its systems, and tests on the same and on other starts."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializeAsAny, field_validator

from setclosure.exam.phase_separation import PhaseSeparation
from setclosure.exam.simulator import ExamSimulator
from setclosure.experiments.study import SimulationSettings, SimulationStudy, Words
from setclosure.parts import read_part
from setclosure.registry import register
from setclosure.settings import Settings


class SplitSizes(Settings):
    """The numbers of trajectories in the splits."""

    train: int = Field(64, ge=2, description="Training.")
    validation: int = Field(16, ge=1, description="Validation, from the same distribution.")
    test: int = Field(16, ge=1, description="Test: the same distribution, drawn again.")
    other: int = Field(0, ge=0, description="Test: other starts, if the system has any; 0 for none.")


class Simulations(SimulationSettings):
    """The simulations of all splits."""

    system: SerializeAsAny[ExamSimulator] = Field(
        default_factory=PhaseSeparation, description="The system, by name, with its options."
    )
    other: dict[str, Any] = Field(default_factory=dict, description="Options of the system that other starts change.")
    trajectories: SplitSizes = Field(default_factory=SplitSizes)

    @field_validator("system", mode="before")
    @classmethod
    def _read_system(cls, value: Any) -> Any:
        return read_part("simulator", value)

    def splits(self) -> dict[str, tuple[ExamSimulator, int]]:
        """Give the simulator and the number of trajectories of each split."""
        sizes = {split: n for split, n in self.trajectories.model_dump().items() if n}
        changed = {"other": type(self.system).checked(self.system.options() | self.other)} if self.other else {}
        return {split: (changed.get(split, self.system), n) for split, n in sizes.items()}


@register("study", "exam")
class ExamStudy(SimulationStudy):
    """The study: the whole configuration of a run on a system of the exam."""

    simulation: Simulations = Field(default_factory=Simulations)

    def test_words(self, test: str) -> Words:
        """Give label and explanation of a test."""
        if test == "test":
            return Words("as in training", "Starts that are drawn as those of training are.")
        return Words("other starts", "Starts of a kind that training has not seen.")
