"""An exhibit is a table or a figure of the paper: it says what is trained for it, and what is shown of that."""

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
from setclosure.registry import installed
from setclosure.tables.pieces import Piece, RunPiece
from setclosure.tables.truth import TRUTH, TruthPiece

GROUP = "setclosure.exhibits"
"""Entry points of this group name dictionaries of exhibits by name."""

Scale = str
SCALES = ("demo", "laptop", "paper")
"""Sizes at which an exhibit can be made; each study has a configuration for each."""

Values = dict[str, dict[str, dict[str, list[float]]]]
"""Row → column → metric → one value for each seed."""

Printed = Mapping[str, Mapping[str, tuple[float, float]]]
"""Row → column → mean and standard deviation, as the paper prints them."""


@dataclass(frozen=True)
class Order:
    """An order says what the user asked for: a scale, seeds, a folder for the work, and changes to configurations.

    Attributes
    ----------
    scale : str
        ``demo``, ``laptop`` or ``paper``.
    seeds : tuple of int or None
        Training seeds; None takes the exhibit's own.
    work : Path
        The folder in which data and runs are made, and found again.
    overrides : tuple of str
        ``section.key=value``, as on the command line.
    """

    scale: Scale
    seeds: tuple[int, ...] | None
    work: Path
    overrides: tuple[str, ...] = ()

    def study(self, name: str, method: str, changes: Mapping[str, Any]) -> SimulationStudy:
        """Read the configuration ``configs/<name>/<scale>.yaml`` with another method and some changes."""
        file = configuration_file(name, self.scale)
        values = read_values(file)
        apply_overrides(values, list(self.overrides))
        set_method(values, method)
        for key, value in changes.items():
            set_value(values, key, value)
        return require_simulated(parse_study(values, f"in {file}, as changed for '{method}'"))


@dataclass(frozen=True)
class Content:
    """The content of an exhibit: numbers, a picture and notes.

    Attributes
    ----------
    columns : list of str
        The names of the columns, in order.
    values : dict
        The numbers of every seed; a column that a row lacks does not apply to it.
    seeds : tuple of int
        The training seeds whose values they are, in order.
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
    """The protocol of tables and figures."""

    @property
    def title(self) -> str:
        """The title, one line."""

    @property
    def printed(self) -> Printed:
        """The numbers that the paper prints; empty if it shows a picture alone."""

    @property
    def printed_metric(self) -> str:
        """The name of the metric that is compared with the printed numbers."""

    def pieces(self, order: Order) -> Sequence[Piece]:
        """List the pieces of work that must be finished before it can be shown."""
        ...

    def show(self, order: Order) -> Content:
        """Make numbers and picture from finished pieces."""
        ...


def known_exhibits() -> dict[str, Exhibit]:
    """List all tables and figures by name, those of installed packages included (entry points of :data:`GROUP`)."""
    found: dict[str, Exhibit] = {}
    for _, exhibits in sorted(installed(GROUP), key=lambda pair: pair[0] == "exam"):
        found |= exhibits
    return found


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
    """A row of a table: a method, changes of its configuration, and a label if the method's name does not say all.

    The name ``truth`` stands for no method: its row compares true trajectories with others (:class:`TruthPiece`).
    """

    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def name(self) -> str:
        """The name in the table, where the paper's own method is ``ours``."""
        return self.label or ours(self.method)


@dataclass(frozen=True)
class Column:
    """A column of a table: a test, and changes of the configuration for it."""

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
        The study whose configurations it changes.
    rows, columns : tuple
        A cell has the model that is trained with the changes of its row and column, and the column's test.
    printed : dict
        The numbers that the paper prints.
    printed_metric : str
        The metric that is compared with them.
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
        """List one run for each different training; columns that only test on other data share one."""
        made = [
            self._piece(order, row, column, seed)
            for seed in self._seeds(order)
            for row in self.rows
            for column in self.columns
        ]
        return list({piece.folder: piece for piece in made}.values())

    def show(self, order: Order) -> Content:
        """Give the metrics of every cell."""
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
