"""Stage two trains the macro dynamics on stored macrostates (Algorithm 1, lines 17–37)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from setclosure.dynamics.base import Dynamics
from setclosure.fit.macrostates import Macrostates
from setclosure.fit.rollout_error import rollout_error
from setclosure.fit.sampling import Steps, WindowBatches, Windows
from setclosure.fit.settings import StageTwoSettings, TrainerSettings
from setclosure.fit.trainer import UNCERTAINTY, History, Stage, train

VALIDATION_PAIRS = 16384
"""The number of pairs of frames over which the validation loss is the mean."""


class StageTwo(Stage):
    """The training of the dynamics by its own loss, averaged over training examples and over horizons.

    Parameters
    ----------
    dynamics : Dynamics
        The dynamics, which is trained in place.
    settings : StageTwoSettings
        Budget and optimiser.
    validation : Macrostates
        Macrostates of the validation trajectories, whose rollouts tell the best weights.
    """

    score: ClassVar[str] = "rollout_error"

    def __init__(self, dynamics: Dynamics, settings: StageTwoSettings, validation: Macrostates) -> None:
        super().__init__(settings)
        self.dynamics, self.validation = dynamics, validation

    def training_step(self, batch: Windows, batch_idx: int) -> Tensor:
        """Give the mean loss of a batch of examples."""
        return self._loss(batch)

    def validation_loss(self, batch: Windows) -> Tensor:
        """Give the mean loss of the validation examples."""
        return self._loss(batch)

    def measures(self) -> dict[str, float]:
        """Give the error of validation rollouts, as ``rollout_error``, and its standard error."""
        error, sure = rollout_error(self.dynamics, self.validation)
        return {"rollout_error": error, f"rollout_error{UNCERTAINTY}": sure}

    def _loss(self, batch: Windows) -> Tensor:
        return torch.stack([self.dynamics.loss(*window).mean() for window in batch]).mean()


def train_dynamics(
    dynamics: Dynamics,
    training: Macrostates,
    validation: Macrostates,
    settings: StageTwoSettings,
    seed: int,
    folder: Path,
    trainer: TrainerSettings | None = None,
    resume: bool = False,
) -> History:
    """Fit the dynamics to macrostates; statistics come from the training macrostates alone.

    Parameters
    ----------
    dynamics : Dynamics
        The dynamics, which is trained in place.
    training, validation : Macrostates
        Macrostates z = [z̄, ẑ] of the training and validation trajectories.
    settings : StageTwoSettings
        Budget and optimiser.
    seed : int
        Root seed of the run.
    folder : Path
        The folder of checkpoints and logs.
    trainer : TrainerSettings, optional
        Devices and loggers.
    resume : bool
        Whether to go on from the newest checkpoint in ``folder``.

    Returns
    -------
    list of dict
        A row of the history for each epoch.

    Raises
    ------
    TrainingError
        If no two frames follow each other, so that there is no step to learn or to validate, or the loss is not
        finite.
    """
    rows, ratio = training.pairs
    dynamics.set_statistics(training.z, training.context, rows, ratio)
    n = dynamics.n_observables
    draw = WindowBatches(training, settings.transient_share, settings.batch_pairs, n, dynamics.horizons)
    check = WindowBatches(validation, 0.0, VALIDATION_PAIRS, n, dynamics.horizons)
    return train(
        StageTwo(dynamics, settings, validation),
        Steps(draw, settings.steps, seed, "stage two"),
        check(np.random.default_rng(0)),
        folder,
        "stage two",
        trainer or TrainerSettings(),
        resume,
    )
