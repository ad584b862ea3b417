from __future__ import annotations

import numpy as np
import pytest

from setclosure.errors import MicrostateError
from setclosure.paper.images.pixel_sets import images_of
from setclosure.paper.images.render import render
from setclosure.paper.images.trajectories import bead_layout, bead_trajectory, image_layout, image_trajectory
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import TrajectoryDataset


def stretching(T=4, N=20):
    """A zigzag chain that is pulled out, ``(T, N, 3)``."""
    i = np.arange(N) - (N - 1) / 2
    return np.stack([np.stack([i * pull, 3 * np.cos(np.pi * i), 0 * i], axis=1) for pull in np.linspace(0.2, 1, T)])


def test_images_come_back_exactly_from_memory_and_from_disk(tmp_path):
    beads = stretching()
    layout = image_layout("chain", 4, most_pixels=800)
    data = TrajectoryDataset.create(tmp_path / "train.zarr", layout, 2)
    data.commit(0, image_trajectory(beads, range(4)))
    data.commit(1, image_trajectory(beads[::-1], range(4)))
    frames = render(beads)
    for limit in (0, 10**9):
        batch = MicrostateSource(data, limit).batch(np.array([0, 1, 0, 1]), np.array([0, 2, 2, 0]))
        restored = images_of(batch.points.numpy(), batch.counts.numpy(), 100, 500)
        assert np.array_equal(restored, frames[[0, 1, 2, 3]])
    columns = [np.flatnonzero(frame.any(axis=0)) for frame in frames]
    assert data.observables()[0][:, 0].tolist() == [c[-1] - c[0] for c in columns]
    assert data.observable == "extension"


def test_beads_have_the_extension_of_their_positions(tmp_path):
    beads = stretching()
    data = TrajectoryDataset.create(tmp_path / "beads.zarr", bead_layout("chain", 4, 20, "reduced"), 1)
    data.commit(0, bead_trajectory(beads, range(4)))
    assert np.allclose(data.observables()[0][:, 0], np.ptp(beads[..., 0], axis=1), rtol=1e-6)
    assert np.allclose(data.trajectory(0).points, beads, atol=1e-5)


def test_more_pixels_than_there_is_room_for_are_named():
    with pytest.raises(MicrostateError, match=r"frame 1 has \d+ pixels, and there is room for 50.*larger most_pixels"):
        image_trajectory(stretching(2), range(2), most_pixels=50)


def test_other_shapes_are_named():
    with pytest.raises(MicrostateError, match=r"shape \(T, N, 3\); got \(4, 60\)"):
        bead_trajectory(stretching().reshape(4, 60), range(4))


@pytest.mark.parametrize("x", [-251.0, 250.0])
def test_a_bead_beside_the_image_is_named(x):
    beads = stretching()
    beads[2, 7, 0] = x
    with pytest.raises(MicrostateError, match=rf"frame 2: bead 7 has x = {x:g}, .* the extension would be cut"):
        image_trajectory(beads, range(4))
