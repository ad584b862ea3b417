"""Figure 5 shows a trajectory, predicted and true energies, and how the order of particles changes a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from setclosure.experiments.report.figures import draw_curves, draw_microstate
from setclosure.experiments.report.load import load_run
from setclosure.experiments.report.style import INK, SERIES
from setclosure.files import read_json
from setclosure.tables.exhibits import Column, Content, Order, Printed, Row, Table, ours
from setclosure.tables.pieces import RunPiece

COMPARED = ("density", "ae-aug")
"""Methods whose predictions from renumbered particles are compared; the second one sees the order of particles."""


@dataclass(frozen=True)
class Figure5:
    """The figure of the paper's Sec. 4.2: snapshots, predicted and true energy, and three orders of the particles.

    It shows runs of Table 1: where that has been made, nothing is left to train.
    """

    study: str
    title: str = "Figure 5: snapshots, predicted and true energy, and the effect of permutations"
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "permutation_deviation"

    def pieces(self, order: Order) -> list[RunPiece]:
        """List the runs of the compared methods."""
        return [piece for piece in self._table.pieces(order) if isinstance(piece, RunPiece)]

    def show(self, order: Order) -> Content:
        """Give the largest deviation under permutations of every seed, and draw the figure of the first."""
        pieces = self.pieces(order)
        by_method = {name: [piece for piece in pieces if piece.study.model.method == name] for name in COMPARED}
        deviations = {
            ours(name): {"in_dst": {"permutation_deviation": [_deviation(piece) for piece in of_method]}}
            for name, of_method in by_method.items()
        }
        seeds = tuple(piece.study.seeds[0] for piece in by_method[COMPARED[0]])
        notes = [
            "The largest change of a predicted energy, in its own unit, when the particles of the first frame of the "
            "first in-distribution test trajectory are renumbered at random, three times. The paper shows the curves "
            "without a number."
        ]
        first = {ours(name): of_method[0] for name, of_method in by_method.items()}
        return Content(["in_dst"], deviations, seeds, _draw(first), notes)

    @property
    def _table(self) -> Table:
        return Table(self.title, self.study, tuple(map(Row, COMPARED)), (Column("in_dst", "in_dst"),))


def _deviation(piece: RunPiece) -> float:
    return float(read_json(piece.folder / "permutation.json")["deviation"])


def _draw(pieces: Mapping[str, RunPiece]) -> Figure:
    runs = {name: load_run(piece.folder) for name, piece in pieces.items()}
    first = next(iter(runs.values()))
    figure = Figure(figsize=(10, 5.6), layout="constrained", facecolor="white")
    upper, lower = cast(Any, figure.subfigures(2, 1, height_ratios=(1.0, 1.45), hspace=0.04))
    for f, axes in enumerate(upper.subplots(1, len(first.snapshots["frames"]), squeeze=False).flat):
        draw_microstate(axes, first.snapshots, f)
    panels = lower.subplots(1, 1 + len(runs), width_ratios=(1.25, *([1.0] * len(runs))))
    draw_curves(panels[0], first)
    for axes, (name, run) in zip(panels[1:], runs.items(), strict=True):
        _permutations(axes, run.permutation, name)
    low, high = zip(*(axes.get_ylim() for axes in panels[1:]), strict=True)
    for axes in panels[1:]:
        axes.set_ylim(min(low), max(high))  # one scale, or a deviation cannot be compared
    return figure


def _permutations(axes: Axes, arrays: Mapping[str, np.ndarray], name: str) -> None:
    axes.plot(arrays["times"], arrays["truth"][:, 0], color=INK, alpha=0.35, linewidth=3.2, label="true")
    for k, curve in enumerate(arrays["predicted"][..., 0]):
        style = ("-", "--", ":")[k % 3]
        axes.plot(arrays["times"], curve, style, color=SERIES[k], linewidth=1.5, label=f"permutation {k + 1}")
    axes.set(xlabel="time", title=f"{name}: largest deviation {float(arrays['deviation']):.1e}")
    axes.margins(x=0)
    axes.legend(loc="upper right")
