"""Evaluation of one model on one test: the naive predictions beside it, the skill, and what is warned of."""

from __future__ import annotations

import numpy as np
import pytest

from setclosure.evaluation.comparison import worse_than_naive
from setclosure.evaluation.evaluate import evaluate, picked, roll_out
from setclosure.evaluation.naive import NaivePredictions
from setclosure.fit.estimator import ClosureEstimator
from setclosure.trajectories.dataset import TrajectoryDataset

TRAINING = {
    "stage_one": {"steps": 4, "batch_sets": 4, "validation_sets": 4},
    "stage_two": {"steps": 4, "batch_pairs": 8},
}


def dataset(path, z, times=None, **more):
    """Write a data set with given observables, whose particles say nothing of them."""
    T = len(z[0])
    points = [np.random.default_rng(m).normal(size=(len(path_of), 5, 2)) for m, path_of in enumerate(z)]
    return TrajectoryDataset.from_arrays(path, points, z, times=range(T) if times is None else times, **more)


def evaluated(tmp_path, train, test, **options):
    data, held_out = dataset(tmp_path / "train.zarr", train), dataset(tmp_path / "test.zarr", test)
    model = ClosureEstimator("none", training=TRAINING, **options).fit(data, progress=False)
    metrics, naive = evaluate(model, held_out, NaivePredictions.of(data), tmp_path / "test.npz")
    return model, metrics, naive


def test_in_a_linear_system_the_linear_fit_is_exact_and_the_model_is_said_to_be_worse(tmp_path):
    starts = np.random.default_rng(0).normal(size=9)
    paths = [(z * 0.8 ** np.arange(6.0) + 1.0)[:, None] for z in starts]
    _, metrics, naive = evaluated(tmp_path, paths[:6], paths[6:])
    assert naive["linear fit"]["rmse"] == pytest.approx(0, abs=1e-9)
    assert naive["persistence"]["rmse"] > 0.1
    assert metrics["skill"] < -1  # against next to nothing
    (sentence,) = worse_than_naive(
        {"skill": {"t": metrics["skill"]}}, {k: {"rmse": {"t": v["rmse"]}} for k, v in naive.items()}
    )
    assert "worse than the best naive prediction, “linear fit”" in sentence


def test_a_constant_observable_leaves_every_skill_defined(tmp_path):
    constants = [np.full((5, 1), 2.0 + m) for m in range(7)]
    _, metrics, naive = evaluated(tmp_path, constants[:5], constants[5:])
    assert naive["persistence"]["rmse"] == 0
    assert naive["persistence"]["skill"] == 0
    assert naive["mean path"]["skill"] == -1  # worse than what is perfect
    assert metrics["skill"] in (0.0, -1.0)
    assert all(np.isfinite(value) for of in (metrics, *naive.values()) for value in of.values())


def test_an_observable_that_is_zero_has_no_relative_error_and_still_an_rmse(tmp_path):
    zeros = [np.zeros((5, 1)), np.ones((5, 1))]
    moving = [np.linspace(0, m, 5)[:, None] for m in range(5)]
    _, metrics, naive = evaluated(tmp_path, moving, zeros)
    assert not {"mre", "mre_median"} & set(metrics)
    assert np.isfinite(metrics["rmse"])
    assert all("mre" not in of and np.isfinite(of["rmse"]) for of in naive.values())
    with np.load(tmp_path / "test.npz") as curves:
        assert np.isfinite(curves["error"]).all()


def test_several_observables_are_measured_in_their_training_spread(tmp_path):
    rng = np.random.default_rng(0)
    paths = [np.cumsum(rng.normal(size=(6, 2)), axis=0) for _ in range(8)]
    scaled = [z * np.array([1.0, 1000.0]) for z in paths]
    _, _, naive = evaluated(tmp_path / "a", paths[:6], paths[6:])
    _, _, of_scaled = evaluated(tmp_path / "b", scaled[:6], scaled[6:])
    for name in naive:
        assert of_scaled[name]["rmse"] == pytest.approx(naive[name]["rmse"], rel=1e-5)


def test_every_trajectory_is_predicted_over_its_own_times(tmp_path):
    z = [np.cumsum(np.ones((n, 1)), axis=0) for n in (4, 6, 4)]
    times = [np.arange(4.0), np.array([0, 1, 2, 3.5, 4.5, 5.5]), 7 + np.arange(4.0)]
    data = dataset(tmp_path / "train.zarr", z, times, max_step=2.0)
    others = dataset(tmp_path / "validation.zarr", [2 * path for path in z], times, max_step=2.0)
    model = ClosureEstimator("none", training=TRAINING).fit(data, others, progress=False)
    rollouts = roll_out(model, data)
    for m in range(3):
        alone = model.predict(data.first([m]), times=times[m], observables=z[m][:1])
        assert np.allclose(rollouts.predicted[m], alone.observables[0], rtol=1e-6)
        assert rollouts.times[m].tolist() == times[m].tolist()


def test_a_single_trajectory_has_no_distribution_and_still_a_skill(tmp_path):
    paths = [np.cumsum(np.random.default_rng(m).normal(size=(6, 1)), axis=0) for m in range(6)]
    _, metrics, naive = evaluated(tmp_path, paths[:5], paths[5:], dynamics="euler_maruyama")
    assert "mmd" not in metrics
    assert {"rmse", "skill"} <= set(metrics)
    assert set(naive["persistence"]) == {"rmse", "skill"}
    with np.load(tmp_path / "test.npz") as curves:
        assert curves["predicted"].shape == (1, 16, 6, 1)


def test_trajectories_are_picked_by_a_rule():
    assert picked(np.array([0.3, 0.1, 0.9, 0.5, 0.2])).tolist() == [0, 1, 2]  # median, least, largest
    assert picked(np.array([0.3])).tolist() == [0]
