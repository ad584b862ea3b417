"""What a table or a figure of the paper is here: what is trained for it, and what is shown of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from setclosure.experiments.configuration import (
    apply_overrides,
    configuration_file,
    parse_study,
    read_values,
    set_method,
    set_value,
)
from setclosure.experiments.pipeline import require_simulated
from setclosure.experiments.study import SimulationStudy
from setclosure.paper.reproduction.pieces import Piece, RunPiece
from setclosure.paper.reproduction.truth import TRUTH, TruthPiece

Scale = str
SCALES = ("demo", "laptop", "paper")
Values = dict[str, dict[str, dict[str, list[float]]]]
"""Row → column → metric → one value for each seed."""
Printed = Mapping[str, Mapping[str, tuple[float, float]]]
"""Row → column → mean and standard deviation, as the paper prints them."""


@dataclass(frozen=True)
class Order:
    """What was asked for: a scale, seeds, a place for the work, and changes to every configuration.

    Attributes
    ----------
    scale : str
        ``demo``, ``laptop`` or ``paper``.
    seeds : tuple of int or None
        Training seeds; None takes the exhibit's own.
    work : Path
        Where data and runs are made, and found again.
    overrides : tuple of str
        ``section.key=value``, as on the command line.
    """

    scale: Scale
    seeds: tuple[int, ...] | None
    work: Path
    overrides: tuple[str, ...] = ()

    def study(self, name: str, method: str, changes: Mapping[str, Any]) -> SimulationStudy:
        """The configuration ``configs/<name>/<scale>.yaml`` with another method and some changes."""
        file = configuration_file(name, self.scale)
        values = read_values(file)
        apply_overrides(values, list(self.overrides))
        set_method(values, method)
        for key, value in changes.items():
            set_value(values, key, value)
        return require_simulated(parse_study(values, f"in {file}, as changed for '{method}'"))


@dataclass(frozen=True)
class Content:
    """What an exhibit shows.

    Attributes
    ----------
    columns : list of str
        In order.
    values : dict
        The numbers of every seed; a column that a row lacks is not applicable.
    seeds : tuple of int
        Whose values they are.
    figure : matplotlib Figure or None
        The picture.
    notes : list of str
        Sentences for the reader, below the table.
    """

    columns: list[str]
    values: Values
    seeds: tuple[int, ...]
    figure: Figure | None = None
    notes: list[str] = field(default_factory=list)


class Exhibit(Protocol):
    """A table or a figure."""

    @property
    def title(self) -> str:
        """One line about it."""

    @property
    def printed(self) -> Printed:
        """What the paper prints of it; empty if that is a picture alone."""

    @property
    def printed_metric(self) -> str:
        """Which of our metrics stands beside it."""

    def pieces(self, order: Order) -> Sequence[Piece]:
        """What must be trained for it."""
        ...

    def show(self, order: Order) -> Content:
        """Numbers and picture, from finished pieces."""
        ...


def ours(method: str) -> str:
    """Give the name of a method in tables of the paper, where the library's ``density`` is ours.

    Examples
    --------
    >>> ours("density-mixture"), ours("inve")
    ('ours-mixture', 'inve')
    """
    return method.replace("density", "ours", 1) if method.startswith("density") else method


@dataclass(frozen=True)
class Row:
    """A row of a table: a method, what is changed in its configuration, and a name if the method's does not tell it.

    The method ``truth`` is none: its row compares true trajectories with others (:class:`TruthPiece`).
    """

    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def name(self) -> str:
        """What the table calls it: the paper's own method is ours."""
        return self.label or ours(self.method)


@dataclass(frozen=True)
class Column:
    """A column of a table: a test split, and what is changed in the training for it."""

    name: str
    split: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table whose cells are test errors of trained models.

    Attributes
    ----------
    title : str
        One line about it.
    study : str
        Whose configurations it changes.
    rows, columns : tuple
        A cell is the model of its row and column, tested on the column's split.
    printed : dict
        What the paper prints.
    printed_metric : str
        The metric that stands beside it.
    budgets : dict
        By scale, changes for all cells, where a table can do with less training than its study's configuration.
    seeds : dict
        By scale, the training seeds, where they are not those of the study's configuration.
    """

    title: str
    study: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "mre_scaled"
    budgets: Mapping[Scale, Mapping[str, Any]] = field(default_factory=dict)
    seeds: Mapping[Scale, tuple[int, ...]] = field(default_factory=dict)

    def pieces(self, order: Order) -> list[RunPiece | TruthPiece]:
        """One run for each different training; columns that only test on other data share one."""
        made = [
            self._piece(order, row, column, seed)
            for seed in self._seeds(order)
            for row in self.rows
            for column in self.columns
        ]
        return list({piece.folder: piece for piece in made}.values())

    def show(self, order: Order) -> Content:
        """The metrics of every cell."""
        seeds = self._seeds(order)
        values: Values = {}
        for row in self.rows:
            for column in self.columns:
                of_seeds = [self._piece(order, row, column, seed) for seed in seeds]
                pieces = {piece.folder: piece for piece in of_seeds}  # the truth has no training seed
                found = [piece.metrics(column.split) for piece in pieces.values()]
                if all(found):  # a method may not be able to read a split
                    cell = {metric: [one[metric] for one in found] for metric in found[0]}
                    values.setdefault(row.name, {})[column.name] = cell
        names = [column.name for column in self.columns]
        return Content(names, values, seeds, notes=self._notes(self.budgets.get(order.scale, {})))

    def _notes(self, budget: Mapping[str, Any]) -> list[str]:
        notes = [f"Changed for this table at this scale: {_settings(budget)}."] if budget else []
        by_change: dict[str, list[str]] = {}
        for row in self.rows:
            if row.changes and not row.label:  # a label says what is changed
                by_change.setdefault(_settings(row.changes), []).append(f"`{row.name}`")
        for changes, names in by_change.items():
            has, does = ("have", "they do") if len(names) > 1 else ("has", "it does")
            notes.append(f"{', '.join(names)} {has} {changes}, as {does} better on development data.")
        return notes

    def _seeds(self, order: Order) -> tuple[int, ...]:
        if order.seeds is not None:
            return order.seeds
        return self.seeds.get(order.scale) or order.study(self.study, self.rows[0].method, {}).seeds

    def _piece(self, order: Order, row: Row, column: Column, seed: int) -> RunPiece | TruthPiece:
        changes = {**self.budgets.get(order.scale, {}), **row.changes, **column.changes, "seeds": [seed]}
        if row.method == TRUTH:
            return TruthPiece.of(order.study(self.study, "none", changes), order.work)
        return RunPiece.of(order.study(self.study, row.method, changes), order.work)


def _settings(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key}={value}`" for key, value in changes.items())
