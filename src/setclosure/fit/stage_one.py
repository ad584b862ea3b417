"""Stage one trains encoder and decoder on microstates (Algorithm 1, lines 1–15), or jointly with the dynamics."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from setclosure.dynamics.base import Dynamics
from setclosure.dynamics.statistics import Statistics
from setclosure.fit.sampling import FrameSampler, Steps
from setclosure.fit.settings import StageOneSettings, TrainerSettings
from setclosure.fit.trainer import History, Stage, train
from setclosure.model.autoencoder import Autoencoder
from setclosure.seeds import numpy_stream, torch_stream
from setclosure.sets.microstates import MicrostateBatch
from setclosure.sets.symmetry import random_turns, turned
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.layout import Array
from setclosure.trajectories.transitions import Transitions

STATISTICS_SETS = 1024
"""The number of training microstates to which the coordinates are fitted."""

JointDynamics = tuple[Dynamics, float]
"""The macro dynamics that shapes the encoder in the joint objective (Sec. 3.3), and its weight λ_dyn."""


@dataclass(frozen=True)
class NextFrames:
    """The frames after those of a batch, for the joint objective.

    Attributes
    ----------
    microstates : MicrostateBatch
        The B microstates one frame later.
    observables, context : Tensor
        Observables z̄ ``(B, 2, o)`` and context ``(B, 2, p)`` at both frames.
    dt : Tensor
        Times between the two frames in time steps, ``(B, 1)``.
    columns : Tensor
        Numbers of the composition that the macrostate has, at both frames, ``(B, 2, K)``.
    """

    microstates: MicrostateBatch
    observables: Tensor
    context: Tensor
    dt: Tensor
    columns: Tensor

    def to(self, *args: Any, **kwargs: Any) -> NextFrames:
        """Give the same frames on another device."""
        return NextFrames(*(getattr(self, f.name).to(*args, **kwargs) for f in fields(self)))


@dataclass(frozen=True)
class Frames:
    """The microstates of a batch and, for the joint objective, the frames after them."""

    now: MicrostateBatch
    after: NextFrames | None = None

    def to(self, *args: Any, **kwargs: Any) -> Frames:
        """Give the same frames on another device."""
        after = None if self.after is None else self.after.to(*args, **kwargs)
        return Frames(self.now.to(*args, **kwargs), after)


class FrameDraws(Protocol):
    """A source of batches of microstates for stage one."""

    def __call__(self, stream: np.random.Generator) -> Frames:
        """Draw one batch."""
        ...

    def draw(self, n_sets: int, stream: np.random.Generator) -> Frames:
        """Draw ``n_sets`` microstates."""
        ...


class FrameBatches:
    """A source of batches of microstates of some trajectories.

    Parameters
    ----------
    source : MicrostateSource
        The microstates of a data set.
    trajectories : array
        Indices of the trajectories that may be drawn.
    observables, context : list of array
        Observables ``(T_m, o)`` and context ``(T_m, p)`` of these trajectories.
    n_sets : int
        Microstates in a batch.
    transient_share : float
        The share that is drawn where the observable changes fast; see
        :class:`~setclosure.fit.sampling.FrameSampler`.
    pairs : Transitions, optional
        The pairs of frames that may be drawn, if the next frames are needed, too.
    columns : list of array, optional
        Numbers of the composition that the macrostate has, ``(T_m, K)`` for each of these trajectories.
    """

    def __init__(
        self,
        source: MicrostateSource,
        trajectories: Array,
        observables: list[Array],
        context: list[Array],
        n_sets: int,
        transient_share: float,
        pairs: Transitions | None = None,
        columns: list[Array] | None = None,
    ) -> None:
        self.source, self.trajectories, self.n_sets = source, trajectories, n_sets
        self.sampler = FrameSampler(observables, transient_share, pairs)
        self.pairs = pairs is not None
        lengths = np.array([len(z) for z in observables])
        self._first = np.cumsum(lengths) - lengths  # of each trajectory among all frames in a row
        self._observables, self._context = np.concatenate(observables), np.concatenate(context)
        self._columns = np.zeros((len(self._observables), 0)) if columns is None else np.concatenate(columns)
        self._ratio = np.ones(len(self._observables))
        if pairs is not None:
            self._ratio[self._first[pairs.trajectory] + pairs.frame] = pairs.ratio

    def __call__(self, stream: np.random.Generator) -> Frames:
        """Draw one batch."""
        return self.draw(self.n_sets, stream)

    def draw(self, n_sets: int, stream: np.random.Generator) -> Frames:
        """Draw ``n_sets`` microstates."""
        m, t = self.sampler(n_sets, stream)
        now = self.source.batch(self.trajectories[m], t)
        if not self.pairs:
            return Frames(now)
        after = self.source.batch(self.trajectories[m], t + 1)
        row = self._first[m] + t
        of_all = (self._observables, self._context, self._columns)
        z, u, columns = (np.stack([of[row], of[row + 1]], axis=1) for of in of_all)
        known = (torch.as_tensor(part, dtype=now.points.dtype) for part in (z, u, self._ratio[row][:, None], columns))
        return Frames(now, NextFrames(after, *known))


class StageOne(Stage):
    """The training of encoder and decoder by L_rec, plus λ_dyn L_dyn for the joint objective (Sec. 3.3).

    Under a symmetry with rotations every microstate is turned by its own random one, and an encoder that reads a list
    sees the particles of each microstate in a random order. In the joint objective the loss of the dynamics is in units
    of the batch, with gradients through them, so that the closure cannot lower the loss by shrinking. The dynamics of
    this stage only shapes the encoder; stage two fits its own.

    Parameters
    ----------
    autoencoder : Autoencoder
        The autoencoder, which is trained in place.
    settings : StageOneSettings
        Budget and optimiser.
    seed : int
        Root seed; the random numbers of a step depend on it, the step and the device's rank alone.
    joint : JointDynamics, optional
        The dynamics and its weight, for the joint objective.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        settings: StageOneSettings,
        seed: int,
        joint: JointDynamics | None = None,
    ) -> None:
        super().__init__(settings)
        self.autoencoder, self.seed = autoencoder, seed
        self.dynamics = joint[0] if joint else None
        self.weight = joint[1] if joint else 0.0

    def training_step(self, batch: Frames, batch_idx: int) -> Tensor:
        """Give the mean loss of a batch."""
        stream = torch_stream(self.seed, "stage one", self.global_step, self.global_rank, device=self.device)
        return self._loss(batch, stream)

    def validation_loss(self, batch: Frames) -> Tensor:
        """Give the loss of the validation microstates, always with the same random numbers."""
        return self._loss(batch, torch_stream(self.seed, "stage one", "validation", device=self.device))

    def _loss(self, batch: Frames, stream: torch.Generator) -> Tensor:
        now, after = batch.now, batch.after
        later = None if after is None else after.microstates
        if self.autoencoder.ordered:
            now = now.permuted(stream)
            later = None if later is None else later.permuted(stream)
        symmetry = self.autoencoder.coordinates.symmetry
        if symmetry.turns:
            known = [part.cell for part in (now, later) if part is not None and part.cell is not None]
            cells = torch.cat(known) if known else None
            turn = random_turns(symmetry, len(now), stream, cells, self.device)
            now = turned(now, turn)
            later = None if later is None else turned(later, turn)
        loss = torch.zeros((), device=self.device)
        if self.autoencoder.decoder is not None:
            loss = loss + self.autoencoder.loss(now, stream).mean()
        if self.dynamics is not None and after is not None and later is not None:
            closures = torch.stack([self.autoencoder(now), self.autoencoder(later)], dim=1)
            z = torch.cat([after.observables, closures, after.columns], dim=-1)  # (B, 2, D)
            # in units of the batch, with gradients through them, in which a closure that shrinks gains nothing
            dynamics, dt = self.dynamics, after.dt[:, None]
            units = Statistics.of(z, lambda z: dynamics.changes(z[:, :1], z[:, 1:], dt))
            loss = loss + self.weight * self.dynamics.loss(z, after.context, after.dt, units).mean()
        return loss


def train_autoencoder(
    autoencoder: Autoencoder,
    training: FrameDraws,
    validation: FrameDraws,
    settings: StageOneSettings,
    seed: int,
    folder: Path,
    trainer: TrainerSettings | None = None,
    joint: JointDynamics | None = None,
    resume: bool = False,
) -> History:
    """Fit the coordinates, then encoder and decoder.

    Parameters
    ----------
    autoencoder : Autoencoder
        The autoencoder, which is trained in place.
    training, validation : FrameDraws
        Sources of microstates; statistics come from ``training`` alone.
    settings : StageOneSettings
        Budget and optimiser.
    seed : int
        Root seed of the run.
    folder : Path
        The folder of checkpoints and logs.
    trainer : TrainerSettings, optional
        Devices and loggers.
    joint : JointDynamics, optional
        The dynamics and its weight, for the joint objective.
    resume : bool
        Whether to go on from the newest checkpoint in ``folder``.

    Returns
    -------
    list of dict
        A row of the history for each epoch.

    Raises
    ------
    ModelError
        If a feature of the particles never changes.
    TrainingError
        If the loss is not finite.
    """
    autoencoder.coordinates.fit(training.draw(STATISTICS_SETS, numpy_stream(seed, "stage one", "statistics")).now)
    return train(
        StageOne(autoencoder, settings, seed, joint),
        Steps(training, settings.steps, seed, "stage one"),
        validation(numpy_stream(seed, "stage one", "validation")),
        folder,
        "stage one",
        trainer or TrainerSettings(),
        resume,
    )
