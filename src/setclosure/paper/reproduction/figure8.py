"""Figure 8 shows one trajectory of the polymer as frames of its video."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from setclosure.experiments.pipeline import MADE, is_simulated
from setclosure.experiments.study import SimulationStudy
from setclosure.files import read_json
from setclosure.paper.reproduction.bands import draw_image, longest_chain, shown_frames
from setclosure.tables.exhibits import Content, Order, Printed
from setclosure.tables.pieces import data_folder, make_data

N_FRAMES = 11
"""So many frames are shown."""


@dataclass(frozen=True)
class DataPiece:
    """The piece of work that simulates the data of a study, and trains nothing."""

    study: SimulationStudy
    data: Path

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.data

    @property
    def label(self) -> str:
        """The name of the piece in messages."""
        return f"data-{self.data.name}"

    @property
    def finished(self) -> bool:
        """Whether all splits are there."""
        return all(is_simulated(self.data, split) for split in self.study.simulations.splits())

    def prepare(self) -> None:
        """Simulate what is missing."""
        make_data(self.study, self.data)

    def finish(self) -> None:
        """Do nothing: :meth:`prepare` has made all."""

    def facts(self) -> dict[str, Any]:
        """Give the commit, where it is known, and the configuration of the simulations."""
        made = self.data / MADE
        commit = read_json(made)["commit"] if made.is_file() else None
        return {"commit": commit, "configuration": self.study.simulations.model_dump(mode="json")}


@dataclass(frozen=True)
class Figure8:
    """The figure: frames of the first training trajectory, with the extension of each as a number."""

    study: str
    title: str = "Figure 8: a trajectory of the polymer video"
    printed: Printed = field(default_factory=dict)
    printed_metric: str = "extension"

    def pieces(self, order: Order) -> list[DataPiece]:
        """List the one piece: the simulations."""
        study = order.study(self.study, "none", {})
        return [DataPiece(study, data_folder(study, order.work))]

    def show(self, order: Order) -> Content:
        """Draw the frames, and give the extension of each."""
        (piece,) = self.pieces(order)
        data = piece.study.open_split(piece.data, "train")
        frames = shown_frames(int(data.lengths[data.usable[0]]), N_FRAMES)
        first = int(data.usable[0])
        figure = Figure(figsize=(8, 0.62 * len(frames)), layout="constrained", facecolor="white")
        longest = longest_chain(data)
        extension = data.observables(data.usable[:1])[0][:, 0]
        for axes, frame in zip(figure.subplots((len(frames) + 1) // 2, 2).flat, frames, strict=False):
            draw_image(axes, data, first, int(frame), longest)
            axes.set_title(f"frame {frame}, extension {extension[frame]:.0f}", loc="left")
        for axes in figure.axes[len(frames) :]:
            axes.remove()
        values = {"trajectory": {f"frame {t}": {"extension": [float(extension[t])]} for t in frames}}
        return Content([f"frame {t}" for t in frames], values, (), figure)
