"""The study of a user's own data takes data sets on disk, whole or in parts of time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from setclosure.errors import ConfigurationError, DatasetError
from setclosure.experiments.study import TRAIN, VALIDATION, Datasets, Study, Words
from setclosure.registry import register
from setclosure.settings import OptionsError, Settings
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.overlap import require_disjoint

TAKEN = (TRAIN, VALIDATION, "permutation", "snapshots")
"""No test can have these names: the data that a model is fitted to have them, and files beside those of the tests."""

LONGEST_NAME = 200
"""The name of a test has at most so many bytes; file systems allow 255 with the ending."""


class DataSource(Settings):
    """A data set, or a part of one in time; a path alone stands for all of it."""

    path: str = Field(description="The data set, a folder that ends in .zarr.")
    frames: tuple[int, int] | None = Field(
        None, description="First frame, and the frame behind the last, of every trajectory; all by default."
    )
    blocks: int | None = Field(
        None, ge=2, description="Cut every trajectory into blocks of so many frames, each a trajectory of its own."
    )

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    def open(self, allow_unfinished: bool) -> TrajectoryDataset:
        """Open it."""
        data = TrajectoryDataset.open(self.path, allow_unfinished=allow_unfinished).require_finished()
        if self.frames is not None:
            data = data.between(*self.frames)
        return data if self.blocks is None else data.blocks(self.blocks)

    def shares_frames(self, other: DataSource) -> bool:
        """Tell whether frames of one may be frames of the other."""
        if Path(self.path).resolve() != Path(other.path).resolve():
            return False
        if self.frames is None or other.frames is None:
            return True
        return self.frames[0] < other.frames[1] and other.frames[0] < self.frames[1]


class DataOfTest(DataSource):
    """The data of a test, and words for it."""

    label: str = Field("", description="Name of the test in tables and the report; its key by default.")
    sentence: str = Field("", description="A phrase that says what is tested, for the report.")


class DataSettings(Settings):
    """The section ``data``: what a model is fitted to, and what it is tested on."""

    train: DataSource = Field(description="Training trajectories.")
    validation: DataSource | None = Field(
        None, description="Validation trajectories; by default a fifth of the training trajectories."
    )
    tests: dict[str, DataOfTest] = Field(min_length=1, description="Test trajectories, by names of your own.")
    allow_unfinished: bool = Field(False, description="Whether data of which only a part was committed may be used.")

    @model_validator(mode="after")
    def _nothing_leaks(self) -> DataSettings:
        wrong = [f"tests.{name}: {reason}" for name in self.tests if (reason := _no_test_name(name))]
        if wrong:
            raise OptionsError(wrong)
        fitted = {TRAIN: self.train} | ({} if self.validation is None else {VALIDATION: self.validation})
        named = [*fitted.items(), *((f"tests.{name}", source) for name, source in self.tests.items())]
        for i, (name, source) in enumerate(named[: len(fitted)]):
            for other, of_other in named[i + 1 :]:
                if source.shares_frames(of_other):
                    raise OptionsError(
                        [
                            f"{other}: it shares frames with {name} ({of_other.path}), and a model must be tested on "
                            "what it was not fitted to. Give it other trajectories, or stretches of time that do not "
                            "overlap: {path: …, frames: [first, last]}."
                        ]
                    )
        return self


@register("study", "own_data")
class OwnDataStudy(Study):
    """A run on data sets that are there already."""

    data: DataSettings

    def open(self, folder: Path | None) -> Datasets:
        """Open the data that the configuration names."""
        if folder is not None:
            raise ConfigurationError("this configuration names its data in the section 'data'; leave --data out.")
        unfinished = self.data.allow_unfinished
        validation = self.data.validation
        opened = Datasets(
            self.data.train.open(unfinished),
            None if validation is None else validation.open(unfinished),
            {name: source.open(unfinished) for name, source in self.data.tests.items()},
        )
        _require_nothing_shared(opened)
        return opened

    def title(self, data: TrajectoryDataset) -> tuple[str, str]:
        """Give name and description of the run, by default those of the training data."""
        return self.name or data.layout.name, self.description or data.layout.description

    def test_words(self, test: str) -> Words:
        """Give label and explanation of a test, as the configuration has them."""
        source = self.data.tests[test]
        return Words(source.label or test, source.sentence)

    def identity(self) -> dict[str, Any]:
        """Give the configuration without the places of the data, which are known by their fingerprints."""
        values = self.model_dump(mode="json")
        for source in _sources(values["data"]).values():
            del source["path"]
        return values

    def located(self, folder: Path, known: Mapping[str, Any], given: Mapping[str, Path]) -> OwnDataStudy:
        """Give the study with the places where its data are now."""
        values = self.model_dump(mode="json")
        sources = _sources(values["data"])
        unknown = sorted(set(given) - set(sources))
        if unknown:
            raise ConfigurationError(
                f"there are no data called {', '.join(unknown)}; this configuration has: {', '.join(sources)}."
            )
        for name, source in sources.items():
            if name in given:
                source["path"] = str(Path(given[name]).resolve())
            elif not Path(source["path"]).exists():
                beside = folder / known.get(name, {}).get("relative", source["path"])
                if not beside.exists():
                    raise DatasetError(
                        f"there is no data set at {source['path']}, where the data '{name}' of {folder} were. Say "
                        f"where they are now: --data-path '{name}=PATH'."
                    )
                source["path"] = str(beside.resolve())
        return type(self).parse(values)


def _sources(section: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the sources of a section ``data`` by name."""
    tests: dict[str, dict[str, Any]] = section["tests"]
    fitted = {name: section[name] for name in (TRAIN, VALIDATION) if section[name] is not None}
    return fitted | tests


def _require_nothing_shared(opened: Datasets) -> None:
    """Refuse a test, or validation data, with frames that a model is fitted to, in whatever files they are.

    Raises
    ------
    DatasetError
        If a trajectory of one has the content of a trajectory of the other, and the stretches of time overlap.
    """
    named = list(opened.named().items())
    n_fitted = 1 if opened.validation is None else 2
    for i, (name, data) in enumerate(named[:n_fitted]):
        for of_other, other in named[i + 1 :]:
            require_disjoint(data, name, other, of_other)


def _no_test_name(name: str) -> str:
    """Say why a test cannot have a name: its curves are a file of that name, beside others. Empty if it can."""
    if name in TAKEN:
        return f"this name is taken; choose another than {', '.join(TAKEN)}."
    if not name or name.startswith(".") or set(name) & set("/\\\0") or len(name.encode()) > LONGEST_NAME:
        return (
            "this is no name of a file; choose one of at most "
            f"{LONGEST_NAME} bytes that does not begin with a dot and has no slash."
        )
    return ""


def with_whole_paths(values: dict[str, Any], folder: Path) -> None:
    """Make the relative paths of a section ``data`` those from the folder of its configuration file."""
    section = values.get("data")
    if not isinstance(section, dict):
        return
    tests = section.get("tests")
    for place in (section, tests if isinstance(tests, dict) else {}):
        for key, source in place.items():
            if isinstance(source, str):
                place[key] = str((folder / source).resolve())
            elif isinstance(source, dict) and isinstance(source.get("path"), str):
                source["path"] = str((folder / source["path"]).resolve())
