"""Trajectories of chains are made for data sets, as beads or as the pixel sets of their images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from setclosure.errors import MicrostateError
from setclosure.observables.registered import get_observable
from setclosure.paper.images.pixel_sets import PIXEL_BOX, WIDTH, pixel_sets
from setclosure.paper.images.render import render
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.assemble import assembled
from setclosure.trajectories.layout import Array, Layout, Trajectory

MOST_PIXELS = 5000
"""The number of pixels for which every frame of a data set has room by default.

Most frames of 300 beads have 880 to 1,800. A chain that is long along the line of sight is out of focus and has more:
the largest of 150 trajectories had 3,525. Room costs little, as it is compressed on the disk and not held in memory."""

PIXELS = Features(3, names=("column", "row", "grey"))
"""The features of a pixel; a model of images reads them as they are."""


def bead_layout(name: str, n_frames: int, n_beads: int, units: str) -> Layout:
    """Make the layout that trajectories of :func:`bead_trajectory` share.

    Parameters
    ----------
    name : str
        The name of the system.
    n_frames, n_beads : int
        Frames of a trajectory, T, and beads, N.
    units : str
        Units of lengths and times, which are shown and not computed with.
    """
    return Layout(name, Features(3), n_frames, n_beads, "extension", ("extension",), units=units)


def bead_trajectory(beads: Any, times: Array) -> Trajectory:
    """Make a trajectory of beads ``(T, N, 3)`` at times ``(T,)``, with their extension as observable.

    Raises
    ------
    MicrostateError
        If the shape is another, or a coordinate is NaN or infinite.
    """
    points = np.asarray(beads, dtype=np.float64)
    if points.ndim != 3 or points.shape[2] != 3:
        raise MicrostateError(f"a chain of beads has shape (T, N, 3); got {points.shape}.")
    observables = get_observable("extension")(MicrostateBatch.from_points(torch.from_numpy(points)))
    return Trajectory(points, observables, times)


def image_layout(name: str, n_frames: int, most_pixels: int = MOST_PIXELS) -> Layout:
    """Make the layout that trajectories of :func:`image_trajectory` share: sets of any size, kept exactly in 16 bits.

    Parameters
    ----------
    name : str
        The name of the system.
    n_frames : int
        Frames of a trajectory, T.
    most_pixels : int
        The number of pixels for which every frame has room, N.
    """
    units = "pixels of one bead diameter, grey levels 1 to 255"
    return Layout(
        name, PIXELS, n_frames, most_pixels, "extension", ("extension",), units=units, ragged=True, bounds=PIXEL_BOX
    )


def image_trajectory(beads: Any, times: Array, most_pixels: int = MOST_PIXELS) -> Trajectory:
    """Make a trajectory of pixel sets, with the extension of the images as observable.

    Parameters
    ----------
    beads : array
        Beads ``(T, N, 3)``, which are rendered as images.
    times : array
        Times of the frames, ``(T,)``.
    most_pixels : int
        The most pixels that a frame may have.

    Raises
    ------
    MicrostateError
        If a bead is beside the image, so that the extension would be cut, if a frame has more than ``most_pixels``,
        or if :func:`~setclosure.paper.images.render.render` refuses the beads.
    """
    frames = render(beads)
    x = np.asarray(beads, dtype=np.float64)[..., 0]
    beside = np.abs(x + 0.5) > WIDTH / 2
    if beside.any():
        t, i = np.argwhere(beside)[0]
        raise MicrostateError(
            f"frame {t}: bead {i} has x = {x[t, i]:g}, and images show −{WIDTH // 2} to {WIDTH // 2 - 1}: the "
            "extension would be cut. Take the centre of mass off, or use beads as microstates."
        )
    points, counts = pixel_sets(frames)
    if counts.max() > most_pixels:
        raise MicrostateError(
            f"frame {int(np.argmax(counts))} has {counts.max()} pixels, and there is room for {most_pixels}. Make the "
            "data set anew with a larger most_pixels."
        )
    return Trajectory(points, get_observable("extension")(assembled(points, counts)), times, counts)
