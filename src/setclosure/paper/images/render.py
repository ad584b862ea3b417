"""Particles become 8-bit images, a Gaussian blob for each, wider away from the plane of focus (A.5)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from setclosure.errors import MicrostateError
from setclosure.paper.images.pixel_sets import BLACK, HEIGHT, WIDTH

_FOCUS = 5.0
"""The distance from the plane of focus, in bead diameters, for each pixel of a blob's width (A.5)."""

_REACH = 7.4338
"""The distance from its centre, in its own widths, to which a blob is drawn.

It is √(2 ln 10¹²), where a blob falls below 10⁻¹² of its peak."""


def render(beads: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Make images of chains of beads, as the paper makes them (A.5).

    Bead i is the normalised Gaussian N((x, y); (x_i, y_i), σ_i²) with σ_i = max(abs(z_i − mean z) / 5, 1). The
    Gaussians of a frame are summed at the whole numbers x = −250 … 249, y = −50 … 49, divided by the largest sum, and
    rounded to the grey levels 0 … 255.

    A Gaussian is added where it is more than 10⁻¹² of its own peak. The part that is left out of a frame of N beads in
    view is less than 1.3 · 255 · 10⁻¹² N σ² grey levels, where σ is the ratio of its widest to its narrowest blob. For
    300 beads of one width this is 10⁻⁷, so a pixel differs from the full sum only if the sum is so close to the border
    of two levels.

    Parameters
    ----------
    beads : array
        Beads ``(T, N, 3)``, in bead diameters. Beads outside the image are cut off, as by a camera.

    Returns
    -------
    array
        Images ``(T, 100, 500)`` uint8; 0 is white. Row r shows y = r − 50, column c shows x = c − 250.

    Raises
    ------
    MicrostateError
        If the shape is another one, a coordinate is NaN or infinite, or no bead of a frame is in view.

    Examples
    --------
    >>> frame = render([[[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]])[0]
    >>> frame.shape, frame[50, 249:255].tolist()
    ((100, 500), [153, 255, 187, 187, 255, 153])
    """
    x = np.ascontiguousarray(beads, dtype=np.float64)
    if x.ndim != 3 or x.shape[2] != 3 or 0 in x.shape:
        raise MicrostateError(f"images are made of beads of shape (T, N, 3); got {x.shape}.")
    finite = np.isfinite(x).all(axis=(1, 2))
    if not finite.all():
        raise MicrostateError(f"frame {int(np.argmin(finite))} has a coordinate that is NaN or infinite.")
    column, row = x[..., 0] + WIDTH // 2, x[..., 1] + HEIGHT // 2
    in_view = (np.abs(column - (WIDTH - 1) / 2) <= WIDTH / 2) & (np.abs(row - (HEIGHT - 1) / 2) <= HEIGHT / 2)
    if not in_view.any(axis=1).all():
        t = int(np.argmin(in_view.any(axis=1)))
        raise MicrostateError(
            f"frame {t} has no bead in view: x is in {np.ptp(x[t, :, 0]):g} around {x[t, :, 0].mean():g}, y around "
            f"{x[t, :, 1].mean():g}; images show x in −250 … 249 and y in −50 … 49. Take the centre of mass off first."
        )
    frames = np.zeros((len(x), HEIGHT, WIDTH), np.uint8)
    _render(x, frames)
    return frames


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _render(beads: Any, frames: Any) -> None:
    """Fill ``frames`` (T, H, W) from ``beads`` (T, N, 3)."""
    T, N, _ = beads.shape
    _, H, W = frames.shape
    image, across = np.empty((H, W)), np.empty(W)
    for t in range(T):
        image[:] = 0.0
        mean_z = beads[t, :, 2].mean()
        for i in range(N):
            x, y = beads[t, i, 0] + W // 2, beads[t, i, 1] + H // 2
            sigma = max(abs(beads[t, i, 2] - mean_z) / _FOCUS, 1.0)
            rate, reach = -0.5 / sigma**2, _REACH * sigma
            first, behind = _window(x, reach, W)
            for c in range(first, behind):
                across[c] = np.exp(rate * (c - x) ** 2)
            for r in range(*_window(y, reach, H)):
                factor = np.exp(rate * (r - y) ** 2) / (2 * np.pi * sigma**2)
                row = image[r]
                for c in range(first, behind):
                    row[c] += factor * across[c]
        peak = image.max()
        for r in range(H):
            for c in range(W):
                frames[t, r, c] = np.uint8(np.rint(image[r, c] / peak * BLACK))


@numba.njit(nogil=True, cache=True)
def _window(centre: float, reach: float, size: int) -> Any:
    """Give the first index within ``reach`` of ``centre`` and the one behind the last, in 0 … ``size``."""
    # bounded before they become whole numbers, because a bead may be anywhere
    first = min(max(np.ceil(centre - reach), 0.0), float(size))
    behind = min(max(np.floor(centre + reach) + 1.0, 0.0), float(size))
    return int(first), int(behind)
