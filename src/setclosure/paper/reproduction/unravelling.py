"""What tells how long a chain takes to unravel: a regression on what a frame shows, and on what it does not.

Chains of the polymer study run from coils of their own until they are half stretched, or are given up. Of each the
frame is taken at which it first has the extension of the slow test's start, a quarter of its length. The logarithm of
the time that follows is regressed on the extension of that frame and, row by row, on something more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from setclosure.errors import SimulationError
from setclosure.experiments.report.style import INK, SERIES
from setclosure.experiments.run import Run
from setclosure.files import read_json, write_arrays, write_json
from setclosure.model.closure_model import ClosureModel
from setclosure.paper.images.pixel_sets import pixel_sets
from setclosure.paper.images.render import render
from setclosure.paper.reproduction.exhibits import Column, Content, Order, Printed, Row, Scale, Table, Values, ours
from setclosure.paper.reproduction.pieces import Piece, RunPiece, digest, locked
from setclosure.paper.simulators.polymer import FOLDED_EXTENSION, extension, slowest_mode
from setclosure.paper.simulators.polymer_video import PolymerVideo
from setclosure.paper.studies.polymer import PolymerStudy
from setclosure.processes import available_cores
from setclosure.progress import progress
from setclosure.provenance import provenance
from setclosure.seeds import numpy_stream

Array = np.ndarray[Any, Any]

SEED = 90001
"""Root seed of the chains: neither training nor tests of the figures."""

HALF = 0.5
"""Extension, as a part of the chain's length, at which a chain counts as unravelled."""

LAG = 10
"""Frames between the two that the row of two frames sees."""

PARTS = 10
"""Slices along the flow of which the row of the image has the mass."""

LEAST_CHAINS = 25
"""Fewer tell nothing."""

FOLDS, RESAMPLES = 10, 1000
"""Parts of the chains of which each is predicted by the others; and bootstrap samples behind a standard error."""

PENALTIES = 10.0 ** np.arange(-1.0, 7.0)
"""Of the ridge regression, to choose from: the largest leaves the mean alone."""

EARLY, LATE = "left out as they pass both too early", "are given up before they are half stretched"
"""Why a chain is of no use."""

SHOWN = ("+ closure of ours", "+ extension", "+ order")
"""Rows of the picture, by how they begin."""


@dataclass(frozen=True)
class ChainsPiece:
    """Chains at a quarter of their length and the frames until half of it.

    Attributes
    ----------
    system : PolymerVideo
        Whose chains they are.
    n_chains : int
        How many are simulated.
    work : Path
        Chains lie in a folder of their own there.
    """

    system: PolymerVideo
    n_chains: int
    work: Path

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """What defines its numbers."""
        return {"system": self.system.model_dump(mode="json"), "chains": self.n_chains, "seed": SEED}

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
    def data(self) -> Path:
        """The chains, which are made before any training."""
        return self.folder

    def finish(self) -> None:
        """Nothing is left to do."""

    def facts(self) -> dict[str, Any]:
        """Commit, machine and configuration."""
        found = read_json(self.folder / "chains.json")
        return {key: found[key] for key in ("commit", "dirty", "machine")} | {"configuration": self.configuration}

    def prepare(self) -> None:
        """Simulate the chains, on all cores.

        Raises
        ------
        SimulationError
            If fewer than :data:`LEAST_CHAINS` cross both extensions in time.
        """
        with locked(self.folder):
            if self.finished:
                return
            ended = []
            with ThreadPoolExecutor(available_cores()) as pool, progress("chains", self.n_chains, "chains") as advance:
                for k, one in enumerate(pool.map(self._chain, range(self.n_chains))):
                    ended.append(one)
                    advance(k + 1)
            used = [one for one in ended if not isinstance(one, str)]
            if len(used) < LEAST_CHAINS:
                raise SimulationError(
                    f"only {len(used)} of {self.n_chains} chains had a quarter of their length {LAG} frames or more "
                    f"after their start, and half of it within {self._most_frames} frames; {LEAST_CHAINS} are needed. "
                    "Ask for longer trajectories in simulation.system.n_frames, or a smaller frame_interval."
                )
            frames, remaining = zip(*used, strict=True)
            write_arrays(self.folder / "chains.npz", frames=np.array(frames), remaining=np.array(remaining))
            counts = {reason: ended.count(reason) for reason in (EARLY, LATE)}
            write_json(self.folder / "chains.json", provenance() | {"left_out": counts})

    @property
    def _most_frames(self) -> int:
        return 2 * self.system.n_frames

    def _chain(self, k: int) -> tuple[Array, int] | str:
        """The frame at a quarter of the length and that ``LAG`` before it, ``(2, N, 3)``; frames until a half.

        Or why the chain is of no use.
        """
        stream = numpy_stream(SEED, "unravelling", k)
        length = self.system.n_beads - 1
        frames = self.system.run(self.system.coil(stream), stream, self._most_frames, HALF * length)
        width = extension(frames)
        if width[-1] < HALF * length:
            return LATE
        first, last = int(np.argmax(width >= FOLDED_EXTENSION * length)), len(frames) - 1
        return EARLY if first < LAG or first == last else (frames[[first - LAG, first]], last - first)

    def left_out(self) -> dict[str, int]:
        """Chains that are of no use, by reason."""
        counts: dict[str, int] = read_json(self.folder / "chains.json")["left_out"]
        return counts

    def load(self) -> tuple[Array, Array]:
        """Beads ``(M, 2, N, 3)``, with the centre of mass off, and the frames that follow ``(M,)``."""
        with np.load(self.folder / "chains.npz") as arrays:
            return arrays["frames"], arrays["remaining"]


@dataclass(frozen=True)
class Unravelling:
    """Share of the variance of the logarithm of the time that each group of features explains.

    Attributes
    ----------
    study : str
        Whose chains and runs are shown.
    closures : tuple of str
        Methods whose closure is a row, with a value for each training seed.
    n_chains : dict
        By scale, how many are simulated.
    """

    study: str
    title: str = "What tells how long a chain takes to unravel"
    closures: tuple[str, ...] = ("density", "cnn")
    n_chains: Mapping[Scale, int] = field(default_factory=lambda: {"demo": 60, "laptop": 150, "paper": 600})
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "r2"

    def pieces(self, order: Order) -> list[Piece]:
        """The chains and the runs of the methods."""
        return [self._chains(order), *self._table.pieces(order)]

    def show(self, order: Order) -> Content:
        """The share of every row, and for some of them the predicted time against the true one."""
        chains = self._chains(order)
        frames, remaining = chains.load()
        now, target = frames[:, 1], np.log(remaining)
        groups: dict[str, list[list[Array]]] = {
            "extension": [[]],
            "+ width across the flow (y)": [[np.log(now[..., 1].std(axis=1))]],
            "+ depth (z)": [[np.log(now[..., 2].std(axis=1))]],
            "+ mass along the flow": [[_mass(now)]],
        }
        runs = [piece for piece in self._table.pieces(order) if isinstance(piece, RunPiece)]
        for piece in runs:
            groups.setdefault(f"+ closure of {ours(piece.study.model.method)}", []).append([_closure(piece, now)])
        groups |= {
            "+ all of these": [[feature for of_seeds in groups.values() for feature in of_seeds[0]]],
            f"+ extension {LAG} frames before": [[extension(frames[:, 0])]],
            "+ order of the beads": [[_order(now)]],
        }
        rows = {
            name: [predict_left_out([extension(now), *features], target) for features in of_seeds]
            for name, of_seeds in groups.items()
        }
        values: Values = {
            name: {"chains": _shares(target, [predicted for predicted, _ in of_seeds], of_seeds[0][1])}
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
        shown = {name: np.exp(rows[name][0][0]) for name in rows if name.startswith(SHOWN)}
        seeds = tuple(dict.fromkeys(piece.study.seeds[0] for piece in runs))
        return Content(["chains"], values, seeds, _draw(remaining, shown), notes)

    @property
    def _table(self) -> Table:
        return Table(self.title, self.study, tuple(map(Row, self.closures)), (Column("fast", "fast"),))

    def _chains(self, order: Order) -> ChainsPiece:
        study = cast(PolymerStudy, order.study(self.study, "none", {}))
        return ChainsPiece(study.simulation.system, self.n_chains[order.scale], order.work)


def predict_left_out(features: Sequence[Array], target: Array) -> tuple[Array, Array]:
    """Each target ``(M,)`` as a ridge regression predicts it that has not seen it, and as the mean does.

    Features ``(M,)`` or ``(M, n)`` and their squares are standardised. Every tenth chain is predicted by the others,
    and the penalty is the one of :data:`PENALTIES` with which they predict each other best, each left out in turn: so
    many useless features cost little.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 50)
    >>> predicted, mean = predict_left_out([x], 3 * x)
    >>> bool(np.abs(predicted - 3 * x).max() < 0.1), bool(np.abs(mean - 3 * x).max() > 2)
    (True, True)
    """
    x = np.column_stack(features)
    x = np.column_stack([x, (x - x.mean(axis=0)) ** 2])
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    predicted, mean = np.empty(len(x)), np.empty(len(x))
    for fold in range(FOLDS):
        out = np.arange(len(x)) % FOLDS == fold
        seen, y = x[~out], target[~out]
        penalty = min(PENALTIES, key=lambda p: _error_left_out(seen, y, p))
        coefficients = _ridge(seen - seen.mean(axis=0), penalty) @ (y - y.mean())
        mean[out] = y.mean()
        predicted[out] = y.mean() + (x[out] - seen.mean(axis=0)) @ coefficients
    return predicted, mean


def _ridge(x: Array, penalty: float) -> Array:
    """The matrix ``(n, M)`` that makes coefficients of centred targets, for centred features ``(M, n)``."""
    return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T))


def _error_left_out(x: Array, y: Array, penalty: float) -> float:
    """Mean squared error of each target predicted by the others, from the residuals and leverages of one fit."""
    centred = x - x.mean(axis=0)
    hat = centred @ _ridge(centred, penalty) + 1 / len(x)
    return float(np.mean(((y - hat @ y) / (1 - np.diag(hat))) ** 2))


def _shares(target: Array, predicted: Sequence[Array], mean: Array) -> dict[str, list[float]]:
    """The share of the variance that each prediction explains, and the standard error of the first over chains."""

    def share(p: Array, chosen: Any = slice(None)) -> float:
        return float(1 - ((target - p)[chosen] ** 2).sum() / ((target - mean)[chosen] ** 2).sum())

    stream, n = np.random.default_rng(0), len(target)
    resampled = [share(predicted[0], stream.integers(n, size=n)) for _ in range(RESAMPLES)]
    return {"r2": [share(p) for p in predicted], "r2_error": [float(np.std(resampled))]}


def _order(beads: Array) -> Array:
    """Logarithm of the size of the slowest mode along the flow, over the extension."""
    return np.asarray(np.log(np.maximum(slowest_mode(beads) / extension(beads), 1e-3)))


def _mass(beads: Array) -> Array:
    """Shares of the beads in slices along the flow, opposite ones as :func:`_both_sides`: ``(M, PARTS)``."""
    x = beads[..., 0]
    low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
    part = np.minimum(((x - low) / (high - low) * PARTS).astype(int), PARTS - 1)
    share = np.stack([(part == p).mean(axis=1) for p in range(PARTS)], axis=1)
    return _both_sides(share[:, : PARTS // 2], share[:, : PARTS // 2 - 1 : -1])


def _closure(piece: RunPiece, beads: Array) -> Array:
    """Closures of the images of chains ``(M, N, 3)`` by the model of a run, mirror images as :func:`_both_sides`."""
    model = ClosureModel.load(Run(piece.folder).seed_folder(piece.study.seeds[0]) / "model")
    closures = []
    for side in (1.0, -1.0):
        points, counts = pixel_sets(render(beads * np.array([side, 1.0, 1.0])))
        closures.append(model.encode([pixels[:n] for pixels, n in zip(points, counts, strict=True)]))
    return _both_sides(*closures)


def _both_sides(left: Array, right: Array) -> Array:
    """What does not tell left from right, of features of both ``(M, n)``: sum and size of the difference ``(M, 2n)``.

    A mirrored chain unravels as fast.
    """
    return np.concatenate([left + right, np.abs(left - right)], axis=1)


def _draw(remaining: Array, predicted: dict[str, Array]) -> Figure:
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
