"""Figures 6, 7 and 9 show mean and spread of every observable over time, predicted by some methods and true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from setclosure.experiments.report.figures import draw_microstate
from setclosure.experiments.report.load import LoadedRun, load_run
from setclosure.experiments.report.style import INK, SERIES
from setclosure.paper.images.pixel_sets import BLACK, HEIGHT, WIDTH, images_of
from setclosure.tables.exhibits import Column, Content, Order, Printed, Row, Table, ours
from setclosure.tables.pieces import Piece, RunPiece
from setclosure.trajectories.dataset import TrajectoryDataset

Pictures = Callable[[Any, RunPiece, list[str]], None]
"""A function that draws the upper part of a figure into a subfigure, from the piece of the first method and seed and
the names of the tests."""


@dataclass(frozen=True)
class Bands:
    """A figure of bands: mean and one standard deviation over trajectories, predicted and true, below some pictures.

    Attributes
    ----------
    study : str
        The study whose runs are shown.
    title : str
        One line about it.
    methods : tuple of str
        The methods that are compared: a row of the table and a line of the figure each.
    splits : tuple of str
        Tests whose names begin with one of these are shown.
    pictures : callable or None
        A function that draws pictures above the bands.
    """

    study: str
    title: str
    methods: tuple[str, ...]
    splits: tuple[str, ...]
    pictures: Pictures | None = None
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "inside_band"

    def pieces(self, order: Order) -> list[Piece]:
        """List the runs of the compared methods."""
        return list(self._table(order).pieces(order))

    def show(self, order: Order) -> Content:
        """Give the metrics of every test and seed, and draw the figure of the first seed."""
        table = self._table(order)
        content = table.show(order)
        firsts: dict[str, RunPiece] = {}
        for piece in table.pieces(order):
            if isinstance(piece, RunPiece):
                firsts.setdefault(ours(piece.study.model.method), piece)
        notes = [
            "One rollout from each first frame; bands: one standard deviation over trajectories. `inside_band` is the "
            "share of the frames at which the predicted mean lies in the true one."
        ]
        return Content(content.columns, content.values, content.seeds, self._draw(firsts, content.columns), notes)

    def _table(self, order: Order) -> Table:
        names = order.study(self.study, self.methods[0], {}).simulations.splits()
        shown = [name for name in names if name.startswith(self.splits)]
        return Table(self.title, self.study, tuple(map(Row, self.methods)), tuple(Column(s, s) for s in shown))

    def _draw(self, pieces: Mapping[str, RunPiece], splits: list[str]) -> Figure:
        runs = {method: load_run(piece.folder) for method, piece in pieces.items()}
        first = next(iter(runs.values()))
        names = [observable.axis for observable in first.observables]
        below = 2.4 * len(names)
        figure = Figure(figsize=(10, below + (2.2 if self.pictures else 0.4)), layout="constrained", facecolor="white")
        if self.pictures:
            upper, lower = cast(Any, figure.subfigures(2, 1, height_ratios=(2.2, below), hspace=0.04))
            self.pictures(upper, next(iter(pieces.values())), splits)
        else:
            lower = cast(Any, figure.subfigures(1, 1, squeeze=True))
        panels = lower.subplots(len(names), len(splits), sharex=True, sharey="row", squeeze=False)
        for (row, column), axes in np.ndenumerate(panels):
            _panel(axes, runs, splits[column], row)
            if row == 0:
                axes.set_title(first.test(splits[column]).label)
            if column == 0:
                axes.set_ylabel(names[row])
        for axes in panels[-1]:
            axes.set_xlabel("time")
        panels[0, 0].legend(loc="lower right")
        return figure


def _panel(axes: Axes, runs: Mapping[str, LoadedRun], split: str, row: int) -> None:
    truth = next(iter(runs.values())).evaluations[split]
    _band(axes, truth["times"][0], truth["truth"][..., row], "true", INK, "-")
    for k, (method, run) in enumerate(runs.items()):
        arrays = run.evaluations[split]
        style = ("--", ":", "-.")[k % 3]
        _band(axes, arrays["times"][0], arrays["predicted"][:, 0, :, row], method, SERIES[k % len(SERIES)], style)
    axes.margins(x=0)


def _band(axes: Axes, times: np.ndarray, paths: np.ndarray, name: str, tone: str, style: str) -> None:
    """Draw the mean over trajectories ``(M, T)``, and one standard deviation around it."""
    mean, sd = paths.mean(axis=0), paths.std(axis=0, ddof=1)
    axes.fill_between(times, mean - sd, mean + sd, color=tone, alpha=0.14, linewidth=0)
    axes.plot(times, mean, style, color=tone, linewidth=1.6, label=name)


# ── what stands above ─────────────────────────────────────────────────────────────────────────────────────────


def snapshots(upper: Any, piece: RunPiece, splits: list[str]) -> None:
    """Draw the particles of the first test over the decoded density, at some times."""
    arrays = load_run(piece.folder).snapshots
    for f, axes in enumerate(upper.subplots(1, len(arrays["frames"]), squeeze=False).flat):
        draw_microstate(axes, arrays, f)


def images(upper: Any, piece: RunPiece, splits: list[str]) -> None:
    """Draw frames 0, 100, 200 and 300 of the first trajectory of every test, or four of a shorter trajectory."""
    datasets = [piece.study.open_split(piece.data, split) for split in splits]
    frames = shown_frames(datasets[0].max_frames, 4)
    longest = [longest_chain(data) for data in datasets]
    panels = upper.subplots(len(splits), len(frames), squeeze=False)
    for (row, column), axes in np.ndenumerate(panels):
        draw_image(axes, datasets[row], int(datasets[row].usable[0]), int(frames[column]), longest[row])
        if row == 0:
            axes.set_title(f"frame {frames[column]}")
        if column == 0:
            axes.set_ylabel(splits[row])


def shown_frames(n_frames: int, n: int, spacing: int = 100) -> np.ndarray:
    """List ``n`` frames that are ``spacing`` apart, or closer so that a shorter trajectory has them all."""
    return np.unique(np.linspace(0, min(spacing * (n - 1), n_frames - 1), n).round().astype(int))


def longest_chain(data: TrajectoryDataset) -> float:
    """Find the largest extension of a data set."""
    return float(max(z[:, 0].max() for z in data.observables()))


def draw_image(axes: Axes, data: TrajectoryDataset, trajectory: int, frame: int, longest: float) -> None:
    """Draw a microstate as wide as the ``longest`` chain: pixels as the image that they are, beads as seen along z."""
    points = data.microstates(np.array([trajectory]), np.array([frame])).points.numpy()
    if data.layout.ragged:
        image = images_of(points, np.array([points.shape[1]]), HEIGHT, WIDTH)[0]
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=BLACK, origin="lower", interpolation="none")
        middle = (WIDTH / 2, HEIGHT / 2)
    else:
        axes.scatter(points[0, :, 0], points[0, :, 1], c=INK, s=0.5)
        middle = (0.0, 0.0)
    reach = min(0.6 * longest, WIDTH / 2)
    up = min(0.3 * reach, HEIGHT / 2)
    axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - up, middle[1] + up), aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("#d9dee5")
