"""Small data and small fits for the tests of models and of fitting."""

from __future__ import annotations

from typing import Any

import numpy as np

from setclosure.fit.estimator import ClosureEstimator
from setclosure.fit.settings import FitSettings
from setclosure.trajectories.dataset import TrajectoryDataset

SMALL_MODEL: dict[str, Any] = {
    "closure_dim": 2,
    "bandwidth": 0.05,
    "encoder": {"width": 8},
    "decoder": {"layers": 1, "bins": 4, "hidden": 8, "blocks": 1},
    "reconstruction": {"samples": 8},
    "dynamics": {"drift": {"hidden": [8]}},
}
SMALL_TRAINING: dict[str, Any] = {
    "stage_one": {"steps": 6, "steps_per_epoch": 3, "batch_sets": 4, "validation_sets": 4},
    "stage_two": {"steps": 10, "steps_per_epoch": 5, "batch_pairs": 16},
}


def spread(microstates):
    """Give the mean standard deviation of the coordinates: an observable that is not registered."""
    return microstates.standard_deviation().mean(dim=1)


def own_data(path, M=4, T=5, N=6, d=2, observables=spread, seed=0, **options) -> TrajectoryDataset:
    """Write M random trajectories of T frames."""
    points = np.random.default_rng(seed).normal(size=(M, T, N, d))
    return TrajectoryDataset.from_arrays(path, points, observables, times=options.pop("times", range(T)), **options)


def small(**options) -> ClosureEstimator:
    """Make an estimator of a small model with small budgets; ``training`` sections are merged with the small ones."""
    given = options.pop("training", {})
    training = {stage: budget | given.get(stage, {}) for stage, budget in SMALL_TRAINING.items()}
    training |= {key: value for key, value in given.items() if key not in training}
    if options.get("method") == "none":
        return ClosureEstimator(
            training=FitSettings.parse(training), **{"dynamics": {"drift": {"hidden": [8]}}} | options
        )
    return ClosureEstimator(training=FitSettings.parse(training), **SMALL_MODEL | options)
