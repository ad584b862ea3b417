"""The study of Sec. 4.3 predicts how two species of Lennard-Jones particles mix."""

from __future__ import annotations

from pydantic import Field, ValidationError, model_validator

from setclosure.experiments.study import SimulationSettings
from setclosure.paper.simulators.lennard_jones import LennardJones
from setclosure.paper.studies.base import PaperStudy
from setclosure.registry import register
from setclosure.settings import Settings


class SplitSizes(Settings):
    """The numbers of trajectories in the splits."""

    train: int = Field(1000, ge=2, description="Training.")
    validation: int = Field(100, ge=1, description="Validation, from the same distribution.")
    in_dst: int = Field(200, ge=2, description="Test: the same distribution, drawn again.")
    diff_init: int = Field(200, ge=2, description="Test: boundaries outside the range of the training.")
    diff_n: int = Field(200, ge=2, description="Test: a lower box with fewer particles.")
    each_boundary: int = Field(100, ge=2, description="Tests boundary_X: starts with the boundary at X (Figure 6).")


class Simulations(SimulationSettings):
    """The simulations of all splits."""

    system: LennardJones = Field(default_factory=LennardJones, description="The training system.")
    diff_init_boundaries: tuple[tuple[float, float], ...] = Field(
        ((8.0, 10.0), (22.0, 24.0)), min_length=1, description="Intervals of the boundary in diff_init."
    )
    diff_n_rows: int = Field(19, ge=2, description="Rows of the lattice in diff_n.")
    diff_n_height: float = Field(26.0, gt=0, description="Height of the box in diff_n.")
    shown_boundaries: tuple[float, ...] = Field((12.0, 16.0, 20.0), description="Boundaries of the tests boundary_X.")
    trajectories: SplitSizes = Field(default_factory=SplitSizes)

    @model_validator(mode="after")
    def _every_system_fits(self) -> Simulations:
        self.splits()
        return self

    def splits(self) -> dict[str, tuple[LennardJones, int]]:
        """Give the simulator and the number of trajectories of each split.

        A test ``X`` has a second, independent set of trajectories ``X_again``: the distance of the two is what remains
        of a discrepancy when the prediction is perfect.
        """
        n = self.trajectories
        systems = {
            "in_dst": (self._changed(), n.in_dst),
            "diff_init": (self._changed(boundaries=self.diff_init_boundaries), n.diff_init),
            "diff_n": (self._changed(rows=self.diff_n_rows, height=self.diff_n_height), n.diff_n),
        }
        return {
            "train": (self._changed(), n.train),
            "validation": (self._changed(), n.validation),
            **systems,
            **{
                f"boundary_{x:g}": (self._changed(boundaries=((x, x),)), n.each_boundary) for x in self.shown_boundaries
            },
            **{f"{split}_again": system for split, system in systems.items()},
        }

    def _changed(self, **changes: object) -> LennardJones:
        try:
            return LennardJones.model_validate(self.system.model_dump() | changes)
        except ValidationError as error:
            reasons = "; ".join(mistake["msg"].removeprefix("Value error, ") for mistake in error.errors())
            raise ValueError(f"with {changes} in place of the training system's: {reasons}") from error


@register("study", "lennard_jones")
class LennardJonesStudy(PaperStudy):
    """The study: the whole configuration of a run on this system."""

    simulation: Simulations = Field(default_factory=Simulations)
