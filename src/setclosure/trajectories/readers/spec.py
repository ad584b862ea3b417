"""An import specification says what the columns of somebody's files mean, so that nothing has to be guessed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from setclosure.errors import ConfigurationError, MicrostateError
from setclosure.parts import read_part
from setclosure.sets.features import Features
from setclosure.settings import OptionsError, Settings
from setclosure.trajectories.readers.base import ReaderConfig
from setclosure.trajectories.readers.pattern import fields_of

DEFAULT_SPLITS = {"train": 0.7, "validation": 0.1, "held_out": 0.2}
"""The data sets that an import makes if nothing is said, with their shares."""


class Angle(Settings):
    """A column of angles, which is the vector (cos, sin) of length one."""

    angle: str = Field(description="The column of the angle from the x axis.")
    unit: Literal["radians", "degrees"] = Field("radians", description="The unit of the angle.")


class FeatureColumns(Settings):
    """The columns that are features of a particle, by their roles."""

    position: tuple[str, ...] = Field((), description="Columns of the position, such as [x, y].")
    vectors: tuple[tuple[str, ...] | Angle, ...] = Field(
        (), description="Vectors, each a list of columns, such as [[vx, vy]], or {angle: theta, unit: degrees}."
    )
    scalars: tuple[str, ...] = Field((), description="Columns that no turning changes, such as [charge].")

    @model_validator(mode="after")
    def _fit_together(self) -> FeatureColumns:
        k = len(self.position)
        for vector in self.vectors:
            if isinstance(vector, Angle) and k != 2:
                raise OptionsError([f"vectors: an angle is a vector of two components; the position has {k}."])
            if not isinstance(vector, Angle) and len(vector) != k:
                raise OptionsError([f"vectors: {list(vector)} has {len(vector)} components; the position has {k}."])
        try:
            self.features()
        except MicrostateError as error:
            raise OptionsError([str(error)]) from error
        return self

    def columns(self) -> tuple[str, ...]:
        """List the columns that are read, in the order of the features."""
        vectors = [name for v in self.vectors for name in ((v.angle,) if isinstance(v, Angle) else v)]
        return (*self.position, *vectors, *self.scalars)

    def features(self) -> Features:
        """Give names and roles of the features of a particle."""
        vectors = [
            name for v in self.vectors for name in ((f"cos {v.angle}", f"sin {v.angle}") if isinstance(v, Angle) else v)
        ]
        return Features(
            len(self.position), len(self.vectors), len(self.scalars), (*self.position, *vectors, *self.scalars)
        )


class Species(Settings):
    """The column of the species, and their names; ``none`` alone stands for one species."""

    column: str | None = Field(
        None, alias="from", description="type, name, or a column; none: all particles are of one species."
    )
    names: dict[str, str] = Field({}, description="The name of each species that the files have, in order.")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"from": value}
        if not isinstance(value, dict):
            return value
        value = dict(value)
        if value.get("from") == "none":
            value["from"] = None
        if isinstance(value.get("names"), dict):
            value["names"] = {str(label): str(name) for label, name in value["names"].items()}
        return value

    @model_validator(mode="after")
    def _names_of_something(self) -> Species:
        if self.names and self.column is None:
            raise OptionsError(["names: there are names of species, and 'from' does not say where species stand."])
        return self


class FrameRange(Settings):
    """The frames of every trajectory that are read."""

    start: int = Field(0, ge=0, description="The first frame.")
    stop: int | None = Field(None, ge=1, description="The frame behind the last; null: all.")
    step: int = Field(1, ge=1, description="Every step-th frame is read.")


class Windows(Settings):
    """Long trajectories are cut into windows, each a trajectory of its own."""

    length: int = Field(ge=2, description="Frames of a window.")
    stride: int | None = Field(None, ge=1, description="Frames from one window's first to the next one's; the length.")


class ObservableSource(Settings):
    """The source of some observables: exactly one of ``registered``, ``log``, ``csv`` and ``column``."""

    registered: str | None = Field(None, description="A registered function, also one of a plugin.")
    log: str | None = Field(None, description="A log file of LAMMPS, whose columns are joined by the step.")
    csv: str | None = Field(None, description="A CSV file with a row for each frame.")
    column: str | None = Field(None, description="A number of the frame, or a column that is the same for all of it.")
    columns: dict[str, str] = Field({}, description="Columns of the log or CSV, and what they are called here.")
    join: Literal["time", "step", "frame"] = Field("time", description="By what rows of a CSV and frames are joined.")
    key: str | None = Field(None, description="The column of the CSV by which it is joined; by default as 'join'.")
    trajectory: str | None = Field(
        None, description="The column of the CSV that says the trajectory, if it has several."
    )
    name: str | None = Field(None, description="What the number of 'column' is called here; by default as there.")
    unit: str = Field("", description="The unit of 'column'.")
    units: dict[str, str] = Field({}, description="Units of the observables, by their names here.")

    @model_validator(mode="after")
    def _one_source(self) -> ObservableSource:
        given = [key for key in ("registered", "log", "csv", "column") if getattr(self, key) is not None]
        if len(given) != 1:
            raise OptionsError(
                [f"exactly one of registered, log, csv and column is expected; got {', '.join(given) or 'none'}."]
            )
        if given[0] in ("log", "csv") and not self.columns:
            raise OptionsError(["columns: this key is required: which columns are observables, {PotEng: energy}."])
        if given[0] in ("registered", "column") and self.columns:
            raise OptionsError([f"columns: '{given[0]}' takes none; it belongs to log and csv."])
        unknown = self.units.keys() - set(self.columns.values()) if self.columns else set()
        if unknown:
            raise OptionsError([f"units: {', '.join(sorted(unknown))} is no observable of this source."])
        return self


class ContextValue(Settings):
    """One number that is known from outside; a number alone stands for its value."""

    source: Literal["name"] | None = Field(None, alias="from", description="name: the field of the file's name.")
    field: str | None = Field(None, description="The field of the file's name; by default the name of the number.")
    value: float | None = Field(None, description="The same number for all trajectories.")
    column: str | None = Field(None, description="A number of each frame, or a column that is the same for all of it.")
    unit: str = Field("", description="The unit.")

    @model_validator(mode="before")
    @classmethod
    def _number_alone(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"value": value}
        return {"from": "name"} if value == "name" else value

    @model_validator(mode="after")
    def _one_source(self) -> ContextValue:
        if sum(given is not None for given in (self.source, self.value, self.column)) != 1:
            raise OptionsError(["one of value, column and from: name is expected."])
        return self


class Context(Settings):
    """The numbers that are known from outside: by name, and from a table with a row for each trajectory."""

    table: str | None = Field(None, description="A CSV file; its columns that are no fields of the names are context.")
    units: dict[str, str] = Field({}, description="Units of the table's columns.")
    named: dict[str, ContextValue] = Field({}, description="Each number by its name.")

    @model_validator(mode="before")
    @classmethod
    def _sorted_out(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "named" in value:
            return value
        own = {key: value[key] for key in ("table", "units") if key in value}
        return own | {"named": {key: of_key for key, of_key in value.items() if key not in own}}


class Units(Settings):
    """The units of lengths and times, for people; by default those that the files say."""

    length: str = Field("", description="The unit of lengths.")
    time: str = Field("", description="The unit of times.")


def _reader(value: Any) -> Any:
    return read_part("reader", value)


class ImportSpec(Settings):
    """A specification says what files are read, by which reader, and what their columns mean."""

    files: str | tuple[str | tuple[str, ...], ...] = Field(
        description="A pattern such as runs/run_T{temperature}.dump, or a list; names count from the specification."
    )
    reader: Annotated[SerializeAsAny[ReaderConfig], BeforeValidator(_reader)] = Field(
        description="The registered reader, with its options."
    )
    features: FeatureColumns = Field(description="The columns that are features of a particle, by their roles.")
    species: Species | None = Field(None, description="Where species stand. Not said: there must be one only.")
    weights: str | None = Field(None, description="The column of the particles' weights, such as mass.")
    cell: Literal["file", "none"] | tuple[float, ...] | tuple[tuple[float, ...], ...] | None = Field(
        None, description="file, none, lengths or lattice vectors; not said: as the files say."
    )
    frames: FrameRange = Field(FrameRange(), description="Which frames of a file are read.")
    observables: tuple[ObservableSource, ...] = Field(
        min_length=1, description="What is predicted: registered functions, logs, CSV files or columns."
    )
    context: Context = Field(Context(), description="What is known from outside.")
    units: Units = Field(Units(), description="Units, for people.")
    windows: Windows | None = Field(None, description="Cut long trajectories into windows.")
    splits: dict[str, float] = Field(DEFAULT_SPLITS, description="Names of the data sets, and their shares.")
    split_by: Literal["trajectory", "time"] | None = Field(
        None,
        description="Whether a data set gets whole trajectories or a stretch of time of each; time if there is one.",
    )
    seed: int = Field(0, ge=0, description="Of the shuffle of trajectories over the data sets.")
    unwrap: Literal[False, "images", "steps"] = Field(
        False,
        description="images: add whole cells by the columns ix, iy, iz; steps: take the shortest way of every particle "
        "from frame to frame. The data set then has no cell.",
    )
    max_step: float | None = Field(None, gt=0, description="The longest time between frames that is no gap.")
    name: str = Field("imported data", description="The name of the system, for people.")
    description: str = Field("", description="A sentence or two about the system, for people.")

    @model_validator(mode="before")
    @classmethod
    def _images_by_default(cls, value: Any) -> Any:
        return value | {"unwrap": "images"} if isinstance(value, dict) and value.get("unwrap") is True else value

    @model_validator(mode="after")
    def _whole(self) -> ImportSpec:
        wrong = [
            f"splits.{name}: this is no name of a file." for name in self.splits if not re.fullmatch(r"\w[\w.-]*", name)
        ]
        if (
            not self.splits
            or any(share <= 0 for share in self.splits.values())
            or abs(sum(self.splits.values()) - 1) > 1e-9
        ):
            wrong.append(f"splits: positive shares with sum one are expected; got {self.splits}.")
        if self.unwrap and self.cell == "none":
            wrong.append("unwrap: unwrapping needs the cell, and 'cell' is none.")
        if self.unwrap and not self.features.position:
            wrong.append("unwrap: the features have no position.")
        try:
            for pattern in self.patterns():
                fields_of(pattern)
        except ConfigurationError as error:
            wrong.append(f"files: {error}")
        names = [name for source in self.observables for name in source.columns.values()]
        if len(set(names)) < len(names):
            wrong.append(f"observables: each name is expected once; got {names}.")
        if wrong:
            raise OptionsError(wrong)
        return self

    def patterns(self) -> list[str]:
        """List all names and patterns of files."""
        if isinstance(self.files, str):
            return [self.files]
        return [name for entry in self.files for name in ([entry] if isinstance(entry, str) else entry)]

    def reading(self) -> ReaderConfig:
        """Give the reader, which knows by now from which column species come."""
        if self.species is None or self.species.column is None:
            return self.reader
        return self.reader.giving_species(self.species.column)

    def stored(self) -> dict[str, Any]:
        """Give the specification as JSON values, every default written out, as :meth:`parse` reads them."""
        return self.model_dump(mode="json", by_alias=True)
