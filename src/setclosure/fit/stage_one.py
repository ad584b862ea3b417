"""Stage one: encoder and decoder from microstates (Algorithm 1, lines 1–15), or jointly with the dynamics (Sec. 3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from setclosure.model.autoencoder import Autoencoder
from setclosure.trajectories.batching import MicrostateSource
from setclosure.dynamics.likelihood import one_step_loss
from setclosure.dynamics.macro_dynamics import MacroDynamics
from setclosure.sets.microstates import MicrostateBatch
from setclosure.seeds import numpy_stream, torch_stream
from setclosure.sets.coordinates import random_orthogonal, rotated
from setclosure.fit.sampling import FrameSampler, Steps
from setclosure.fit.settings import StageOneSettings, TrainerSettings
from setclosure.fit.trainer import History, Stage, train

STATISTICS_SETS = 1024
"""Microstates from which the particle frame is fitted."""


JointDynamics = tuple[MacroDynamics, float]
"""The macro dynamics that shapes the encoder in the joint objective, and its weight λ_dyn."""


@dataclass(frozen=True)
class Frames:
    """Microstates of a batch and, for the joint objective, those of the next frame, with their observables."""

    now: MicrostateBatch
    after: MicrostateBatch | None = None
    observables: Tensor | None = None  # (B, 2, o)

    def to(self, *args: Any, **kwargs: Any) -> Frames:
        """The same frames on another device."""
        return Frames(
            self.now.to(*args, **kwargs),
            None if self.after is None else self.after.to(*args, **kwargs),
            None if self.observables is None else self.observables.to(*args, **kwargs),
        )


class FrameDraws(Protocol):
    """Draws microstates for stage one."""

    def __call__(self, stream: np.random.Generator) -> Frames:
        """Draw one batch."""
        ...

    def draw(self, n_sets: int, stream: np.random.Generator) -> Frames:
        """Draw ``n_sets`` microstates."""
        ...


class FrameBatches:
    """Draws microstates of some trajectories of a source.

    Parameters
    ----------
    source : MicrostateSource
        Where microstates come from.
    trajectories : array
        Indices of the trajectories that may be drawn.
    observables : array
        Their observables ``(M, T, o)``.
    n_sets : int
        Microstates in a batch.
    transient_share : float
        See :class:`FrameSampler`.
    pairs : bool
        Whether to draw the next frames, too.
    """

    def __init__(
        self,
        source: MicrostateSource,
        trajectories: np.ndarray,
        observables: np.ndarray,
        n_sets: int,
        transient_share: float,
        pairs: bool,
    ) -> None:
        self.source, self.trajectories, self.observables = source, trajectories, observables
        self.sampler = FrameSampler(observables, transient_share, last=not pairs)
        self.n_sets, self.pairs = n_sets, pairs

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
        z = np.stack([self.observables[m, t], self.observables[m, t + 1]], axis=1)
        return Frames(now, after, torch.as_tensor(z, dtype=now.points.dtype))


class StageOne(Stage):
    """The objective L_rec, plus λ_dyn L_dyn for the joint objective.

    Under ``euclidean`` symmetry every microstate is turned by its own random orthogonal matrix, and an encoder that
    reads a list sees the particles in a random order of each microstate's own. In the joint
    objective the dynamics is measured in statistics of the batch, with gradients through them, so that the closure
    cannot lower the loss by shrinking; the dynamics trained here only shapes the encoder, and stage two fits its own.

    Parameters
    ----------
    autoencoder : Autoencoder
        Trained in place.
    settings : StageOneSettings
        Budget and optimiser.
    seed : int
        Root seed; the random numbers of a step depend on it, the step and the device's rank alone.
    joint : JointDynamics, optional
        For the joint objective.
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
        """Mean loss of a batch."""
        stream = torch_stream(self.seed, "stage one", self.global_step, self.global_rank, device=self.device)
        return self._loss(batch, stream)

    def validation_step(self, batch: Frames, batch_idx: int) -> None:
        """Log the loss of the validation microstates, always with the same random numbers."""
        stream = torch_stream(self.seed, "stage one", "validation", device=self.device)
        self.log("validation_loss", self._loss(batch, stream), sync_dist=True, batch_size=1)

    def _loss(self, batch: Frames, stream: torch.Generator) -> Tensor:
        now, after = batch.now, batch.after
        if self.autoencoder.ordered:
            now = now.permuted(stream)
            after = None if after is None else after.permuted(stream)
        if self.autoencoder.settings.symmetry == "euclidean":
            turn = random_orthogonal(len(now), now.n_features, stream, self.device)
            now = rotated(now, turn)
            after = None if after is None else rotated(after, turn)
        loss = torch.zeros((), device=self.device)
        if self.autoencoder.reconstruction is not None:
            loss = loss + self.autoencoder.loss(now, stream).mean()
        if self.dynamics is not None and after is not None and batch.observables is not None:
            z = torch.stack([self.autoencoder(now), self.autoencoder(after)], dim=1)
            z = torch.cat([batch.observables, z], dim=-1)  # (B, 2, o + S c)
            with self.dynamics.measured_on(z):
                of_dynamics = one_step_loss(self.dynamics, z[:, 0], z[:, 1]).mean()
                if self.dynamics.is_stochastic:  # a density in units of the increments: in physical ones, less is more
                    of_dynamics = of_dynamics - self.dynamics.rate_scale.log().sum()
            loss = loss + self.weight * of_dynamics
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
    """Fit the particle frame, then encoder and decoder; return one row of history for each epoch.

    Parameters
    ----------
    autoencoder : Autoencoder
        Trained in place.
    training, validation : FrameDraws
        Draw the microstates; statistics come from ``training`` alone.
    settings : StageOneSettings
        Budget and optimiser.
    seed : int
        Root seed of the run.
    folder : Path
        For checkpoints and logs.
    trainer : TrainerSettings, optional
        Devices and loggers.
    joint : JointDynamics, optional
        For the joint objective.
    resume : bool
        Go on from the newest checkpoint in ``folder``.
    """
    autoencoder.frame.fit(training.draw(STATISTICS_SETS, numpy_stream(seed, "stage one", "statistics")).now)
    return train(
        StageOne(autoencoder, settings, seed, joint),
        Steps(training, settings.steps, seed, "stage one"),
        validation(numpy_stream(seed, "stage one", "validation")),
        folder,
        "stage one",
        trainer or TrainerSettings(),
        resume,
    )
