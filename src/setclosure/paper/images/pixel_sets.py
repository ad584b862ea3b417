"""An image is a set in which every pixel that is not white is a particle (Sec. 4.4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from setclosure.errors import MicrostateError

Array = np.ndarray[Any, Any]

HEIGHT = 100
"""The number of rows of the paper's images, in which a pixel is as wide as a bead (A.5)."""

WIDTH = 500
"""The number of columns of the paper's images (A.5)."""

BLACK = 255
"""The darkest grey level; 0 is white, the background."""

PIXEL_BOX = ((0.0, 32767.5), (0.0, 32767.5), (0.0, 65535.0))
"""The bounds of a :class:`~setclosure.Layout` that keep pixel sets exactly.

The 65535 steps of 16 bits are then half a pixel, half a pixel and one grey level, which single precision holds without
rounding."""


def pixel_sets(frames: Any) -> tuple[Array, Array]:
    """Make sets of particles (column + ½, row + ½, grey level) from the pixels of images that are not white.

    Grey levels stay whole numbers 1 … 255. They are then exact in any precision, and one step of an intensity is one
    unit, as one step of a place is, so that one bandwidth ε means the same for all three.

    Parameters
    ----------
    frames : array
        Images ``(T, H, W)`` uint8; 0 is white.

    Returns
    -------
    points : array
        Particles ``(T, N, 3)`` float32, N of the frame with the most; zeros behind the particles of a frame.
    counts : array
        The number of particles of each frame, ``(T,)``.

    Raises
    ------
    MicrostateError
        If the frames have another shape or dtype, or one is white all over.

    Examples
    --------
    >>> points, counts = pixel_sets(np.array([[[0, 7], [0, 0]], [[1, 2], [0, 3]]], np.uint8))
    >>> counts.tolist(), points[0].tolist()
    ([1, 3], [[1.5, 0.5, 7.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or 0 in frames.shape or frames.dtype != np.uint8:
        raise MicrostateError(f"images have shape (T, H, W) and dtype uint8; got {frames.shape} and {frames.dtype}.")
    t, rows, columns = np.nonzero(frames)
    counts = np.bincount(t, minlength=len(frames))
    if counts.min() == 0:
        raise MicrostateError(f"frame {int(np.argmin(counts))} is white all over; a set needs at least one pixel.")
    place = np.arange(len(t)) - np.repeat(np.cumsum(counts) - counts, counts)
    points = np.zeros((len(frames), counts.max(), 3), np.float32)
    points[t, place] = np.stack([columns + 0.5, rows + 0.5, frames[t, rows, columns]], axis=-1)
    return points, counts


def images_of(points: Any, counts: Any, height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Make images from pixel sets, the exact inverse of :func:`pixel_sets`.

    Parameters
    ----------
    points : array
        Particles ``(T, N, 3)``: column + ½, row + ½, grey level.
    counts : array
        The number of particles of each frame, ``(T,)``; places behind them are ignored.
    height, width : int
        Rows H and columns W of the images.

    Returns
    -------
    array
        Images ``(T, H, W)`` uint8; 0 is white.

    Raises
    ------
    MicrostateError
        If shapes do not fit, a particle is not a pixel of such an image, or two are at one place.

    Examples
    --------
    >>> images_of([[[1.5, 0.5, 7.0]]], [1], height=2, width=2).tolist()
    [[[0, 7], [0, 0]]]
    """
    points, counts = np.asarray(points, dtype=np.float64), np.asarray(counts)
    if points.ndim != 3 or points.shape[2] != 3 or counts.shape != points.shape[:1]:
        raise MicrostateError(
            f"pixel sets are points (T, N, 3) and counts (T,); got {points.shape} and {counts.shape}."
        )
    t, place = np.nonzero(np.arange(points.shape[1]) < counts[:, None])
    pixels = points[t, place]
    whole = np.rint(pixels - [0.5, 0.5, 0.0])
    wrong = (whole != pixels - [0.5, 0.5, 0.0]) | (whole < [0, 0, 1]) | (whole > [width - 1, height - 1, BLACK])
    if wrong.any():
        k = int(np.argmax(wrong.any(axis=1)))
        raise MicrostateError(
            f"frame {t[k]}, particle {place[k]} is {pixels[k].tolist()}; a pixel of an image of {height} × {width} is "
            "(column + 0.5, row + 0.5, grey level 1 … 255)."
        )
    columns, rows, levels = whole.astype(np.int64).T
    frames = np.zeros((len(points), height, width), np.uint8)
    frames[t, rows, columns] = levels
    if np.count_nonzero(frames) != len(t):
        raise MicrostateError("two particles of a frame are at one place; a pixel has one grey level.")
    return frames
