"""Stage two: the macro dynamics on stored macrostates (Algorithm 1, lines 17–37)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from setclosure.dynamics.likelihood import one_step_loss
from setclosure.dynamics.macro_dynamics import MacroDynamics
from setclosure.errors import EnsembleError
from setclosure.fit.sampling import FrameSampler, PairBatches, Steps
from setclosure.fit.settings import StageTwoSettings, TrainerSettings
from setclosure.fit.trainer import History, Stage, train

Pairs = tuple[Tensor, Tensor]


class StageTwo(Stage):
    """One-step squared error, or the Euler–Maruyama likelihood of Eq. 5 when there is a diffusion."""

    def __init__(self, dynamics: MacroDynamics, settings: StageTwoSettings) -> None:
        super().__init__(settings)
        self.dynamics = dynamics

    def training_step(self, batch: Pairs, batch_idx: int) -> Tensor:
        """Mean loss of a batch of pairs."""
        return one_step_loss(self.dynamics, *batch).mean()

    def validation_step(self, batch: Pairs, batch_idx: int) -> None:
        """Log the mean loss of the validation pairs."""
        self.log("validation_loss", one_step_loss(self.dynamics, *batch).mean(), sync_dist=True, batch_size=1)


def train_dynamics(
    dynamics: MacroDynamics,
    macrostates: Tensor,
    validation: Tensor,
    settings: StageTwoSettings,
    seed: int,
    folder: Path,
    trainer: TrainerSettings | None = None,
    resume: bool = False,
) -> History:
    """Fit drift and diffusion to macrostates; statistics come from the training macrostates alone.

    Parameters
    ----------
    dynamics : MacroDynamics
        Trained in place.
    macrostates, validation : Tensor
        z = [z̄, ẑ] of the training and validation trajectories, ``(M, T, D)``.
    settings : StageTwoSettings
        Budget and optimiser.
    seed : int
        Root seed of the run.
    folder : Path
        For checkpoints and logs.
    trainer : TrainerSettings, optional
        Devices and loggers.
    resume : bool
        Go on from the newest checkpoint in ``folder``.

    Returns
    -------
    list of dict
        One row for each epoch.

    Raises
    ------
    EnsembleError
        If the trajectories have a single frame: there is no step to learn.
    """
    if macrostates.shape[1] < 2:
        raise EnsembleError("trajectories of one frame have no step to learn from; record at least two frames.")
    dynamics.set_statistics(macrostates)
    n = dynamics.n_observables
    sampler = FrameSampler(macrostates[..., :n].numpy(), settings.transient_share, last=False)
    draw = PairBatches(macrostates, sampler, settings.batch_pairs)
    check = PairBatches(validation, FrameSampler(validation[..., :n].numpy(), 0.0, last=False), 16384)
    return train(
        StageTwo(dynamics, settings),
        Steps(draw, settings.steps, seed, "stage two"),
        check(np.random.default_rng(0)),
        folder,
        "stage two",
        trainer or TrainerSettings(),
        resume,
    )
