"""Images become sets of pixels, as the paper makes them of its own."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.trajectories.readers.tracks import frames, source

from setclosure.errors import ReaderError
from setclosure.paper.images.pixel_sets import pixel_sets
from setclosure.trajectories.readers.images import ImagesReader


def movie(T=11, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 256, size=(T, 9, 14)) * (rng.random((T, 9, 14)) < 0.2)
    images[:, 0, 0] = 7  # none is empty
    return images.astype(np.uint8)


def folder(path, images):
    path.mkdir()
    for t, image in enumerate(images):
        Image.fromarray(image).save(path / f"frame{t}.png")  # frame10 comes behind frame9
    (path / "notes.txt").write_text("not an image")
    return path


def stack(path, images):
    tifffile.imwrite(path, images, photometric="minisblack")
    return path


@pytest.mark.parametrize("write", [folder, stack])
def test_the_sets_are_those_of_the_paper(tmp_path, write):
    images = movie()
    path = write(tmp_path / ("movie" if write is folder else "movie.tif"), images)
    points, counts = pixel_sets(images)
    facts = ImagesReader().scan(source(path))
    assert (facts.n_frames, facts.max_particles, facts.min_particles) == (11, counts.max(), counts.min())
    for t, frame in enumerate(frames(ImagesReader(time_step=0.5), path)):
        given = np.stack([frame.columns[name] for name in ("x", "y", "level")], axis=1)
        np.testing.assert_array_equal(given, points[t, : counts[t]])
        assert (frame.time, frame.step) == (0.5 * t, t)


def test_a_white_background_a_threshold_and_the_width_of_a_pixel(tmp_path):
    image = np.full((2, 3, 4), 255, np.uint8)
    image[:, 1, 2], image[:, 0, 0] = 5, 250
    path = stack(tmp_path / "movie.tif", image)
    frame = frames(ImagesReader(background=255, threshold=10, pixel=0.2), path)[0]
    np.testing.assert_allclose([frame.columns[name][0] for name in ("x", "y", "level")], [0.5, 0.3, 250])
    assert len(frame) == 1


def test_levels_of_sixteen_bits_and_a_part_of_the_images(tmp_path):
    images = movie().astype(np.uint16) * 257
    path = stack(tmp_path / "movie.tif", images)
    given = frames(ImagesReader(), path, 2, 9, 3)
    assert [frame.step for frame in given] == [2, 5, 8]
    assert given[0].columns["level"].max() == images[2].max()


def test_one_channel_of_colours(tmp_path):
    images = np.stack([movie(3, k) for k in range(3)], axis=-1)
    path = tmp_path / "movie"
    path.mkdir()
    for t, image in enumerate(images):
        Image.fromarray(image).save(path / f"{t}.png")
    with pytest.raises(ReaderError, match=r"0.png has the shape \(9, 14, 3\); expected one level"):
        frames(ImagesReader(), path)
    points, counts = pixel_sets(images[..., 1])
    given = frames(ImagesReader(channel=1), path)[2]
    np.testing.assert_array_equal(given.columns["level"], points[2, : counts[2], 2])


def test_what_is_no_such_movie_is_named(tmp_path):
    path = folder(tmp_path / "movie", movie(3))
    Image.fromarray(movie(1)[0][:5]).save(path / "frame1.png")
    with pytest.raises(ReaderError, match=r"frame1.png has \(5, 14\) pixels, and the images before it \(9, 14\)"):
        frames(ImagesReader(), path)
    (path / "frame1.png").write_bytes((path / "frame0.png").read_bytes()[:60])
    with pytest.raises(ReaderError, match=r"frame1.png cannot be read as an image"):
        frames(ImagesReader(), path)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ReaderError, match="holds no images"):
        frames(ImagesReader(), tmp_path / "nothing")
    (tmp_path / "movie.jpg").write_bytes(b"")
    with pytest.raises(ReaderError, match="no image that keeps its levels"):
        frames(ImagesReader(), tmp_path / "movie.jpg")
    tif = stack(tmp_path / "movie.tif", movie().astype(np.float32))
    with pytest.raises(ReaderError, match="levels of the type float32"):
        frames(ImagesReader(), tif)
    tif.write_bytes(tif.read_bytes()[:300])
    with pytest.raises(ReaderError, match=r"movie\.tif"):
        frames(ImagesReader(), tif)
