"""After a fit the model predicts its validation trajectories, and is set beside naive predictions."""

from __future__ import annotations

import numpy as np

from setclosure.dynamics.ode import ODEConfig
from setclosure.evaluation.evaluate import error_scale, roll_out
from setclosure.evaluation.naive import NAIVE, NaivePredictions
from setclosure.evaluation.scores import squared_error
from setclosure.evaluation.table import TRAINING_SD
from setclosure.fit.settings import StageTwoSettings
from setclosure.fit.split import Split
from setclosure.fit.trainer import kept_row
from setclosure.model.closure_model import ClosureModel
from setclosure.model.skill import MODEL, Skill

MOST = 128
"""The most validation trajectories that are predicted, evenly chosen."""

NO_CHANGE = 1.0
"""The one-step loss of a drift that is zero: dynamics with such a loss has learned nothing of the next frame."""


def warnings_of(model: ClosureModel, settings: StageTwoSettings) -> list[str]:
    """Say in plain words what a user should know before trusting a model that was just fitted."""
    found = [] if model.skill is None or (text := model.skill.warning()) is None else [text]
    dynamics, history = model.settings.dynamics, model.history.get("stage_two", [])
    if isinstance(dynamics, ODEConfig) and dynamics.horizons == (1,) and dynamics.observable_weight == 1 and history:
        loss = kept_row(history, "rollout_error", settings)["validation_loss"]
        if loss >= NO_CHANGE:
            found.append(
                f"the dynamics has learned nothing of the next frame: its validation loss is {loss:.3g}, where "
                f"{NO_CHANGE:g} is no change at all. Observables that fluctuate are learned over longer horizons: "
                "model.dynamics.horizons: auto."
            )
    return found


def judge(model: ClosureModel, training: Split, validation: Split) -> Skill:
    """Give the errors of a model, and of naive predictions fitted to the training trajectories, in validation.

    Parameters
    ----------
    model : ClosureModel
        The trained model.
    training, validation : Split
        The splits of the fit.
    """
    naive = NaivePredictions.of(training.data, training.trajectories)
    chosen = validation.trajectories
    if len(chosen) > MOST:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST).round().astype(np.int64)]
    rollouts = roll_out(model, validation.data, trajectories=chosen, known_start=True, check=False)
    scale = error_scale(model)
    paths: dict[str, list[np.ndarray]] = {MODEL: rollouts.mean} | {name: [] for name in NAIVE}
    for times, truth, context in zip(rollouts.times, rollouts.truth, rollouts.context, strict=True):
        for name, predicted in naive.predict(times, truth[0], context[0]).items():
            paths[name].append(predicted)
    rmse = {name: float(squared_error(rollouts.truth, of, scale) ** 0.5) for name, of in paths.items()}
    units = model.facts.observable_units
    return Skill(rmse, units[0] if len(units) == 1 else TRAINING_SD, len(chosen))
