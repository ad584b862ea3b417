"""A short video shows a test trajectory of images above the images that are drawn from the decoded density."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from setclosure.model.closure_model import ClosureModel
from setclosure.paper.images.pixel_sets import BLACK, HEIGHT, PIXEL_BOX, WIDTH, images_of
from setclosure.paper.images.video import write_video
from setclosure.seeds import torch_stream
from setclosure.trajectories.dataset import TrajectoryDataset

N_FRAMES = 48
"""The most frames of a video, which are equally spaced in the trajectory."""

FRAMES_PER_SECOND = 8
"""The speed of a video, which so lasts 6 seconds."""

N_SAMPLES = 6000
"""The number of points of the decoded density for each frame, a few for each pixel of a chain."""

MARGIN = 8
"""The margin in pixels around all that is not white in any frame."""

DARKEST = 99.0
"""The percentile of the grey levels of decoded pixels from which on they are drawn black."""


def image_video(model: ClosureModel, data: TrajectoryDataset, path: Path) -> None:
    """Write a video of the first usable trajectory of ``data`` to ``path``, if its microstates are sets of pixels.

    The image of each frame is above. Below is the image of points that are drawn from the decoded density p(x | ẑ), if
    the method has one; the grey levels of all points on a pixel are added.

    Parameters
    ----------
    model : ClosureModel
        A trained model of pixel sets.
    data : TrajectoryDataset
        A test data set; nothing is written if its microstates are no pixel sets.
    path : Path
        The file, with the ending ``.gif`` or ``.mp4``.

    Raises
    ------
    StorageError
        If the disk is full or the folder may not be written.
    """
    if data.layout.bounds != PIXEL_BOX:
        return
    frames = np.unique(np.linspace(0, data.lengths[data.usable[0]] - 1, N_FRAMES).astype(int))
    batch = data.trajectory(int(data.usable[0]))[torch.from_numpy(frames)]
    images = images_of(batch.points.numpy(), batch.counts.numpy(), HEIGHT, WIDTH)
    rows, columns = _inked(images)
    images = images[:, rows, columns]
    if model.parts.autoencoder.has_density:
        with torch.inference_mode():
            points = model.parts.autoencoder.sample(batch, N_SAMPLES, torch_stream(0, "video"))[:, 0].numpy()
        rule = np.full((len(frames), 1, images.shape[2]), BLACK, np.uint8)
        drawn = np.stack([_drawn(x)[rows, columns] for x in points])
        images = np.concatenate([images, rule, drawn], axis=1)
    write_video(images, path, FRAMES_PER_SECOND)


def _inked(images: np.ndarray) -> tuple[slice, slice]:
    """Find the rows and columns in which any image has a pixel that is not white, with a margin."""
    limits = (np.flatnonzero(images.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    rows, columns = (slice(max(0, int(found[0]) - MARGIN), int(found[-1]) + 1 + MARGIN) for found in limits)
    return rows, columns


def _drawn(points: np.ndarray) -> np.ndarray:
    """Draw points ``(n, 3)`` of column, row and grey level as an image ``(H, W)``."""
    column, row, grey = points.T
    edges = (np.arange(HEIGHT + 1), np.arange(WIDTH + 1))
    total, *_ = np.histogram2d(row, column, bins=edges, weights=np.clip(grey, 0, BLACK))
    inked = total[total > 0]
    top = np.percentile(inked, DARKEST) if len(inked) else 1.0
    return np.asarray(np.minimum(total / top * BLACK, BLACK), dtype=np.uint8)
