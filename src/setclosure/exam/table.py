"""The exam's table: naive rows, methods, the choice of ``setclosure compare`` and the floor, a column for each test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from setclosure.evaluation.naive import NAIVE
from setclosure.exam.floor import FLOOR, FloorPiece
from setclosure.exam.study import ExamStudy
from setclosure.experiments import pipeline
from setclosure.experiments.compare import Result, compare
from setclosure.experiments.study import SimulationStudy
from setclosure.files import read_json, write_json
from setclosure.model.specification import ModelSettings
from setclosure.tables.exhibits import Content, Order, Printed, Scale, Values
from setclosure.tables.pieces import Piece, RunPiece, data_folder, digest, locked, make_data

CHOICE = "compare's choice"
"""The name of the row of what ``setclosure compare`` chooses."""

NONE = "none"
"""The name of the row of the observable alone, whose runs have the naive predictions, too."""


@dataclass(frozen=True)
class ExamColumn:
    """A column of the exam: a test of a system.

    Attributes
    ----------
    name : str
        The name of the column.
    study : str
        The folder of the configurations.
    split : str
        The test.
    changes : dict
        Changes of the configuration.
    """

    name: str
    study: str
    split: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ChoicePiece:
    """The piece of work that compares candidates, and trains the best one with its whole budget.

    Attributes
    ----------
    study : SimulationStudy
        A study with one training seed.
    folder : Path
        The folder of the comparison.
    data : Path
        The data folder.
    work : Path
        The folder below which the run of the best one is made.
    """

    study: SimulationStudy
    folder: Path
    data: Path
    work: Path

    @classmethod
    def of(cls, study: SimulationStudy, work: Path) -> ChoicePiece:
        """Make the piece of ``study`` whose folders lie below ``work``."""
        name = f"compare-seed{study.seeds[0]}-{digest(study.model_dump(mode='json'))}"
        return cls(study, work / "compared" / name, data_folder(study, work), work)

    @property
    def label(self) -> str:
        """The name of the piece in messages."""
        return self.folder.name

    @property
    def finished(self) -> bool:
        """Whether the best one was evaluated."""
        return (self.folder / "best.json").is_file() and self.run.finished

    @property
    def run(self) -> RunPiece:
        """The run of the best one."""
        best = Result(**read_json(self.folder / "best.json"))
        chosen = self.study.model_copy(update={"model": ModelSettings.parse(best.model)})
        return RunPiece.of(chosen, self.work)

    def prepare(self) -> None:
        """Simulate what is missing of its data."""
        make_data(self.study, self.data)

    def finish(self) -> None:
        """Compare the candidates, train the best, and evaluate it."""
        with locked(self.folder):
            if not (self.folder / "best.json").is_file():
                datasets = pipeline.open_data(self.study, self.data)
                results = compare(self.study, datasets, self.folder, seed=self.study.seeds[0])
                write_json(self.folder / "best.json", vars(results[0]))
        self.run.finish()

    def facts(self) -> dict[str, Any]:
        """Give the facts of the run, and the name of what was chosen."""
        return self.run.facts() | {"chosen": read_json(self.folder / "best.json")["name"]}

    def metrics(self, split: str) -> dict[str, float]:
        """Read the metrics of a test, with the seconds of the comparison."""
        compared = read_json(self.folder / "compare.json")["results"]
        found = self.run.metrics(split)
        return found | {"seconds": found["seconds"] + sum(row["seconds"] for row in compared)}


@dataclass(frozen=True)
class ExamTable:
    """The exam as an exhibit.

    Attributes
    ----------
    title : str
        One line about it.
    columns : tuple of ExamColumn
        The tests.
    rows : dict
        Row → method and changes of the configuration.
    shown : tuple of str
        The metrics that are shown.
    seeds : dict
        By scale, the training seeds.
    """

    title: str
    columns: tuple[ExamColumn, ...]
    rows: Mapping[str, tuple[str, Mapping[str, Any]]]
    shown: tuple[str, ...] = ("rmse", "skill", "seconds")
    seeds: Mapping[Scale, tuple[int, ...]] = field(default_factory=dict)
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "rmse"

    def pieces(self, order: Order) -> list[Piece]:
        """List the runs of all rows and seeds, the comparisons and the floors."""
        made: list[Piece] = []
        for column in self.columns:
            made.append(self._floor(order, column))
            for seed in self._seeds(order):
                made += [self._run(order, column, row, seed) for row in self.rows]
                made.append(self._choice(order, column, seed))
        return list({piece.folder: piece for piece in made}.values())

    def show(self, order: Order) -> Content:
        """Give the metrics of every cell, and what was chosen."""
        seeds, notes = self._seeds(order), []
        found: Values = {}
        for column in self.columns:
            runs = [self._run(order, column, NONE, seed) for seed in seeds]
            for name in NAIVE:
                naive = read_json(runs[0].folder / "naive.json")[name]
                cell = {metric: [naive[metric][column.split]] for metric in self.shown if metric in naive}
                found.setdefault(name, {})[column.name] = cell
            for row in self.rows:
                cells = [self._run(order, column, row, seed).metrics(column.split) for seed in seeds]
                found.setdefault(row, {})[column.name] = self._cell(cells)
            choices = [self._choice(order, column, seed) for seed in seeds]
            found.setdefault(CHOICE, {})[column.name] = self._cell([piece.metrics(column.split) for piece in choices])
            chosen = ", ".join(dict.fromkeys(str(piece.facts()["chosen"]) for piece in choices))
            notes.append(f"`{column.name}`: compare chose {chosen}.")
            floor = self._floor(order, column).metrics()["rmse"]
            found.setdefault(FLOOR, {})[column.name] = {"rmse": [floor]}
        return Content([column.name for column in self.columns], found, seeds, notes=notes)

    def _cell(self, of_seeds: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
        return {metric: [one[metric] for one in of_seeds] for metric in self.shown}

    def _seeds(self, order: Order) -> tuple[int, ...]:
        return order.seeds or self.seeds.get(order.scale, (0,))

    def _run(self, order: Order, column: ExamColumn, row: str, seed: int) -> RunPiece:
        method, changes = self.rows[row]
        return RunPiece.of(self._study(order, column, method, changes, seed), order.work)

    def _choice(self, order: Order, column: ExamColumn, seed: int) -> ChoicePiece:
        return ChoicePiece.of(self._study(order, column, "density", {}, seed), order.work)

    def _floor(self, order: Order, column: ExamColumn) -> FloorPiece:
        return FloorPiece.of(self._study(order, column, NONE, {}, 0), column.split, order.work)

    def _study(self, order: Order, column: ExamColumn, method: str, changes: Mapping[str, Any], seed: int) -> ExamStudy:
        study = order.study(column.study, method, {**column.changes, **changes, "seeds": [seed]})
        if not isinstance(study, ExamStudy):
            raise TypeError(f"configs/{column.study} is of study '{study.part_name}', and not of the exam")
        return study
