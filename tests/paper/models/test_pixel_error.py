from __future__ import annotations

import numpy as np
import torch

from setclosure.paper.images.pixel_sets import pixel_sets
from setclosure.paper.images.raster import ImageGrid
from setclosure.paper.models.pixel_error import PixelErrorConfig
from setclosure.sets.microstates import MicrostateBatch


class Fixed:
    """A decoder that always makes the same images."""

    def __init__(self, images, pool):
        self.images = torch.as_tensor(images)[:, None]
        self.grid = ImageGrid(image_height=6, image_width=8, pool=pool)

    def __call__(self, closure):
        assert closure.shape == (3, 4)
        return self.images


def frames_and_batch():
    frames = np.random.default_rng(0).integers(0, 256, (3, 6, 8)).astype(np.uint8)
    points, counts = pixel_sets(frames)
    sets = [x[:n] for x, n in zip(points, counts, strict=True)]
    return frames / 255.0, MicrostateBatch.from_arrays(sets, dtype=torch.float64)


def loss(batch, images, pool=1):
    return PixelErrorConfig().build(0.1).loss(batch, torch.zeros(3, 1, 4), Fixed(images, pool)).numpy()


def test_is_the_mean_squared_error_of_numpy_in_any_order():
    frames, batch = frames_and_batch()
    other = np.random.default_rng(1).random(frames.shape)
    expected = ((frames - other) ** 2).mean(axis=(1, 2))
    assert np.allclose(loss(batch, other), expected, rtol=1e-14)
    assert np.array_equal(loss(batch.permuted(torch.manual_seed(0)), other), loss(batch, other))
    assert np.all(loss(batch, frames) < 1e-30)


def test_images_are_compared_at_the_resolution_of_the_decoder():
    frames, batch = frames_and_batch()
    coarse = frames.reshape(3, 3, 2, 4, 2).mean(axis=(2, 4))
    assert np.all(loss(batch, coarse, pool=2) < 1e-30)
    assert np.allclose(loss(batch, coarse + 0.5, pool=2), 0.25)
