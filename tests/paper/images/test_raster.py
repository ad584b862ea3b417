from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from setclosure.errors import ConfigurationError, ModelError
from setclosure.paper.images.pixel_sets import pixel_sets
from setclosure.paper.images.raster import ImageGrid, rasterise, require_pixels
from setclosure.paper.images.render import render
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.trajectories.assemble import assembled


@pytest.fixture(scope="module")
def frames(beads):
    return render(beads[::3])


@pytest.fixture(scope="module")
def batch(frames):
    return assembled(*pixel_sets(frames))


def test_is_the_exact_inverse(frames, batch):
    images = rasterise(batch, ImageGrid())
    assert images.shape == (len(frames), 1, 100, 500)
    assert np.array_equal(np.rint(images[:, 0].numpy() * 255).astype(np.uint8), frames)
    assert torch.equal(images[:, 0], torch.from_numpy(frames).float() / 255)


@pytest.mark.parametrize("pool", [2, 4, 5])
def test_pooling_is_the_mean_of_squares(frames, batch, pool):
    expected = avg_pool2d(torch.from_numpy(frames).double()[:, None] / 255, pool)
    images = rasterise(batch.to(torch.float64), ImageGrid(pool=pool))
    assert images.shape == (len(frames), 1, 100 // pool, 500 // pool)
    assert torch.allclose(images, expected, atol=1e-15)


def test_order_and_padding_change_not_one_bit(batch):
    grid = ImageGrid(pool=2)
    images = rasterise(batch, grid)
    assert torch.equal(rasterise(batch.permuted(torch.manual_seed(0)), grid), images)
    hidden = torch.where(batch.mask[..., None], batch.points, 1e6)  # padding may lie anywhere
    assert torch.equal(rasterise(batch.with_points(hidden), grid), images)


def test_each_species_has_its_image():
    points = [[[0.5, 0.5, 10.0], [1.5, 0.5, 20.0], [1.5, 1.5, 30.0]]]
    batch = MicrostateBatch.from_arrays(points, species=[0, 1, 1], masses=[1.0, 5.0, 1.0])
    images = rasterise(batch, ImageGrid(image_height=2, image_width=2)) * 255
    assert torch.allclose(images, torch.tensor([[[[10.0, 0], [0, 0]], [[0, 20.0], [0, 30.0]]]]))


@pytest.mark.parametrize("place", [[500.0, 1.5], [3.5, 100.0], [-0.1, 1.5], [3.5, -1.0]])
def test_particles_outside_the_image_are_named(place):
    batch = MicrostateBatch.from_arrays([[[2.5, 2.5, 9.0], [*place, 9.0]]])
    with pytest.raises(ModelError, match=r"microstate 0, particle 1 .*outside the images of 100 rows and 500 columns"):
        rasterise(batch, ImageGrid())


def test_other_particles_are_no_pixels():
    with pytest.raises(ModelError, match=r"d = 2 features.*pixel_sets"):
        require_pixels(MicrostateKind(2))


def test_squares_must_fill_the_image():
    with pytest.raises(ConfigurationError, match=r"pool \(3\) must divide 100 rows"):
        ImageGrid.parse({"pool": 3})
