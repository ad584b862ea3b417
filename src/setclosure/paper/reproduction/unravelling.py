"""The table ``unravelling`` says what tells how long a chain of the polymer takes to unravel.

Chains at a quarter of their length (:mod:`setclosure.paper.reproduction.chains`) need very different numbers of frames
until they are half stretched. The logarithm of that number is predicted by a regression on the extension and, row by
row, on something more: what an image shows, what the closure of a model keeps of the image, what an earlier frame
shows, and the order of the beads, which no image shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from setclosure.experiments.report.style import INK, SERIES
from setclosure.experiments.run import Run
from setclosure.model.closure_model import ClosureModel
from setclosure.paper.images.pixel_sets import pixel_sets
from setclosure.paper.images.render import render
from setclosure.paper.reproduction.chains import LAG, ChainsPiece
from setclosure.paper.reproduction.regression import explained, predict_left_out
from setclosure.paper.simulators.polymer import extension, slowest_mode
from setclosure.paper.studies.polymer import PolymerStudy
from setclosure.tables.exhibits import Column, Content, Order, Printed, Row, Scale, Table, Values, ours
from setclosure.tables.pieces import Piece, RunPiece

Array = np.ndarray[Any, Any]

SLICES = 10
"""The extent of a chain along the flow is cut into so many slices; the shares of the beads in them are features."""

DRAWN = ("+ closure of ours", "+ extension", "+ order")
"""The rows whose names begin so are drawn in the picture."""


@dataclass(frozen=True)
class Unravelling:
    """A table with a row for each group of features: the share of the variance of the logarithm that it explains.

    Attributes
    ----------
    study : str
        The study whose chains and runs are used.
    closures : tuple of str
        Methods whose closure has a row, with a value for each training seed.
    n_chains : dict
        Scale → number of chains that are simulated.
    """

    study: str
    title: str = "What tells how long a chain takes to unravel"
    closures: tuple[str, ...] = ("density", "cnn")
    n_chains: Mapping[Scale, int] = field(default_factory=lambda: {"demo": 60, "laptop": 150, "paper": 600})
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "r2"

    def pieces(self, order: Order) -> list[Piece]:
        """List the chains and the runs of the methods."""
        return [self._chains(order), *self._table.pieces(order)]

    def show(self, order: Order) -> Content:
        """Give the share of every row, and draw predicted times against true ones for some rows."""
        chains = self._chains(order)
        frames, remaining = chains.load()
        target = np.log(remaining)
        runs = [piece for piece in self._table.pieces(order) if isinstance(piece, RunPiece)]
        width = extension(frames[:, 1])
        rows = {
            name: [predict_left_out([width, *features], target) for features in of_seeds]
            for name, of_seeds in _groups(frames, runs).items()
        }
        values: Values = {
            name: {"chains": explained(target, [predicted for predicted, _ in of_seeds], of_seeds[0][1])}
            for name, of_seeds in rows.items()
        }
        left_out = ", ".join(f"{n} {reason}" for reason, n in chains.left_out().items())
        notes = [
            f"Of {self.n_chains[order.scale]} chains {len(target)} are used, each at the frame at which it first has a "
            f"quarter of its length; {left_out}. From there to half of it takes {remaining.min()} to "
            f"{remaining.max()} frames, median {np.median(remaining):.0f}. `r2` is the share of the variance of its "
            "logarithm that a ridge regression explains, each tenth of the chains predicted by the others, which also "
            "choose the penalty; at zero it does no better than their mean. `r2_error` is its standard error over "
            "resampled chains. *Order of the beads* is the size of the slowest mode along the flow, for which one must "
            "know which bead follows which: an image does not show it."
        ]
        shown = {name: np.exp(rows[name][0][0]) for name in rows if name.startswith(DRAWN)}
        seeds = tuple(dict.fromkeys(piece.study.seeds[0] for piece in runs))
        return Content(["chains"], values, seeds, _draw(remaining, shown), notes)

    @property
    def _table(self) -> Table:
        return Table(self.title, self.study, tuple(map(Row, self.closures)), (Column("fast", "fast"),))

    def _chains(self, order: Order) -> ChainsPiece:
        study = cast(PolymerStudy, order.study(self.study, "none", {}))
        return ChainsPiece(study.simulation.system, self.n_chains[order.scale], order.work)


def _groups(frames: Array, runs: list[RunPiece]) -> dict[str, list[list[Array]]]:
    """Give the features of each row beside the extension: for each training seed of a row a list of features."""
    before, now = frames[:, 0], frames[:, 1]
    groups: dict[str, list[list[Array]]] = {
        "extension": [[]],
        "+ width across the flow (y)": [[np.log(now[..., 1].std(axis=1))]],
        "+ depth (z)": [[np.log(now[..., 2].std(axis=1))]],
        "+ mass along the flow": [[_mass(now)]],
    }
    for run in runs:
        groups.setdefault(f"+ closure of {ours(run.study.model.method)}", []).append([_closure(run, now)])
    return groups | {
        "+ all of these": [[feature for of_seeds in groups.values() for feature in of_seeds[0]]],
        f"+ extension {LAG} frames before": [[extension(before)]],
        "+ order of the beads": [[_order(now)]],
    }


def _order(beads: Array) -> Array:
    """Compute the logarithm of the slowest mode's size along the flow, relative to the extension, ``(M,)``."""
    return np.asarray(np.log(np.maximum(slowest_mode(beads) / extension(beads), 1e-3)))


def _mass(beads: Array) -> Array:
    """Compute the shares of the beads in slices along the flow, without telling left from right, ``(M, SLICES)``."""
    x = beads[..., 0]
    low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
    part = np.minimum(((x - low) / (high - low) * SLICES).astype(int), SLICES - 1)
    share = np.stack([(part == p).mean(axis=1) for p in range(SLICES)], axis=1)
    return _both_sides(share[:, : SLICES // 2], share[:, : SLICES // 2 - 1 : -1])


def _closure(run: RunPiece, beads: Array) -> Array:
    """Encode images of chains ``(M, N, 3)`` by the model of a run, without telling left from right."""
    model = ClosureModel.load(Run(run.folder).seed_folder(run.study.seeds[0]) / "model")
    closures = []
    for side in (1.0, -1.0):
        points, counts = pixel_sets(render(beads * np.array([side, 1.0, 1.0])))
        closures.append(model.encode([pixels[:n] for pixels, n in zip(points, counts, strict=True)]))
    return _both_sides(*closures)


def _both_sides(left: Array, right: Array) -> Array:
    """Combine features ``(M, n)`` of a chain and of its mirror image so that they are equal for both, ``(M, 2n)``.

    A mirrored chain takes as long to unravel. The result is the sum of both and the size of their difference.
    """
    return np.concatenate([left + right, np.abs(left - right)], axis=1)


def _draw(remaining: Array, predicted: dict[str, Array]) -> Figure:
    """Draw predicted frames against true ones, a panel for each row."""
    figure = Figure(figsize=(3.3 * len(predicted), 3.4), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(predicted), sharex=True, sharey=True, squeeze=False)[0]
    ends = remaining.min() / 1.2, remaining.max() * 1.2
    for k, (axes, (name, times)) in enumerate(zip(panels, predicted.items(), strict=True)):
        axes.loglog(ends, ends, color=INK, linewidth=1, alpha=0.4)
        axes.loglog(remaining, times, ".", color=SERIES[k], markersize=5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_locator(NullLocator())
        axes.set(xlim=ends, ylim=ends, aspect="equal", title=f"extension\n{name}", xlabel="frames until half stretched")
    panels[0].set_ylabel("predicted by the others")
    return figure
