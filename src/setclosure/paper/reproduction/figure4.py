"""Figure 4 shows how well closures of several dimensions keep one-dimensional sets, at several bandwidths.

A set is drawn from a mixture of Gaussians. An autoencoder is trained for each bandwidth and dimension, and its decoded
density is drawn over the target density; the divergence of the two is given as a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from setclosure.experiments.configuration import apply_overrides, configuration_file, read_values
from setclosure.experiments.report.style import INK, MUTED, SERIES
from setclosure.files import read_json, write_arrays, write_json
from setclosure.fit.settings import StageOneSettings
from setclosure.fit.stage_one import Frames, train_autoencoder
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.specification import ModelSettings
from setclosure.paper.simulators.gaussian_mixtures import GaussianMixtures, MixtureSets
from setclosure.provenance import provenance
from setclosure.reconstruction.target_density import TargetDensity
from setclosure.seeds import seeded
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.settings import Settings
from setclosure.tables.exhibits import Content, Order, Printed
from setclosure.tables.pieces import digest, locked

GRID = np.linspace(-1.8, 1.8, 721)
"""The coordinates at which densities are drawn."""

SHOWN = 0
"""The index of the validation set in the picture: the first one, which nobody chose for its looks."""


class Figure4Settings(Settings):
    """The configuration of the figure."""

    study: Literal["gaussian_mixtures"]
    seeds: tuple[NonNegativeInt, ...] = Field((0,), min_length=1, description="Training seeds.")
    data_seed: int = Field(0, ge=0, description="Root seed of the sets.")
    n_training: int = Field(3000, ge=1, description="Sets for training.")
    n_validation: int = Field(300, ge=1, description="Sets that the KL is taken of.")
    system: GaussianMixtures = Field(default_factory=GaussianMixtures)
    bandwidths: tuple[PositiveFloat, ...] = Field((0.02, 0.05, 0.2), min_length=1, description="Rows, ε.")
    closure_dims: tuple[PositiveInt, ...] = Field((1, 4, 16), min_length=1, description="Columns, the numbers of ẑ.")
    model: ModelSettings = Field(default_factory=ModelSettings)
    training: StageOneSettings = Field(default_factory=StageOneSettings)


class SetBatches:
    """A sampler that draws batches of sets for stage one."""

    def __init__(self, points: np.ndarray, n_sets: int) -> None:
        self.points, self.n_sets = points, n_sets

    def __call__(self, stream: np.random.Generator) -> Frames:
        """Draw one batch."""
        return self.draw(self.n_sets, stream)

    def draw(self, n_sets: int, stream: np.random.Generator) -> Frames:
        """Draw ``n_sets`` sets."""
        chosen = stream.integers(len(self.points), size=n_sets)
        return Frames(MicrostateBatch.from_points(torch.from_numpy(self.points[chosen])))


@dataclass(frozen=True)
class Panel:
    """A panel of the figure: the autoencoder of one bandwidth, one dimension and one training seed."""

    settings: Figure4Settings
    bandwidth: float
    closure_dim: int
    seed: int
    work: Path

    @property
    def name(self) -> str:
        """The name of its column: bandwidth and dimension."""
        return f"eps={self.bandwidth:g} dim={self.closure_dim}"

    @property
    def label(self) -> str:
        """The name of the piece in messages."""
        return f"figure4-eps{self.bandwidth:g}-dim{self.closure_dim}-seed{self.seed}"

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """Everything that its numbers depend on, as JSON values."""
        shared = self.settings.model_dump(mode="json", exclude={"seeds", "bandwidths", "closure_dims"})
        return shared | {"bandwidth": self.bandwidth, "closure_dim": self.closure_dim, "seed": self.seed}

    @property
    def folder(self) -> Path:
        """The folder of its files, named by the configuration."""
        return self.work / "panels" / f"{self.label}-{digest(self.configuration)}"

    @property
    def finished(self) -> bool:
        """Whether its numbers are there, which are written last."""
        return (self.folder / "panel.json").is_file()

    @property
    def data(self) -> None:
        """No data on disk are shared with other pieces."""

    def prepare(self) -> None:
        """Do nothing: drawing sets takes no time."""

    def facts(self) -> dict[str, Any]:
        """Give commit, machine and configuration."""
        found = read_json(self.folder / "panel.json")["provenance"]
        kept = {key: found[key] for key in ("commit", "dirty", "machine")}
        return kept | {"configuration": self.configuration}

    def metrics(self) -> dict[str, float]:
        """Read ``kl``, the mean over the validation sets, ``kl_shown``, of the set in the picture, and ``seconds``."""
        metrics: dict[str, float] = read_json(self.folder / "panel.json")["metrics"]
        return metrics

    def curves(self) -> dict[str, np.ndarray]:
        """Read the arrays of the picture."""
        with np.load(self.folder / "curves.npz") as arrays:
            return dict(arrays)

    def finish(self) -> None:
        """Train the autoencoder, and compare densities on the validation sets."""
        with locked(self.folder):
            if not self.finished:
                self._finish()

    def _finish(self) -> None:
        draw, training = self.settings.system.draw, self.settings.training
        sets = draw(self.settings.n_training, self.settings.data_seed, "train")
        held_back = draw(self.settings.n_validation, self.settings.data_seed, "validation")
        model = self.settings.model.model_copy(update={"bandwidth": self.bandwidth, "closure_dim": self.closure_dim})
        with seeded(self.seed, "weights"):
            autoencoder = Autoencoder(model, MicrostateKind(1, 1, self.settings.system.n_particles))
        history = train_autoencoder(
            autoencoder,
            SetBatches(sets.points, training.batch_sets),
            SetBatches(held_back.points, training.validation_sets),
            training,
            self.seed,
            self.folder / "stage_one",
            resume=True,
        )
        autoencoder.eval()
        kl = autoencoder.score(MicrostateBatch.from_points(torch.from_numpy(held_back.points)))
        curves: dict[str, Any] = _curves(autoencoder, held_back, self.bandwidth)
        write_arrays(self.folder / "curves.npz", **curves)
        metrics = {"kl": float(kl.mean()), "kl_shown": float(kl[SHOWN]), "seconds": history[-1]["seconds"]}
        write_json(self.folder / "panel.json", {"metrics": metrics, "provenance": provenance()})


def _curves(autoencoder: Autoencoder, sets: MixtureSets, bandwidth: float) -> dict[str, np.ndarray]:
    batch = MicrostateBatch.from_points(torch.from_numpy(sets.points[SHOWN : SHOWN + 1]))
    x = torch.as_tensor(GRID, dtype=torch.float32).reshape(1, -1, 1)
    with torch.inference_mode():
        learned = autoencoder.log_density(x, batch).exp()[0, 0]
        target = TargetDensity(batch, bandwidth).log_prob(x[:, None]).exp()[0, 0]
    return {
        "points": sets.points[SHOWN, :, 0],
        "mixture": sets.density(SHOWN, GRID),
        "target": target.numpy(),
        "learned": learned.numpy(),
    }


@dataclass(frozen=True)
class Figure4:
    """The figure of the paper's Sec. 4.1: reconstruction by bandwidth ε and dimension of the closure ẑ."""

    title: str = "Figure 4: target and learned densities, by bandwidth and dimension of the closure"
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "kl"

    def pieces(self, order: Order) -> list[Panel]:
        """List a panel for each bandwidth, dimension and seed."""
        settings = self._settings(order)
        return [
            Panel(settings, bandwidth, c, seed, order.work)
            for seed in order.seeds or settings.seeds
            for bandwidth in settings.bandwidths
            for c in settings.closure_dims
        ]

    def show(self, order: Order) -> Content:
        """Give the divergence of each panel, and draw the figure of the first seed."""
        panels = self.pieces(order)
        seeds = tuple(dict.fromkeys(panel.seed for panel in panels))
        cells: dict[str, dict[str, list[float]]] = {}
        for panel in panels:
            for metric, value in panel.metrics().items():
                cells.setdefault(panel.name, {}).setdefault(metric, []).append(value)
        settings = self._settings(order)
        first = [panel for panel in panels if panel.seed == seeds[0]]
        notes = [
            f"`kl` is KL(q_X ‖ p) in nats, the mean over {settings.n_validation} validation sets; `kl_shown` that of "
            "the first of them, which the picture shows. The paper shows the picture without numbers."
        ]
        return Content(list(cells), {"ours": cells}, seeds, _draw(first, settings), notes)

    def _settings(self, order: Order) -> Figure4Settings:
        file = configuration_file("gaussian_mixtures", order.scale)
        values = read_values(file)
        apply_overrides(values, list(order.overrides))
        return Figure4Settings.parse(values, f"in {file}")


def _draw(panels: list[Panel], settings: Figure4Settings) -> Figure:
    rows, columns = len(settings.bandwidths), len(settings.closure_dims)
    figure = Figure(figsize=(3.4 * columns, 2.1 * rows + 0.4), layout="constrained", facecolor="white")
    grid = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    for panel, axes in zip(panels, grid.flat, strict=True):
        curves = panel.curves()
        axes.plot(GRID, curves["mixture"], ":", color=MUTED, linewidth=1.4, label="mixture of the particles")
        axes.plot(GRID, curves["target"], color=SERIES[0], linewidth=1.4, label="target density q_X")
        axes.plot(GRID, curves["learned"], "--", color=SERIES[1], linewidth=1.6, label="learned density")
        axes.plot(curves["points"], np.zeros(len(curves["points"])), "|", color=SERIES[0], markersize=7, alpha=0.5,
                  clip_on=False)  # fmt: skip
        axes.set_title(
            f"ε = {panel.bandwidth:g}, $\\hat{{z}}$ of dimension {panel.closure_dim}, "
            f"KL {panel.metrics()['kl_shown']:.3f}"
        )
        axes.set(xlim=(GRID[0], GRID[-1]), ylim=(0, None))
        axes.tick_params(colors=INK)
    for axes in grid[:, 0]:
        axes.set_ylabel("density")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure
