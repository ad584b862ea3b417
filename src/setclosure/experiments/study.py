"""What the configurations of all studies have in common."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, NonNegativeInt, field_validator

from setclosure.model.autoencoder import ModelSettings
from setclosure.settings import Settings
from setclosure.fit.training import FitSettings

FITTED_ON = ("train", "validation")


class SimulationBase(Settings):
    """What the section ``simulation`` of every study begins with; a study adds its systems and ``splits()``."""

    seed: int = Field(0, ge=0, description="Root seed of the data; the same data serves every training seed.")


class StudySettings(Settings):
    """What a run of any study says of its training; a study adds its name and its ``simulation``."""

    unit_range: ClassVar[bool] = False
    """Whether discrepancies are taken of observables scaled to [0, 1] by their training range."""

    study: str = Field(description="Which study this is.")
    seeds: tuple[NonNegativeInt, ...] = Field(
        (0,), min_length=1, description="Training seeds, all different, one after another."
    )
    model: ModelSettings = Field(default_factory=ModelSettings)
    training: FitSettings = Field(default_factory=FitSettings)

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds must differ: the same seed gives the same numbers")
        return seeds
