"""Draws of frames and of pairs of frames, from trajectories of unequal lengths with gaps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tests.model.fits import own_data

from setclosure.fit.macrostates import Macrostates
from setclosure.fit.sampling import EpochOfSteps, FrameSampler, WindowBatches
from setclosure.fit.stage_one import FrameBatches
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.transitions import step_ratios, transitions

TIMES = [
    np.array([0.0, 1, 2, 10, 11, 13]),  # a gap between frames 2 and 3; the last step is a longer one
    np.array([5.0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    np.array([0.0, 9.0]),  # two frames and a gap: no pair at all
    np.array([0.0, 1.0, 1.5, 2.5]),
]
LENGTHS = np.array([len(times) for times in TIMES])
PAIRS = [(0, 0), (0, 1), (0, 3), (0, 4), *((1, t) for t in range(10)), (3, 0), (3, 1), (3, 2)]
RATIOS = {(0, 4): 2.0, (3, 1): 0.5}
N_DRAWS = 40_000


def known():
    return transitions(TIMES, step=1.0, longest=2.5)


def ratios():
    return [step_ratios(times, 1.0) for times in TIMES]


def values(seed=0):
    return [np.random.default_rng(seed + m).normal(size=(T, 2)).cumsum(axis=0) for m, T in enumerate(LENGTHS)]


def counted(trajectories, frames, cells):
    """Count draws in each of the cells, which must be all that were drawn."""
    drawn = list(zip(trajectories.tolist(), frames.tolist(), strict=True))
    assert set(drawn) <= set(cells)
    return np.array([drawn.count(cell) for cell in cells])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_pairs_are_never_drawn_across_a_gap_or_the_end_of_a_trajectory(share):
    sampler = FrameSampler(values(), share, known())
    counts = counted(*sampler(N_DRAWS, np.random.default_rng(0)), PAIRS)
    assert (counts > 0).all()


def test_without_a_transient_share_every_pair_is_as_likely_as_every_other():
    sampler = FrameSampler(values(), 0.0, known())
    counts = counted(*sampler(N_DRAWS, np.random.default_rng(0)), PAIRS)
    assert chisquare(counts).pvalue > 1e-3


def test_without_pairs_every_frame_is_as_likely_as_every_other():
    frames = [(m, t) for m, T in enumerate(LENGTHS) for t in range(T)]
    sampler = FrameSampler(values(), 0.0)
    counts = counted(*sampler(N_DRAWS, np.random.default_rng(0)), frames)
    assert chisquare(counts).pvalue > 1e-3


def test_the_transient_share_is_drawn_where_the_observable_changes():
    """Three trajectories that change between frames 1 and 2 alone, and a share of draws that knows it."""
    step = [(np.arange(T) >= 2).astype(float)[:, None] for T in (6, 9, 4)]
    pairs = transitions([np.arange(len(z)) for z in step], 1.0, 1.5)
    assert len(pairs) == 16
    for share in (0.0, 0.5, 1.0):
        trajectories, frames = FrameSampler(step, share, pairs)(N_DRAWS, np.random.default_rng(0))
        expected = share + (1 - share) * 3 / 16
        assert abs((frames == 1).mean() - expected) < 4 * 0.5 / N_DRAWS**0.5
        at_step = np.bincount(trajectories[frames == 1], minlength=3)
        assert chisquare(at_step).pvalue > 1e-3  # whichever trajectory


def test_an_observable_that_never_changes_is_drawn_evenly():
    still = [np.ones((T, 1)) for T in LENGTHS]
    counts = counted(*FrameSampler(still, 1.0, known())(N_DRAWS, np.random.default_rng(0)), PAIRS)
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("views", [1, 3])
def test_windows_hold_two_frames_of_one_trajectory_with_their_context_and_time(views):
    """Each number of a macrostate says where it comes from."""
    rows = np.concatenate([np.stack([np.full(T, m), np.arange(T)], axis=1) for m, T in enumerate(LENGTHS)])
    z = np.concatenate([np.column_stack([rows, np.full(len(rows), v)]) for v in range(views)])
    context = np.tile(10 * rows[:, :1] + rows[:, 1:], (views, 1))
    macrostates = Macrostates(
        torch.from_numpy(z).float(), torch.from_numpy(context).float(), LENGTHS, known(), ratios()
    )
    ((batch, u, dt),) = WindowBatches(macrostates, 0.3, 4000, 2)(np.random.default_rng(0))
    assert (batch.shape, u.shape, dt.shape) == ((4000, 2, 3), (4000, 2, 1), (4000, 1))
    assert torch.equal(batch[:, 0, [0, 2]], batch[:, 1, [0, 2]])  # one trajectory, one view
    assert torch.equal(batch[:, 0, 1] + 1, batch[:, 1, 1])
    assert torch.equal(u[..., 0], 10 * batch[..., 0] + batch[..., 1])
    cells = list(zip(batch[:, 0, 0].int().tolist(), batch[:, 0, 1].int().tolist(), strict=True))
    assert set(cells) == set(PAIRS)
    assert dt[:, 0].tolist() == [RATIOS.get(cell, 1.0) for cell in cells]
    assert set(batch[:, 0, 2].tolist()) == set(range(views))


def test_macrostates_know_trajectories_first_frames_and_pairs_in_every_view():
    F = int(LENGTHS.sum())
    macrostates = Macrostates(torch.zeros(2 * F, 3), torch.zeros(2 * F, 0), LENGTHS, known(), ratios())
    assert (macrostates.n_frames, macrostates.n_views) == (F, 2)
    assert macrostates.first_rows.tolist() == [0, 6, 17, 19]
    assert torch.nonzero(macrostates.is_first).flatten().tolist() == [0, 6, 17, 19, 23, 29, 40, 42]
    assert torch.equal(macrostates.trajectory[:F], macrostates.trajectory[F:])
    rows, ratio = macrostates.pairs
    expected = [macrostates.first_rows[m] + t for m, t in PAIRS]
    assert rows.tolist() == [*expected, *(F + row for row in expected)]
    assert ratio.tolist() == [RATIOS.get(cell, 1.0) for cell in PAIRS] * 2
    assert [len(z) for z in macrostates.observables(2)] == [*LENGTHS, *LENGTHS]


def test_the_joint_objective_gets_the_next_frame_with_observables_context_and_time(tmp_path):
    data = own_data(
        tmp_path / "data.zarr",
        M=3,
        T=6,
        N=4,
        observables="extension",
        times=[np.array([0.0, 1, 2, 10, 11, 13])] * 3,
        context={"field": np.arange(18.0).reshape(3, 6)},
        max_step=2.5,
    )
    trajectories = np.array([2, 0])
    pairs = data.transitions(trajectories)
    observables = data.observables(trajectories)
    context = [data.context(int(i)) for i in trajectories]
    batches = FrameBatches(MicrostateSource(data, 2**30), trajectories, observables, context, 64, 0.5, pairs)
    frames = batches(np.random.default_rng(0))
    fields = frames.after.context[..., 0].numpy().astype(int)  # they say the trajectory and the frame
    m, t = np.divmod(fields[:, 0], 6)
    assert set(m.tolist()) == {0, 2}
    assert set(t.tolist()) == {0, 1, 3, 4}
    assert np.array_equal(fields[:, 1], fields[:, 0] + 1)
    assert torch.equal(frames.now.points, data.microstates(m, t).points)
    assert torch.equal(frames.after.microstates.points, data.microstates(m, t + 1).points)
    assert frames.after.dt[:, 0].tolist() == [2.0 if frame == 4 else 1.0 for frame in t]
    z = np.stack([[data.observables([i])[0][k, 0] for k in (f, f + 1)] for i, f in zip(m, t, strict=True)])
    np.testing.assert_allclose(frames.after.observables[..., 0], z, rtol=1e-6)
    alone = FrameBatches(MicrostateSource(data, 2**30), trajectories, observables, context, 8, 0.0)
    assert alone(np.random.default_rng(0)).after is None


@pytest.mark.parametrize(("done", "steps"), [(0, [0, 1, 2, 3]), (4, [4, 5, 6, 7]), (8, [8, 9]), (10, [])])
def test_an_epoch_begins_after_the_steps_that_are_done_and_the_last_one_may_be_shorter(done, steps):
    assert list(EpochOfSteps(10, 4, lambda: done)) == steps
