"""Stage two trains the macro dynamics on stored macrostates (Algorithm 1, lines 17–37)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from setclosure.dynamics.base import Dynamics
from setclosure.fit.macrostates import Macrostates
from setclosure.fit.sampling import Steps, Window, WindowBatches
from setclosure.fit.settings import StageTwoSettings, TrainerSettings
from setclosure.fit.trainer import History, Stage, train

VALIDATION_EXAMPLES = 16384
"""The number of examples over which the validation loss is the mean."""


class StageTwo(Stage):
    """The training of the dynamics by its own loss, averaged over training examples.

    Parameters
    ----------
    dynamics : Dynamics
        The dynamics, which is trained in place.
    settings : StageTwoSettings
        Budget and optimiser.
    """

    def __init__(self, dynamics: Dynamics, settings: StageTwoSettings) -> None:
        super().__init__(settings)
        self.dynamics = dynamics

    def training_step(self, batch: Window, batch_idx: int) -> Tensor:
        """Give the mean loss of a batch of examples."""
        return self.dynamics.loss(*batch).mean()

    def validation_loss(self, batch: Window) -> Tensor:
        """Give the mean loss of the validation examples."""
        return self.dynamics.loss(*batch).mean()


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
        If no two frames follow each other, so that there is no step to learn, or the loss is not finite.
    """
    rows, ratio = training.pairs
    dynamics.set_statistics(training.z, training.context, rows, ratio)
    n = dynamics.n_observables
    draw = WindowBatches(training, settings.transient_share, settings.batch_pairs, n)
    check = WindowBatches(validation, 0.0, VALIDATION_EXAMPLES, n)
    return train(
        StageTwo(dynamics, settings),
        Steps(draw, settings.steps, seed, "stage two"),
        check(np.random.default_rng(0)),
        folder,
        "stage two",
        trainer or TrainerSettings(),
        resume,
    )
