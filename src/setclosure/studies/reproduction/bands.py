"""Figure 6: a mixing fluid, and mean and band of both mixing ratios from three boundaries, ours against InvE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from setclosure.report.figures import draw_microstate
from setclosure.report.load import Run, load_run
from setclosure.report.style import INK, SERIES
from setclosure.studies.reproduction.exhibits import Column, Content, Order, Printed, Row, Table
from setclosure.studies.reproduction.pieces import Piece, RunPiece

COMPARED = ("ours", "inve")
PREFIX = "boundary_"


@dataclass(frozen=True)
class Figure6:
    """Snapshots; mean and standard deviation over trajectories of R_AB and R_BA, predicted and true (Sec. 4.3).

    It shows the runs of Table 2: where that has been made, nothing is left to train.
    """

    study: str
    title: str = "Figure 6: mixing ratios from three boundaries of the species"
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "inside_band"

    def pieces(self, order: Order) -> list[Piece]:
        """The runs of the compared methods."""
        return list(self._table(order).pieces(order))

    def show(self, order: Order) -> Content:
        """The metrics of every boundary and seed; the picture of the first seed."""
        table = self._table(order)
        content = table.show(order)
        runs: dict[str, Run] = {}
        for piece in table.pieces(order):
            if isinstance(piece, RunPiece):
                runs.setdefault(piece.study.model.method, load_run(piece.folder))
        notes = [
            "Columns: x of the boundary that separates the species at the start. One rollout from each first frame; "
            "the bands are one standard deviation over trajectories."
        ]
        figure = _draw(runs, content.columns)
        return Content(content.columns, content.values, content.seeds, figure, notes)

    def _table(self, order: Order) -> Table:
        splits = [s for s in order.study(self.study, COMPARED[0], {}).simulation.splits() if s.startswith(PREFIX)]
        return Table(self.title, self.study, tuple(map(Row, COMPARED)), tuple(Column(s, s) for s in splits))


def _draw(runs: Mapping[str, Run], splits: list[str]) -> Figure:
    ours = runs[COMPARED[0]]
    figure = Figure(figsize=(10, 7.2), layout="constrained", facecolor="white")
    upper, lower = cast(Any, figure.subfigures(2, 1, height_ratios=(1.0, 2.1), hspace=0.04))
    for f, axes in enumerate(upper.subplots(1, len(ours.snapshots["frames"]), squeeze=False).flat):
        draw_microstate(axes, ours.snapshots, f)
    panels = lower.subplots(2, len(splits), sharex=True, sharey="row", squeeze=False)
    names = [str(name) for name in ours.evaluations[splits[0]]["observable_names"]]
    for row, name in enumerate(names):
        for column, split in enumerate(splits):
            axes = panels[row, column]
            _band(axes, ours.evaluations[split]["times"], ours.evaluations[split]["truth"][..., row], "true", INK, "-")
            for k, (method, run) in enumerate(runs.items()):
                arrays = run.evaluations[split]
                _band(axes, arrays["times"], arrays["predicted"][:, 0, :, row], method, SERIES[k], ("--", ":")[k % 2])
            axes.margins(x=0)
            if row == 0:
                axes.set_title(f"boundary at x = {split.removeprefix(PREFIX)}")
            if column == 0:
                axes.set_ylabel(f"${name[0]}_{{{name[2:]}}}$")
    for axes in panels[-1]:
        axes.set_xlabel("time")
    panels[0, 0].legend(loc="lower right")
    return figure


def _band(axes: Axes, times: np.ndarray, paths: np.ndarray, name: str, tone: str, style: str) -> None:
    """Mean over trajectories ``(M, T)``, and one standard deviation around it."""
    mean, sd = paths.mean(axis=0), paths.std(axis=0, ddof=1)
    axes.fill_between(times, mean - sd, mean + sd, color=tone, alpha=0.14, linewidth=0)
    axes.plot(times, mean, style, color=tone, linewidth=1.6, label=name)
