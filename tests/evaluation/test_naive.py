"""Naive predictions against systems in which one of them is exact."""

from __future__ import annotations

import numpy as np
import pytest

from setclosure.evaluation.naive import NAIVE, NaivePredictions
from setclosure.trajectories.dataset import TrajectoryDataset

TURN = np.array([[0.9, -0.3], [0.2, 0.8]])


def linear_paths(starts, heat, n=6):
    """Give paths of z' = A z + b u, ``(n, 2)`` each."""
    paths = []
    for z, u in zip(starts, heat, strict=True):
        path = [z]
        for _ in range(n - 1):
            path.append(TURN @ path[-1] + u * np.array([0.5, -1.0]))
        paths.append(np.array(path))
    return paths


def test_the_linear_fit_is_exact_for_a_linear_system_with_context():
    rng = np.random.default_rng(0)
    starts, heat = rng.normal(size=(8, 2)), rng.normal(size=8)
    naive = NaivePredictions([np.arange(6.0)] * 8, linear_paths(starts, heat), [np.full((6, 1), u) for u in heat])
    z, u = np.array([3.0, -2.0]), 4.0  # far outside
    (truth,) = linear_paths([z], [u])
    predicted = naive.predict(np.arange(6.0), z, np.array([u]))
    assert np.allclose(predicted["linear fit"], truth, atol=1e-10)
    blind = NaivePredictions([np.arange(6.0)] * 8, linear_paths(starts, heat), [np.zeros((6, 0))] * 8)
    assert not np.allclose(blind.predict(np.arange(6.0), z, np.zeros(0))["linear fit"], truth, atol=0.1)


def test_persistence_and_the_mean_path_by_hand():
    paths = [np.array([[0.0], [1.0], [4.0]]), np.array([[2.0], [3.0], [2.0]])]
    naive = NaivePredictions([np.arange(3.0)] * 2, paths, [np.zeros((3, 0))] * 2)
    predicted = naive.predict(np.arange(3.0), np.array([7.0]), np.zeros(0))
    assert list(predicted) == list(NAIVE)
    assert predicted["persistence"].ravel().tolist() == [7.0, 7.0, 7.0]
    assert predicted["mean path"].ravel().tolist() == [1.0, 2.0, 3.0]
    assert predicted["linear fit"][0, 0] == 7.0  # it starts where the truth starts


def test_times_are_counted_from_the_first_frame_and_interpolated():
    paths = [np.array([[0.0], [2.0], [4.0]])] * 2
    naive = NaivePredictions([np.arange(3.0), 10 + np.arange(3.0)], paths, [np.zeros((3, 0))] * 2)
    mean = naive.predict(np.array([5.0, 5.5, 6.25]), np.array([0.0]), np.zeros(0))["mean path"]
    assert mean.ravel().tolist() == pytest.approx([0.0, 1.0, 2.5])


def test_behind_the_end_of_a_trajectory_only_longer_ones_count_and_then_the_last_value_stays():
    paths = [np.array([[0.0], [10.0]]), np.array([[0.0], [20.0], [40.0]])]
    naive = NaivePredictions([np.arange(2.0), np.arange(3.0)], paths, [np.zeros((2, 0)), np.zeros((3, 0))])
    predicted = naive.predict(np.arange(5.0), np.array([0.0]), np.zeros(0))
    assert predicted["mean path"].ravel().tolist() == [0.0, 15.0, 40.0, 40.0, 40.0]
    assert np.isfinite(predicted["linear fit"]).all()


def test_they_are_fitted_to_the_usable_trajectories_of_a_data_set(tmp_path):
    rng = np.random.default_rng(0)
    z = [np.cumsum(rng.normal(size=(4, 1)), axis=0) for _ in range(3)]
    data = TrajectoryDataset.from_arrays(
        tmp_path / "d.zarr", rng.normal(size=(3, 4, 5, 2)), z, times=range(4), context={"heat": [1.0, 2.0, 3.0]}
    )
    mean = NaivePredictions.of(data).predict(np.arange(4.0), np.zeros(1), np.ones(1))["mean path"]
    assert np.allclose(mean, np.mean(z, axis=0))
