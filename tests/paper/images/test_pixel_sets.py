from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import MicrostateError
from setclosure.observables.registered import get_observable
from setclosure.paper.images.pixel_sets import PIXEL_BOX, images_of, pixel_sets
from setclosure.paper.images.render import render
from setclosure.trajectories.assemble import assembled
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory


def random_frames(T, H, W, seed):
    stream = np.random.default_rng(seed)
    frames = (stream.integers(0, 256, (T, H, W)) * (stream.random((T, H, W)) < 0.2)).astype(np.uint8)
    frames[:, stream.integers(H), stream.integers(W)] = 255  # none is white all over
    return frames


@given(T=st.integers(1, 4), H=st.integers(1, 9), W=st.integers(1, 9), seed=st.integers(0, 10_000))
def test_sets_hold_exactly_the_image_in_any_order(T, H, W, seed):
    frames = random_frames(T, H, W, seed)
    points, counts = pixel_sets(frames)
    assert counts.tolist() == [np.count_nonzero(frame) for frame in frames]
    assert points.shape == (T, counts.max(), 3)
    for t in range(T):
        expected = {(c + 0.5, r + 0.5, float(frames[t, r, c])) for r in range(H) for c in range(W) if frames[t, r, c]}
        assert set(map(tuple, points[t, : counts[t]].tolist())) == expected
    assert np.array_equal(images_of(points, counts, H, W), frames)
    for t in range(T):
        points[t, : counts[t]] = points[t, np.random.default_rng(seed).permutation(counts[t])]
        points[t, counts[t] :] = np.nan
    assert np.array_equal(images_of(points, counts, H, W), frames)


def test_the_box_keeps_every_pixel_of_every_level_exactly(tmp_path):
    """Places and levels one by one through 16 bits, and whole sets through a store."""
    layout = Layout("pixels", 3, 2, 256 * 3, "extension", ("extension",), ragged=True, bounds=PIXEL_BOX)
    all_values = np.zeros((500, 3), np.float32)
    all_values[:, 0] = np.arange(500) + 0.5
    all_values[:100, 1] = np.arange(100) + 0.5
    all_values[:256, 2] = np.arange(256)
    assert np.array_equal(layout.restored(layout.stored(all_values)), all_values)
    frames = np.zeros((2, 100, 500), np.uint8)
    frames[0, :3, 100:356] = np.arange(256)
    frames[1, 99, 499] = frames[1, 0, 0] = 1
    points, counts = pixel_sets(frames)
    data = TrajectoryDataset.create(tmp_path / "pixels.zarr", layout, 1)
    data.commit(0, Trajectory(points, np.zeros((2, 1)), range(2), counts))
    stored = TrajectoryDataset.open(tmp_path / "pixels.zarr")
    assert stored.arrays(0)["points"].dtype == np.uint16
    back = stored.trajectory(0)
    assert np.array_equal(images_of(back.points.numpy(), back.counts.numpy(), 100, 500), frames)


def test_the_extension_of_a_set_is_last_minus_first_column(beads):
    frames = render(beads)
    points, counts = pixel_sets(frames)
    extension = get_observable("extension")(assembled(points, counts))
    columns = [np.flatnonzero(frame.any(axis=0)) for frame in frames]
    assert extension[:, 0].tolist() == [c[-1] - c[0] for c in columns]
    of_beads = np.ptp(beads[..., 0], axis=1)
    assert np.all(np.abs(extension[:, 0] - of_beads - 6) <= 7)  # and the rims of the two last blobs


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 3), np.uint8), r"dtype uint8; got \(2, 3\)"),
        (np.ones((2, 3, 4)), "got .* and float64"),
        (np.array([[[1]], [[0]]], np.uint8), "frame 1 is white all over"),
    ],
)
def test_what_is_no_image_is_named(frames, message):
    with pytest.raises(MicrostateError, match=message):
        pixel_sets(frames)


@pytest.mark.parametrize(
    ("pixel", "message"),
    [
        ([1.0, 0.5, 3.0], r"frame 0, particle 1 is \[1.0, 0.5, 3.0\]; a pixel of an image of 2 × 4"),
        ([1.5, 2.5, 3.0], "particle 1"),
        ([4.5, 0.5, 3.0], "particle 1"),
        ([-0.5, 0.5, 3.0], "particle 1"),
        ([1.5, 0.5, 0.0], "grey level 1 … 255"),
        ([1.5, 0.5, 256.0], "particle 1"),
        ([1.5, 0.5, 0.25], "particle 1"),
        ([1.5, np.nan, 3.0], "particle 1"),
        ([0.5, 0.5, 3.0], "two particles of a frame are at one place"),
    ],
)
def test_what_is_no_pixel_is_named(pixel, message):
    with pytest.raises(MicrostateError, match=message):
        images_of([[[0.5, 0.5, 9.0], pixel]], [2], 2, 4)


def test_other_shapes_are_named():
    with pytest.raises(MicrostateError, match=r"got \(1, 2, 2\) and \(1,\)"):
        images_of(np.zeros((1, 2, 2)), [2], 2, 4)
