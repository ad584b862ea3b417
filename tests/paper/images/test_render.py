from __future__ import annotations

import numpy as np
import pytest

from setclosure.errors import MicrostateError
from setclosure.paper.images.render import render


def plain(beads):
    """The formula in double precision, without a window, and how far each pixel is from the border of two levels."""
    x, y = np.arange(-250, 250), np.arange(-50, 50)
    levels = []
    for frame in beads:
        sigma = np.maximum(np.abs(frame[:, 2] - frame[:, 2].mean()) / 5, 1)[:, None]
        across = np.exp(-((x - frame[:, :1]) ** 2) / (2 * sigma**2))
        down = np.exp(-((y - frame[:, 1:2]) ** 2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        image = down.T @ across
        levels.append(image / image.max() * 255)
    return np.array(levels)


@pytest.mark.parametrize("depth", [1.0, 4.0])  # in focus; and most beads far out of it, which reach the border
def test_images_are_those_of_the_formula(beads, depth):
    moved = beads * [1.0, 1.0, depth]
    expected, frames = plain(moved), render(moved)
    assert frames.shape == (len(beads), 100, 500)
    assert frames.dtype == np.uint8
    difference = np.abs(frames - np.rint(expected))
    assert difference.max() <= 1
    sure = np.abs(expected % 1 - 0.5) > 1e-6  # of what is closer to a border than the stated error, none was seen
    assert np.all(difference[sure] == 0)
    assert difference.sum() <= 2


def test_one_bead_is_its_gaussian():
    frame = render([[[10.0, -3.0, 2.0]]])[0]
    assert frame[47, 260] == 255 == frame.max()
    assert frame[47, 261] == frame[48, 260] == np.rint(255 * np.exp(-0.5))
    assert np.array_equal(frame[44:51, 257:264], frame[44:51, 257:264].T)


def test_the_blob_is_as_wide_as_its_distance_from_the_mean_plane():
    beads = np.array([[[-100.0, 0.0, 20.0], [100.0, 0.0, -20.0]]])
    a = render(beads)[0, 50]
    assert a[150] == a[350] == 255
    assert a[154] == np.rint(255 * np.exp(-0.5))  # σ = 20 / 5
    assert np.array_equal(render(beads + np.array([0, 0, 8.0]))[0, 50], a)


def test_frames_and_the_order_of_beads_are_independent(beads):
    frames = render(beads)
    shuffled = render(beads[:, np.random.default_rng(0).permutation(300)])
    assert np.abs(frames.astype(int) - shuffled).max() <= 1  # sums in another order
    assert (frames != shuffled).sum() <= 2
    assert np.array_equal(render(beads[3:4])[0], frames[3])
    assert np.array_equal(render(beads[3:4].tolist())[0], frames[3])


def test_beads_outside_are_cut_off():
    inside = [[[0.0, 0.0, 0.0], [5.0, 1.0, 0.0]]]
    outside = [[*inside[0], [1e300, 0.0, 0.0], [0.0, -200.0, 0.0], [-1e6, 1e6, 0.0]]]
    assert np.array_equal(render(outside), render(inside))
    half = render([[[-250.0, -50.0, 0.0]]])[0]
    assert half[0, 0] == 255
    assert half.astype(int).sum() == pytest.approx(255 * np.exp(-(np.arange(9) ** 2) / 2).sum() ** 2, abs=5)


@pytest.mark.parametrize(
    ("beads", "message"),
    [
        (np.zeros((3, 2)), r"shape \(T, N, 3\); got \(3, 2\)"),
        (np.zeros((3, 5, 2)), r"got \(3, 5, 2\)"),
        (np.zeros((3, 0, 3)), r"got \(3, 0, 3\)"),
        ([[[0, 0, 0.0]], [[0, np.nan, 0]]], "frame 1 has a coordinate that is NaN"),
        ([[[0, 0, 0.0]], [[0, 50.5, 0]]], "frame 1 has no bead in view.*around 50.5; .*centre of mass"),
        ([[[-251.0, 0, 0.0]]], "frame 0 has no bead in view"),
    ],
)
def test_mistakes_are_named(beads, message):
    with pytest.raises(MicrostateError, match=message):
        render(beads)
