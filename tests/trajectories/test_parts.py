"""Parts of a data set in time, and data sets that are not finished."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.trajectories.small import numbered, same, small

from setclosure.errors import DatasetError, SetclosureWarning
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import TrajectoryDataset


@pytest.fixture
def long(tmp_path):
    """Points of two trajectories of 11 and 7 frames, and their data set."""
    points = [np.random.default_rng(m).normal(size=(T, 4, 2)) for m, T in enumerate((11, 7))]
    times = [np.arange(11) * 0.5, np.arange(7) * 0.5 + 3]
    context = {"T": [np.arange(11.0), np.arange(7.0)]}
    return points, TrajectoryDataset.from_arrays(tmp_path / "a.zarr", points, "extension", times=times, context=context)


def test_between_gives_the_frames_as_a_data_set_of_its_own(long):
    points, data = long
    part = data.between(5, 9)
    assert part.lengths.tolist() == [4, 2]
    for m, T in enumerate((4, 2)):
        stretch = slice(5, 5 + T)
        assert np.array_equal(part.trajectory(m).points, points[m][stretch].astype(np.float32))
        assert np.array_equal(part.times(m), data.times(m)[stretch])
        assert np.array_equal(part.context(m), data.context(m)[stretch])
        assert np.array_equal(part.observables()[m], data.observables()[m][stretch])
    assert same(part.microstates([0, 1, 0], [3, 1, 0]), data.microstates([0, 1, 0], [8, 6, 5]))
    assert same(part.first([1]), data.microstates([1], [5]))
    pairs = part.transitions([0, 1])
    assert (pairs.trajectory.tolist(), pairs.frame.tolist()) == ([0, 0, 0, 1], [0, 1, 2, 0])
    held = MicrostateSource(part, 1 << 30)
    assert held.in_memory
    assert same(held.batch([1, 0], [0, 2]), part.microstates([1, 0], [0, 2]))
    with pytest.raises(DatasetError, match="frames of trajectory 1 0 to 1; got 2"):
        part.microstates([1], [2])


def test_trajectories_that_end_before_are_left_out_of_a_part(long):
    points, data = long
    part = data.between(6, 11)  # the second has one frame there, which makes no pair
    assert part.n_trajectories == 1
    assert np.array_equal(part.trajectory(0).points, points[0][6:].astype(np.float32))
    assert part.between(2, 4).times(0).tolist() == data.times(0)[8:10].tolist()


def test_blocks_share_no_frame_and_leave_out_a_shorter_rest(long):
    points, data = long
    blocks = data.blocks(3)
    assert blocks.lengths.tolist() == [3] * 5
    expected = [points[m][a : a + 3] for m, starts in ((0, (0, 3, 6)), (1, (0, 3))) for a in starts]
    for m, x in enumerate(expected):
        assert np.array_equal(blocks.trajectory(m).points, x.astype(np.float32))
    assert len(blocks.transitions(blocks.usable)) == 10  # none from one block to the next
    assert blocks.usable.tolist() == [0, 1, 2, 3, 4]


def test_fingerprints_of_parts_differ_from_each_other_and_the_whole(long):
    _, data = long
    parts = [data, data.between(0, 5), data.between(5, 10), data.blocks(5), data.blocks(2), data.blocks(4)]
    assert len({part.fingerprint for part in parts}) == len(parts)
    assert data.between(0, 5).fingerprint == TrajectoryDataset.open(data.path).between(0, 5).fingerprint
    assert data.blocks(6).between(1, 4).fingerprint == data.between(1, 4).fingerprint  # the same stretches


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda e: e.between(10, 20), "no two frames between frames 10 and 20: its trajectories have 7 to 11 frames"),
        (lambda e: e.between(3, 3), "frames 3 to 3 are no stretch"),
        (lambda e: e.between(-1, 3), "frames -1 to 3 are no stretch"),
        (lambda e: e.blocks(1), "a block of 1 frames has no step"),
        (lambda e: e.blocks(12), "no block of 12 frames: its trajectories have 7 to 11 frames"),
        (lambda e: e.between(0, 4).commit(0, None), "a part in time of .* cannot be written to; open the whole"),
    ],
)
def test_parts_that_cannot_be_are_named(long, use, message):
    with pytest.raises(DatasetError, match=message):
        use(long[1])


def test_a_damaged_trajectory_is_left_out_of_every_part_and_named(tmp_path):
    data, trajectories = numbered(tmp_path / "a.zarr", 4, lengths=(6,))
    for m in (0, 1, 3):
        data.commit(m, trajectories[m])
    (data.path / "pending" / "000001.safetensors").write_bytes(b"nothing that can be read")
    blocks = TrajectoryDataset.open(data.path).blocks(3)
    with pytest.warns(SetclosureWarning, match=r"2 of 6 trajectories are damaged.*: 2, 3\."):
        assert blocks.usable.tolist() == [0, 1, 4, 5]
    assert blocks.verify() == [2, 3]
    assert [z[0, 0] for z in blocks.observables()] == [0, 0, 3, 3]


def test_what_was_never_committed_is_not_used(tmp_path):
    data, trajectories = numbered(tmp_path / "b.zarr", 4)
    data.commit(2, trajectories[2])
    opened = TrajectoryDataset.open(data.path)
    assert opened.committed.tolist() == [False, False, True, False]
    assert opened.usable.tolist() == [2]
    assert [z.shape for z in opened.observables()] == [(4, 1)]
    assert opened.lengths.tolist() == [0, 0, 4, 0]
    assert "4 trajectories of 4 frames, 3 of them not committed" in repr(opened)
    for use in (opened.trajectory, opened.times, opened.context, opened.arrays):
        with pytest.raises(DatasetError, match="has no trajectory 0: 1 of 4"):
            use(0)


def test_nothing_is_learned_from_an_unfinished_data_set_in_silence(tmp_path):
    data, trajectories = numbered(tmp_path / "a.zarr", 5)
    for m in (0, 3, 4):
        data.commit(m, trajectories[m])
    opened = TrajectoryDataset.open(data.path)
    for part in (opened, opened.between(0, 3), opened.blocks(2)):
        with pytest.raises(DatasetError, match=r"lacks 2 of its 5 trajectories.*allow_unfinished=True"):
            part.require_finished()
    allowed = TrajectoryDataset.open(data.path, allow_unfinished=True)
    for part in (allowed, allowed.between(0, 3), allowed.blocks(2)):
        assert part.require_finished() is part
    for m in (1, 2):
        data.commit(m, trajectories[m])
    finished = TrajectoryDataset.open(data.path)
    assert finished.require_finished() is finished


def test_a_data_set_without_a_trajectory_says_so(tmp_path):
    data, _ = numbered(tmp_path / "a.zarr", 2)
    with pytest.raises(DatasetError, match="has no trajectory yet"):
        _ = data.time_step
    assert data.usable.tolist() == []
    assert data.observables() == []
    assert "2 trajectories, 2 of them not committed" in repr(data)


def test_what_is_known_of_a_data_set_follows_its_commits(tmp_path):
    data, trajectories = numbered(tmp_path / "a.zarr", 2, lengths=(4, 6))
    data.commit(0, trajectories[0])
    assert (data.usable.tolist(), data.time_step) == ([0], 1.0)
    faster = trajectories[1].times * 0.25
    data.commit(1, type(trajectories[1])(trajectories[1].points, trajectories[1].observables, faster))
    assert (data.usable.tolist(), data.time_step) == ([0, 1], 0.25)
    assert data.max_frames == 6


def test_one_frame_of_many_trajectories(tmp_path):
    _, data = small(tmp_path / "a.zarr")
    first = data.microstates([0, 1], 0).points
    assert torch.equal(first, torch.stack([data.trajectory(i).points[0] for i in (0, 1)]))
    assert torch.equal(data.first([0, 1]).points, first)
