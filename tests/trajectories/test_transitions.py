"""Pairs of successive frames: what is a gap, and how long a step is in units of the usual one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.transitions import longest_step, regular_step, time_step, transitions


def of(times, **options):
    """Transitions of points that do not matter at ``times``, from a data set on disk."""

    def make(folder):
        points = [np.random.default_rng(0).normal(size=(len(t), 3, 2)) for t in times]
        data = TrajectoryDataset.from_arrays(folder / "a.zarr", points, "extension", times=times, **options)
        return data, TrajectoryDataset.open(data.path).transitions(np.arange(len(times)))

    return make


def test_a_missing_frame_makes_no_pair_and_breaks_no_trajectory(tmp_path):
    times = np.delete(np.arange(12.0), 5)
    data, pairs = of([times, np.arange(12.0)])(tmp_path)
    assert data.time_step == 1.0
    assert data.longest_step == 1.5
    assert pairs.n_gaps == 1
    assert pairs.frame[pairs.trajectory == 0].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]  # not 4, where 5 is missing
    assert pairs.frame[pairs.trajectory == 1].tolist() == list(range(11))
    assert (pairs.ratio == 1.0).all()
    assert data.lengths.tolist() == [11, 12]


def test_two_intervals_within_one_trajectory_have_their_ratios_and_are_no_gaps(tmp_path):
    times = np.concatenate([np.arange(0, 1, 0.1), np.arange(1, 5, 0.2)])
    data, pairs = of([times])(tmp_path)
    assert pairs.n_gaps == 0
    assert len(pairs) == len(times) - 1
    assert np.allclose(pairs.ratio * data.time_step, np.diff(times), rtol=1e-12)
    assert sorted(set(np.round(pairs.ratio, 9))) == [0.5, 1.0]


def test_two_intervals_between_trajectories_have_their_ratios_and_are_no_gaps(tmp_path):
    data, pairs = of([np.arange(10) * 0.5, np.arange(8) * 0.5, np.arange(6) * 1.25])(tmp_path)
    assert data.time_step == 0.5
    assert pairs.n_gaps == 0
    assert pairs.ratio[pairs.trajectory < 2].tolist() == [1.0] * 16
    assert pairs.ratio[pairs.trajectory == 2].tolist() == [2.5] * 5


def test_max_step_says_what_a_gap_is(tmp_path):
    times = [0.0, 1.0, 2.0, 4.0, 5.0, 8.0]
    for number, (longest, n) in enumerate([(None, 5), (1.0, 3), (2.0, 4), (3.0, 5)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        data, pairs = of([times], max_step=longest)(folder)
        assert (len(pairs), pairs.n_gaps) == (n, 5 - n)
        assert data.longest_step == (longest or 3.0)  # 1.5 times what nine tenths of the steps keep
    assert pairs.ratio.tolist() == [1.0, 1.0, 2.0, 1.0, 3.0]


@pytest.mark.parametrize("start", [0.0, 1e4])
def test_a_time_axis_in_single_precision_has_equal_steps(tmp_path, start):
    times = np.float32(start) + np.arange(50, dtype=np.float32) * np.float32(0.1)
    assert len(set(np.diff(times.astype(float)))) > 1
    data, pairs = of([times])(tmp_path)
    assert (pairs.ratio == 1.0).all()
    assert pairs.n_gaps == 0
    assert data.time_step == pytest.approx(0.1, rel=1e-3)
    assert np.array_equal(data.times(0), times)


def test_large_times_in_double_precision_keep_their_small_steps(tmp_path):
    """Single precision has steps of 128 at such times, and would call all of these equal."""
    steps = np.tile([0.02, 0.01], 20)
    times = 1.7e9 + 0.1 + np.cumsum(steps)
    _, pairs = of([times])(tmp_path)
    assert set(np.round(pairs.ratio, 3)) == {1.0, 2.0}
    seconds = 1_700_000_000 + np.array([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 130, 140])
    _, pairs = of([seconds])(tmp_path / "whole")
    assert pairs.n_gaps == 1


@given(
    step=st.floats(1e-6, 1e6),
    starts=st.lists(st.floats(-10, 10), min_size=1, max_size=4),
    n=st.integers(2, 40),
    factors=st.lists(st.integers(1, 3), min_size=1, max_size=5),
)
def test_ratios_times_the_step_are_the_steps(step, starts, n, factors):
    times = [step * (start + np.cumsum(np.resize([1, *factors], n))) for start in starts]
    usual = time_step(times)
    pairs = transitions(times, usual, np.inf)
    assert len(pairs) == len(starts) * (n - 1)
    dt = np.concatenate([np.diff(t) for t in times])
    assert np.allclose(pairs.ratio * usual, dt, rtol=3e-6)
    assert pairs.n_gaps == 0
    assert longest_step(times) >= usual


def test_equal_steps_are_their_mean_and_others_their_median():
    assert regular_step(np.arange(11) * 0.1) == pytest.approx(0.1, rel=1e-15)
    assert regular_step([0.0, 1.0, 2.0, 7.0]) == 1.0


def test_no_trajectory_has_no_transition():
    assert len(transitions([], 1.0, 1.5)) == 0
