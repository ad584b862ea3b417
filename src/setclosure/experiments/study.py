"""A study is the whole configuration of a run, and says where its data come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import Field, NonNegativeInt, field_validator

from setclosure.errors import ConfigurationError, DatasetError
from setclosure.fit.settings import FitSettings
from setclosure.model.closure_model import ClosureModel
from setclosure.model.specification import ModelSettings
from setclosure.parts import PartConfig
from setclosure.settings import Settings
from setclosure.simulate.campaign import claim_campaign
from setclosure.simulate.simulator import Simulator
from setclosure.trajectories.dataset import TrajectoryDataset

TRAIN, VALIDATION = "train", "validation"
"""Names of the data that a model is fitted to."""

REPEAT = "_again"
"""The name of a second, independent set of true trajectories of a test ends so; that set is no test of its own."""


@dataclass(frozen=True)
class Words:
    """A label for tables and figures, and a phrase that explains it."""

    label: str
    sentence: str = ""


@dataclass(frozen=True)
class Datasets:
    """The data of a study.

    Attributes
    ----------
    train : TrajectoryDataset
        Training trajectories.
    validation : TrajectoryDataset or None
        Validation trajectories; None takes a fifth of the training trajectories.
    tests : dict
        Name → test trajectories, in the order of tables.
    """

    train: TrajectoryDataset
    validation: TrajectoryDataset | None
    tests: dict[str, TrajectoryDataset]

    def named(self) -> dict[str, TrajectoryDataset]:
        """Give all of them by name, those that a model is fitted to first."""
        fitted = {TRAIN: self.train} | ({} if self.validation is None else {VALIDATION: self.validation})
        return fitted | self.tests


class Study(PartConfig):
    """The configuration of a run: data, model, training and words for the report.

    A subclass says where the data come from; it is registered as a ``study``, and configurations say its name under
    that key.
    """

    name_key: ClassVar[str] = "study"

    unit_range: ClassVar[bool] = True
    """Whether discrepancies are taken of observables scaled to [0, 1] by their training range."""

    name: str = Field("", description="Title of the system, for the report.")
    description: str = Field("", description="A sentence or two about the system, for the report.")
    seeds: tuple[NonNegativeInt, ...] = Field(
        (0,), min_length=1, description="Training seeds, all different, one after another."
    )
    model: ModelSettings = Field(default_factory=lambda: ModelSettings.model_validate({}))
    training: FitSettings = Field(default_factory=FitSettings)

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds must differ: the same seed gives the same numbers")
        return seeds

    def open(self, folder: Path | None) -> Datasets:
        """Open the data of the study.

        Parameters
        ----------
        folder : Path or None
            The data folder, for studies that simulate.

        Raises
        ------
        DatasetError
            If data are missing, unfinished, or not those of this study.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say where its data are")

    def title(self, data: TrajectoryDataset) -> tuple[str, str]:
        """Give name and description of a run that is trained on ``data``, for people."""
        return self.name or self.part_name.replace("_", " "), self.description

    def identity(self) -> dict[str, Any]:
        """Give what must be equal for a run to go on, as JSON values."""
        return self.model_dump(mode="json")

    def located(self, folder: Path, known: Mapping[str, Any], given: Mapping[str, Path]) -> Study:
        """Give the study with the places where its data are now.

        Parameters
        ----------
        folder : Path
            The run folder.
        known : mapping
            Name → what ``run.json`` says of the data, with ``relative``, their place as seen from the run folder.
        given : mapping
            Name → place, for data that are elsewhere now.

        Raises
        ------
        ConfigurationError
            If a place is given and the configuration names no such data.
        DatasetError
            If data are neither where they were nor where they lay beside the run folder.
        """
        if given:
            raise ConfigurationError(
                "this study simulates its data: give their folder with --data, and no --data-path."
            )
        return self

    def test_words(self, test: str) -> Words:
        """Give label and explanation of a test."""
        return Words(test)

    def observable_label(self, observable: str) -> str:
        """Give the readable name of an observable."""
        return observable.replace("_", " ")

    def illustrate(self, model: ClosureModel, data: TrajectoryDataset, path: Path) -> None:
        """Write pictures of a test beside its curves, ``path`` without a suffix; most studies have none."""


class Simulations(Protocol):
    """The section ``simulation`` of a study that simulates."""

    @property
    def seed(self) -> int:
        """Root seed of the data."""

    def splits(self) -> dict[str, tuple[Simulator, int]]:
        """Give the simulator and the number of trajectories of each split: train, validation, and the tests."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Give the section as JSON values."""
        ...


class SimulationSettings(Settings):
    """The base of the section ``simulation``; a subclass adds its systems and ``splits()``."""

    seed: int = Field(0, ge=0, description="Root seed of the data; the same data serves every training seed.")


class SimulationStudy(Study):
    """A study whose data are simulated into a folder, ``<split>.zarr`` each.

    A subclass has a field ``simulation`` that is a :class:`Simulations`.
    """

    @property
    def simulations(self) -> Simulations:
        """The section ``simulation``."""
        section: Simulations = self.simulation  # type: ignore[attr-defined]  # a field of the subclass
        return section

    def tests(self) -> list[str]:
        """List the splits that a model is tested on."""
        splits = self.simulations.splits()
        return [name for name in splits if name not in (TRAIN, VALIDATION) and not name.endswith(REPEAT)]

    def open(self, folder: Path | None) -> Datasets:
        """Open the simulated data in a folder."""
        if folder is None:
            raise DatasetError(f"study '{self.part_name}' is simulated: name the folder of its data with --data.")
        opened = {split: self.open_split(folder, split) for split in (TRAIN, VALIDATION, *self.tests())}
        return Datasets(opened.pop(TRAIN), opened.pop(VALIDATION), opened)

    def open_split(self, folder: Path, split: str) -> TrajectoryDataset:
        """Open one data set of a data folder.

        Raises
        ------
        DatasetError
            If it is missing, unfinished, or of another simulation than this study's.
        """
        path = Path(folder) / f"{split}.zarr"
        if not path.exists():
            raise DatasetError(f"{folder} has no {split}.zarr; 'setclosure simulate CONFIG --out {folder}' makes it.")
        data = TrajectoryDataset.open(path).require_finished()
        if "simulator" in data.provenance:  # data from elsewhere do not say what they are
            simulator, n = self.simulations.splits()[split]
            claim_campaign(path, data, simulator, n, self.simulations.seed, split)
        return data
