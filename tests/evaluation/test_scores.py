"""Scores put together from metrics: what is left out where it is not defined, and trajectories of several lengths."""

from __future__ import annotations

import numpy as np
import pytest

from setclosure.errors import DatasetError
from setclosure.evaluation.metrics import mean_relative_error, mmd
from setclosure.evaluation.scores import (
    common_frames,
    distribution_metrics,
    path_metrics,
    relative_errors,
    squared_error,
)

RANGE = (np.array([0.0]), np.array([4.0]))


def test_paths_of_different_lengths_are_scored_one_by_one_without_their_first_frame():
    truth = [np.array([[9.0], [1.0], [1.0]]), np.array([[9.0], [4.0]]), np.array([[9.0], [1.0]])]
    predicted = [np.array([[0.0], [1.0], [0.0]]), np.array([[0.0], [3.0]]), np.array([[0.0], [1.0]])]
    scores = path_metrics(truth, predicted, RANGE)
    assert scores["mre"] == pytest.approx((1 / 2 + 1 / 16 + 0) / 3)
    assert scores["mre_median"] == pytest.approx(1 / 16)
    assert scores["mre_scaled"] == pytest.approx((1 / 2 + 1 / 4 + 0) / 3)  # of −½, −½; of 1; of −½


def test_a_relative_error_of_a_zero_truth_is_left_out_and_not_a_number():
    zero, off = [np.zeros((3, 1)), np.ones((3, 1))], [np.full((3, 1), 0.5)] * 2
    assert np.isnan(relative_errors(zero, off)).tolist() == [True, False]
    scores = path_metrics(zero, off, RANGE)
    assert set(scores) == {"mre_scaled"}
    assert np.isfinite(scores["mre_scaled"])
    assert squared_error(zero, off, np.ones(1)) == pytest.approx(0.25)


def test_an_observable_that_never_changed_in_training_has_no_scaled_error():
    truth, predicted = [np.ones((3, 1))], [np.full((3, 1), 2.0)]
    assert path_metrics(truth, predicted, (np.ones(1), np.ones(1))) == {"mre": 1.0, "mre_median": 1.0}


def test_the_squared_error_weighs_trajectories_alike_and_observables_by_their_scale():
    truth = [np.zeros((2, 2)), np.zeros((5, 2))]
    predicted = [np.tile([2.0, 0.0], (2, 1)), np.tile([0.0, 30.0], (5, 1))]
    assert squared_error(truth, predicted, np.array([1.0, 10.0])) == pytest.approx((4 / 2 + 9 / 2) / 2)


def test_distributions_are_compared_over_the_common_frames():
    rng = np.random.default_rng(0)
    times = [np.arange(4.0), 100 + np.arange(6.0)]
    values = [rng.normal(size=(4, 1)), rng.normal(size=(6, 1))]
    stacked = common_frames(times, values)
    assert np.array_equal(stacked, np.stack([values[0], values[1][:4]]))
    with pytest.raises(DatasetError, match="trajectory 1 has other times than trajectory 0"):
        common_frames([np.arange(4.0), np.array([0.0, 1.0, 2.5, 3.0])], values)


def test_distribution_metrics_are_of_all_frames_but_the_first():
    rng = np.random.default_rng(1)
    truth, predicted = rng.normal(size=(6, 4, 1)), rng.normal(size=(6, 4, 1))
    found = distribution_metrics(truth, predicted)
    assert found["mmd"] == mmd(truth[:, 1:], predicted[:, 1:])
    shifted = predicted.copy()
    shifted[:, 0] += 5
    assert distribution_metrics(truth, shifted) == found
    still = np.ones((6, 4, 1))
    assert "sd_error" not in distribution_metrics(still, predicted)  # the truth never varies


def test_relative_errors_are_those_of_the_paper():
    rng = np.random.default_rng(2)
    truth, predicted = rng.normal(size=(3, 5, 2)), rng.normal(size=(3, 5, 2))
    assert relative_errors(list(truth), list(predicted)) == pytest.approx(mean_relative_error(truth, predicted)[1])
