"""What tells how long a chain takes to unravel: a regression on what a frame shows, and on what it does not.

Chains of the polymer study run from coils of their own until they are half stretched. Of each the frame is taken at
which it first has the extension of the slow test's start, a quarter of its length. The logarithm of the time that
follows is regressed on the extension of that frame and, row by row, on something more.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from setclosure.closure_model import ClosureModel
from setclosure.errors import SimulationError
from setclosure.files import read_json, write_arrays, write_json
from setclosure.images.pixel_sets import pixel_sets
from setclosure.images.render import render
from setclosure.processes import available_cores
from setclosure.progress import progress
from setclosure.provenance import provenance
from setclosure.report.style import INK, SERIES
from setclosure.seeds import numpy_stream
from setclosure.simulators.polymer import FOLDED_EXTENSION, slowest_mode
from setclosure.studies.polymer import PolymerStudy
from setclosure.studies.reproduction.exhibits import Content, Order, Printed
from setclosure.studies.reproduction.pieces import Piece, RunPiece, digest, locked

Array = np.ndarray[Any, Any]

SEED = 90001
"""Root seed of the chains: neither training nor tests of the figures."""

HALF = 0.5
"""Extension, as a part of the chain's length, at which a chain counts as unravelled."""

LAG = 10
"""Frames between the two that the row of two frames sees."""

PARTS = 10
"""Slices along the flow of which the row of the image has the mass."""

MOST_FEATURES = 25
"""Of a row, about; with fewer chains its regression means nothing."""

RIDGE = 10.0
"""Penalty on the squared coefficients of standardised features."""


@dataclass(frozen=True)
class ChainsPiece:
    """Chains at a quarter of their length and the frames until half of it.

    Attributes
    ----------
    study : PolymerStudy
        Whose chains they are; there are as many as its training has.
    work : Path
        Chains lie in a folder of their own there.
    """

    study: PolymerStudy
    work: Path

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """What defines its numbers."""
        system = self.study.simulation.system.model_dump(mode="json")
        return {"system": system, "chains": self.study.simulation.trajectories.train, "seed": SEED}

    @property
    def folder(self) -> Path:
        """Named by the configuration."""
        return self.work / "chains" / digest(self.configuration)

    @property
    def label(self) -> str:
        """The fingerprint of the chains."""
        return f"chains-{self.folder.name}"

    @property
    def finished(self) -> bool:
        """Whether the chains are there; their provenance is written last."""
        return (self.folder / "chains.json").is_file()

    @property
    def data(self) -> None:
        """Nothing is shared."""

    def prepare(self) -> None:
        """Nothing to do."""

    def facts(self) -> dict[str, Any]:
        """Commit, machine and configuration."""
        found = read_json(self.folder / "chains.json")
        return {key: found[key] for key in ("commit", "dirty", "machine")} | {"configuration": self.configuration}

    def finish(self) -> None:
        """Simulate the chains, on all cores."""
        with locked(self.folder):
            if self.finished:
                return
            n = self.study.simulation.trajectories.train
            found = []
            with ThreadPoolExecutor(available_cores()) as pool, progress("chains", n, "chains") as advance:
                for k, one in enumerate(pool.map(self._chain, range(n))):
                    found += [one] if one else []
                    advance(k + 1)
            if len(found) < MOST_FEATURES:
                raise SimulationError(
                    f"{len(found)} of {n} chains crossed a quarter and then half of their length, {LAG} frames or more "
                    f"after their start; a regression needs {MOST_FEATURES}. Ask for more in "
                    "simulation.trajectories.train, or for longer ones in simulation.system.n_frames."
                )
            frames, remaining = zip(*found, strict=True)
            write_arrays(self.folder / "chains.npz", frames=np.array(frames), remaining=np.array(remaining))
            write_json(self.folder / "chains.json", provenance())

    def _chain(self, k: int) -> tuple[Array, int] | None:
        """The frame at a quarter of the length and that ``LAG`` before it, ``(2, N, 3)``; frames until a half."""
        system, stream = self.study.simulation.system, numpy_stream(SEED, "unravelling", k)
        length = system.n_beads - 1
        frames = system.run(system.coil(stream), stream, 2 * system.n_frames, HALF * length)
        width = np.ptp(frames[..., 0], axis=1)
        first = int(np.argmax(width >= FOLDED_EXTENSION * length))
        if width[-1] < HALF * length or first < LAG:
            return None
        return frames[[first - LAG, first]], len(frames) - 1 - first

    def load(self) -> tuple[Array, Array]:
        """Beads ``(M, 2, N, 3)``, with the centre of mass off, and the frames that follow ``(M,)``."""
        with np.load(self.folder / "chains.npz") as arrays:
            return arrays["frames"], arrays["remaining"]


@dataclass(frozen=True)
class Unravelling:
    """Share of the variance of the logarithm of the time that each group of features explains, leaving one chain out.

    Attributes
    ----------
    study : str
        Whose chains and runs are shown.
    closures : tuple of str
        Methods whose closure, of the first training seed, is a row.
    """

    study: str
    title: str = "What tells how long a chain takes to unravel"
    closures: tuple[str, ...] = ("ours", "cnn")
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "r2"

    def pieces(self, order: Order) -> list[Piece]:
        """The chains and the runs of the methods."""
        return [self._chains(order), *self._runs(order)]

    def show(self, order: Order) -> Content:
        """The share of every row, and for some of them the predicted time against the true one."""
        frames, remaining = self._chains(order).load()
        before, now = frames[:, 0], frames[:, 1]
        lengths = np.log(remaining)
        extra = {
            "extension": [],
            "+ width across the flow (y)": [np.log(now[..., 1].std(axis=1))],
            "+ depth (z)": [np.log(now[..., 2].std(axis=1))],
            "+ mass along the flow": [_mass(now)],
            **{f"+ closure of {piece.study.model.method}": [_closure(piece, now)] for piece in self._runs(order)},
            f"+ extension {LAG} frames before": [_extension(before)],
            "+ order of the beads": [_order(now)],
        }
        extra["+ all but the order"] = [f for name, of in extra.items() if "order" not in name for f in of]
        predicted = {name: left_out([_extension(now), *of], lengths) for name, of in extra.items()}
        values = {
            name: {"chains": {"r2": [float(1 - ((lengths - p) ** 2).sum() / _left_out_variance(lengths))]}}
            for name, p in predicted.items()
        }
        notes = [
            f"Of {len(lengths)} chains, each at the frame at which it first has a quarter of its length; from there to "
            f"half of it takes {remaining.min()} to {remaining.max()} frames, median {np.median(remaining):.0f}. `r2` "
            "is the share of the variance of its logarithm that a ridge regression explains, each chain predicted by "
            "the others; below zero it does worse than their mean. *Order of the beads* is the size of the slowest "
            "mode along the flow, for which one must know which bead follows which: an image does not show it."
        ]
        shown = [name for name in predicted if "closure of ours" in name or "before" in name or "order of" in name]
        return Content(["chains"], values, (), _draw(remaining, {n: np.exp(predicted[n]) for n in shown}), notes)

    def _chains(self, order: Order) -> ChainsPiece:
        return ChainsPiece(cast(PolymerStudy, order.study(self.study, "none", {})), order.work)

    def _runs(self, order: Order) -> list[RunPiece]:
        seed = (order.seeds or order.study(self.study, "none", {}).seeds)[0]
        return [RunPiece.of(order.study(self.study, m, {"seeds": [seed]}), order.work) for m in self.closures]


def left_out(features: Sequence[Array], target: Array, ridge: float = RIDGE) -> Array:
    """Each target ``(M,)`` as a ridge regression on the others predicts it.

    Features ``(M,)`` or ``(M, n)`` are standardised; their squares take part too. That of the closed form: the
    residual of a chain left out is its residual divided by one minus its leverage.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 50)
    >>> bool(np.abs(left_out([x], 3 * x, ridge=1e-6) - 3 * x).max() < 1e-6)
    True
    """
    x = np.column_stack(features)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    x = np.column_stack([np.ones(len(x)), x, x**2])
    penalty = ridge * np.eye(x.shape[1])
    penalty[0, 0] = 0.0
    hat = x @ np.linalg.solve(x.T @ x + penalty, x.T)
    return np.asarray(target - (target - hat @ target) / (1 - np.diag(hat)))


def _left_out_variance(target: Array) -> float:
    """Sum of the squared deviations of each target from the mean of the others."""
    return float((((target - target.mean()) * len(target) / (len(target) - 1)) ** 2).sum())


def _extension(beads: Array) -> Array:
    return np.asarray(np.ptp(beads[..., 0], axis=1))


def _order(beads: Array) -> Array:
    """Logarithm of the size of the slowest mode along the flow, over the extension."""
    return np.asarray(np.log(np.maximum(slowest_mode(beads) / _extension(beads), 1e-3)))


def _mass(beads: Array) -> Array:
    """Shares of the beads in slices along the flow ``(M, PARTS)``: of opposite slices their sum and their difference.

    A mirrored chain unravels as fast, so differences count without their sign.
    """
    x = beads[..., 0]
    low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
    part = np.minimum(((x - low) / (high - low) * PARTS).astype(int), PARTS - 1)
    share = np.stack([(part == p).mean(axis=1) for p in range(PARTS)], axis=1)
    left, right = share[:, : PARTS // 2], share[:, : PARTS // 2 - 1 : -1]
    return np.concatenate([left + right, np.abs(left - right)], axis=1)


def _closure(piece: RunPiece, beads: Array) -> Array:
    """Closures of the images of chains ``(M, N, 3)``, by the model of a run."""
    model = ClosureModel.load(piece.folder / f"seed-{piece.study.seeds[0]}" / "model")
    points, counts = pixel_sets(render(beads))
    return model.encode([pixels[:n] for pixels, n in zip(points, counts, strict=True)])


def _draw(remaining: Array, predicted: dict[str, Array]) -> Figure:
    figure = Figure(figsize=(3.3 * len(predicted), 3.4), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(predicted), sharex=True, sharey=True, squeeze=False)[0]
    ends = remaining.min() / 1.2, remaining.max() * 1.2
    for k, (axes, (name, times)) in enumerate(zip(panels, predicted.items(), strict=True)):
        axes.loglog(ends, ends, color=INK, linewidth=1, alpha=0.4)
        axes.loglog(remaining, times, ".", color=SERIES[k], markersize=5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_locator(NullLocator())
        axes.set(xlim=ends, ylim=ends, aspect="equal", title=f"extension\n{name}", xlabel="frames until half stretched")
    panels[0].set_ylabel("predicted by the others")
    return figure
