"""A fit draws and encodes training and validation trajectories, each a split of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from setclosure.descriptors.joined import Descriptors
from setclosure.errors import DatasetError
from setclosure.fit.macrostates import Macrostates
from setclosure.fit.stage_one import FrameBatches
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.composition import of_trajectories
from setclosure.model.facts import ModelFacts
from setclosure.progress import progress
from setclosure.seeds import torch_stream
from setclosure.sets.microstates import MicrostateBatch
from setclosure.sets.symmetry import Symmetry, random_turns, turned
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.described import described
from setclosure.trajectories.kinds import require_same_kind
from setclosure.trajectories.overlap import require_disjoint
from setclosure.trajectories.splits import split_trajectories
from setclosure.trajectories.transitions import step_ratios

VALIDATION_SHARE = 0.2
"""The share of the trajectories that is held back for validation if no validation data are given."""


class Split:
    """Some trajectories of a data set.

    Parameters
    ----------
    data : TrajectoryDataset
        The data set.
    source : MicrostateSource
        The microstates of the data set.
    trajectories : array
        Indices of the trajectories, ``(M,)``.
    time_step : float
        The unit of times between frames.
    """

    def __init__(
        self, data: TrajectoryDataset, source: MicrostateSource, trajectories: np.ndarray, time_step: float
    ) -> None:
        self.data, self.source, self.trajectories = data, source, trajectories
        self.lengths = data.lengths[trajectories]
        self.observables = data.observables(trajectories)
        self.context = [data.context(int(i)) for i in trajectories]
        self.transitions = data.transitions(trajectories, time_step)
        self.ratios = [step_ratios(data.times(int(i)), time_step) for i in trajectories]
        """The times between all successive frames in time steps, ``(T_m − 1,)`` for each trajectory."""
        self.columns = [np.zeros((n, 0)) for n in self.lengths]
        """The numbers of the composition that are columns of the macrostate, ``(T_m, K)`` for each trajectory."""

    def composition(self) -> list[np.ndarray]:
        """Give the numbers of the composition along each trajectory, ``(T_m, K)``."""
        return of_trajectories(self.data, self.trajectories)

    def see(self, facts: ModelFacts) -> None:
        """Take on the coordinates in which the dynamics sees observables and, if it does, the composition.

        Raises
        ------
        ModelError
            If an observable is outside the domain of its transform.
        """
        for m, z in zip(self.trajectories, self.observables, strict=True):
            facts.observable_map.require_inside(z, f"{self.data.path}: trajectory {m}, frame ")
        self.observables = [facts.observable_map.forward(z) for z in self.observables]
        if facts.composition is not None:
            rows, columns = self.composition(), facts.composition.columns
            self.columns = [row[:, columns] for row in rows]
            starts = [np.broadcast_to(row[:1], row.shape) for row in rows]
            self.context = [np.concatenate(pair, axis=1) for pair in zip(self.context, starts, strict=True)]

    def batches(self, n_sets: int, transient_share: float, pairs: bool) -> FrameBatches:
        """Make a source of batches of microstates of this split.

        Parameters
        ----------
        n_sets : int
            Microstates in a batch.
        transient_share : float
            The share that is drawn where the observable changes fast.
        pairs : bool
            Whether each microstate comes with the next frame.
        """
        wanted = self.transitions if pairs else None
        return FrameBatches(
            self.source,
            self.trajectories,
            self.observables,
            self.context,
            n_sets,
            transient_share,
            wanted,
            self.columns,
        )

    def some(self, n: int, first: bool, stream: np.random.Generator) -> MicrostateBatch:
        """Draw ``n`` random microstates, of first frames alone or of all frames."""
        if first:
            chosen = stream.choice(len(self.trajectories), size=n)
            return self.source.batch(self.trajectories[chosen], np.zeros(n, dtype=np.int64))
        at = np.full(n, -1)
        chosen = np.zeros(n, dtype=np.int64)
        while (open_ := at < 0).any():  # frames behind the end of a trajectory are drawn again: all frames are alike
            drawn = stream.integers(int(self.lengths.max()), size=int(open_.sum()))
            of = stream.choice(len(self.trajectories), size=len(drawn))
            chosen[open_], at[open_] = of, np.where(drawn < self.lengths[of], drawn, -1)
        return self.source.batch(self.trajectories[chosen], at)

    def whole_trajectories(self) -> Iterator[tuple[int, MicrostateBatch]]:
        """Yield all frames of each trajectory, with its place among those of this split."""
        for i, trajectory in enumerate(self.trajectories):
            frames = np.arange(self.lengths[i])
            yield i, self.source.batch(np.full(len(frames), trajectory), frames)

    def macrostates(self, autoencoder: Autoencoder, n_views: int, seed: int) -> Macrostates:
        """Encode every trajectory; with more than one view, each is encoded in ``n_views`` random orientations."""
        rows: list[Tensor] = []
        total = n_views * len(self.trajectories)
        with progress("encode", total, "trajectories") as advance:
            for v in range(n_views):
                for i, frames in self.whole_trajectories():
                    m, symmetry = int(self.trajectories[i]), autoencoder.coordinates.symmetry
                    batch = frames if n_views == 1 else _turned(frames, symmetry, seed, m, v)
                    z_bar = torch.as_tensor(self.observables[i], dtype=torch.float32)
                    known = torch.as_tensor(self.columns[i], dtype=torch.float32)
                    rows.append(torch.cat([z_bar, autoencoder.encode(batch), known], dim=1))
                    advance(len(rows), "")
        return self.in_a_row(torch.cat(rows))

    def all_context(self) -> Tensor:
        """Give the context of all frames in a row, ``(F, p)``."""
        return torch.as_tensor(np.concatenate(self.context), dtype=torch.float32)

    def in_a_row(self, z: Tensor) -> Macrostates:
        """Give encoded macrostates ``(V · F, D)`` with the context and the transitions of this split."""
        context = self.all_context()
        views = len(z) // len(context)
        return Macrostates(z, context.repeat(views, 1), self.lengths, self.transitions, self.ratios)


def describe(splits: Sequence[Split], descriptors: Descriptors, folder: Path) -> None:
    """Let splits give microstates as the descriptors describe them; ``folder`` is for data that may not be written.

    Raises
    ------
    MicrostateError
        If a microstate cannot be described.
    """
    if descriptors.plain:
        return
    sources: dict[int, MicrostateSource] = {}  # splits of one data set share its microstates
    for split in splits:
        key = id(split.source)
        if key not in sources:
            sources[key] = split.source.of(described(split.data, descriptors, folder))
        split.source = sources[key]


def make_splits(
    data: TrajectoryDataset, validation: TrajectoryDataset | None, seed: int, memory_gib: float
) -> tuple[Split, Split]:
    """Make the training and the validation split of a fit.

    Without validation data a fifth of the training trajectories is held back.

    Parameters
    ----------
    data : TrajectoryDataset
        Training data.
    validation : TrajectoryDataset or None
        Validation data.
    seed : int
        Root seed, which decides which trajectories are held back.
    memory_gib : float
        Data sets up to this size, in GiB, are held in memory.

    Raises
    ------
    DatasetError
        If there are too few trajectories, a data set is unfinished, or the validation data are of another kind or
        share frames with the training data.
    """
    limit, step = int(memory_gib * 2**30), data.require_finished().time_step
    source = MicrostateSource(data, limit)
    if validation is not None:
        require_same_kind(data.layout, validation.require_finished().layout, f"the validation data {validation.path}")
        require_disjoint(data, "training", validation, "validation")
        held = MicrostateSource(validation, limit)
        return Split(data, source, data.usable, step), Split(validation, held, validation.usable, step)
    usable = data.usable
    if len(usable) < 2:
        raise DatasetError(
            f"{data.path} has {len(usable)} usable trajectories; training needs at least two, "
            "one of them for validation. One long trajectory can be split in time: train on data.between(0, n) and "
            "give data.between(n, m) as validation."
        )
    parts = split_trajectories(len(usable), (1 - VALIDATION_SHARE, VALIDATION_SHARE), seed)
    first, second = (Split(data, source, usable[part], step) for part in parts)
    return first, second


def _turned(batch: MicrostateBatch, symmetry: Symmetry, seed: int, trajectory: int, view: int) -> MicrostateBatch:
    stream = torch_stream(seed, "view", trajectory, view)
    return turned(batch, random_turns(symmetry, 1, stream, batch.cell)[0])
