"""Windows of several steps, from trajectories of unequal lengths with gaps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tests.fit.known import macrostates

from setclosure.errors import TrainingError
from setclosure.fit.sampling import FEWEST_WINDOWS, WindowBatches

TIMES = [
    np.array([0.0, 1, 2, 10, 11, 13]),  # a gap between frames 2 and 3; the last step is a longer one
    np.array([5.0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    np.array([0.0, 9.0]),  # two frames and a gap: no pair at all
    np.array([0.0, 1.0, 1.5, 2.5]),
    np.array([3.0]),
]
STARTS = {
    1: [(0, 0), (0, 1), (0, 3), (0, 4), *((1, t) for t in range(10)), (3, 0), (3, 1), (3, 2)],
    2: [(0, 0), (0, 3), *((1, t) for t in range(9)), (3, 0), (3, 1)],
    3: [*((1, t) for t in range(8)), (3, 0)],
    10: [(1, 0)],
}


def known(views=1):
    """Give macrostates whose two numbers, and whose context, say the trajectory and the frame."""
    z = [np.stack([np.full(len(t), m), np.arange(len(t))], axis=1).astype(float) for m, t in enumerate(TIMES)]
    return macrostates(z, TIMES, [10 * rows[:, :1] + rows[:, 1:] for rows in z], views)


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("H", list(STARTS))
def test_a_window_is_successive_frames_of_one_trajectory_with_their_context_and_times(H, views):
    ((z, u, dt),) = WindowBatches(known(views), 0.0, 3000 * H, 2, (H,))(np.random.default_rng(0))
    assert (z.shape, u.shape, dt.shape) == ((3000, H + 1, 2), (3000, H + 1, 1), (3000, H))
    assert torch.equal(z[:, :, 0], z[:, :1, 0].expand(-1, H + 1))
    assert torch.equal(z[:, :, 1], z[:, :1, 1] + torch.arange(H + 1.0))
    assert torch.equal(u[..., 0], 10 * z[..., 0] + z[..., 1])
    m, t = z[:, :, 0].int().numpy(), z[:, :, 1].int().numpy()
    at = np.array([[TIMES[m[b, k]][t[b, k]] for k in range(H + 1)] for b in range(3000)])
    np.testing.assert_allclose(dt.numpy(), np.diff(at, axis=1), rtol=1e-6)
    drawn = list(zip(m[:, 0].tolist(), t[:, 0].tolist(), strict=True))
    assert set(drawn) == set(STARTS[H])
    if len(STARTS[H]) > 1:
        assert chisquare([drawn.count(start) for start in STARTS[H]]).pvalue > 1e-3


def test_horizons_share_the_pairs_of_a_batch_and_shorter_trajectories_serve_the_shorter_ones():
    batches = WindowBatches(known(), 0.0, 1200, 2, (1, 3, 10))
    windows = batches(np.random.default_rng(0))
    assert [tuple(z.shape[:2]) for z, _, _ in windows] == [(400, 2), (133, 4), (40, 11)]
    assert [sorted(set(z[:, 0, 0].int().tolist())) for z, _, _ in windows] == [[0, 1, 3], [1, 3], [1]]


def test_a_batch_has_some_windows_of_each_horizon():
    assert WindowBatches(known(), 0.0, 100, 2, (10,)).n_windows == [FEWEST_WINDOWS]
    assert WindowBatches(known(), 0.0, 8, 2, (1,)).n_windows == [8]
    assert WindowBatches(known(), 0.0, 8, 2, (1, 10)).n_windows == [8, 8]


def test_a_horizon_beyond_the_longest_stretch_is_cut_to_it():
    assert known().stretches.tolist() == [2, 10, 0, 3, 0]
    assert WindowBatches(known(), 0.0, 100, 2, (64,)).horizons == (10,)
    assert WindowBatches(known(), 0.0, 100, 2, (1, 12, 64)).horizons == (1, 10)


def test_without_two_frames_that_follow_each_other_there_is_nothing_to_draw():
    with pytest.raises(TrainingError, match="no two frames of the training or validation data follow each other"):
        WindowBatches(macrostates([np.zeros((2, 1))], [np.array([0.0, 9.0])]), 0.0, 8, 1)
