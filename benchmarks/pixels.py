"""Speed of rendering images and of making sets of their pixels, beside NumPy's own arithmetic."""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from setclosure.paper.images.pixel_sets import pixel_sets
from setclosure.paper.images.render import render

N, FRAMES, NUMPY_FRAMES, ROUNDS = 300, 100, 20, 5


def rendering() -> dict[str, Any]:
    """Milliseconds of one core for an image of 300 beads, from coils to stretched chains, and for its set of pixels.

    The rival evaluates the same Gaussians on the whole grid: two exponentials a bead and line, one matrix product.
    """
    beads = stretched_chains(np.linspace(0, 6, FRAMES))
    frames = render(beads[:1])
    ours, sets, plain = [], [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        frames = render(beads)
        ours.append((time.process_time() - start) / FRAMES)
        start = time.process_time()
        pixel_sets(frames)
        sets.append((time.process_time() - start) / FRAMES)
        start = time.process_time()
        with threadpool_limits(1):  # threads that wait would count as work
            other = [_by_numpy(chain) for chain in beads[:: FRAMES // NUMPY_FRAMES]]
        plain.append((time.process_time() - start) / NUMPY_FRAMES)
    if np.abs(np.array(other, int) - frames[:: FRAMES // NUMPY_FRAMES]).max() > 1:
        raise ArithmeticError("the two do not render the same images")
    return {
        "name": f"image of {N} beads, 100 × 500 pixels",
        "value": 1e3 * statistics.median(ours),
        "unit": "ms of one core a frame",
        "pixel_set_ms": 1e3 * statistics.median(sets),
        "pixels": [int(n) for n in np.percentile(np.count_nonzero(frames, axis=(1, 2)), [0, 50, 100])],
        "ratio": {"numpy": statistics.median(p / o for o, p in zip(ours, plain, strict=True))},
    }


def stretched_chains(pulls: np.ndarray) -> np.ndarray:
    """Freely jointed chains ``(T, N, 3)``, from a coil to a rod."""
    rods = np.random.default_rng(0).normal(size=(len(pulls), N, 3))
    rods[..., 0] += pulls[:, None]
    beads = (rods / np.linalg.norm(rods, axis=-1, keepdims=True)).cumsum(axis=1)
    return np.asarray(beads - beads.mean(axis=1, keepdims=True))


def _by_numpy(beads: np.ndarray) -> np.ndarray:
    rate = -0.5 / np.maximum(np.abs(beads[:, 2] - beads[:, 2].mean()) / 5, 1) ** 2
    across = np.exp(rate[:, None] * (np.arange(-250, 250) - beads[:, :1]) ** 2)
    down = np.exp(rate[:, None] * (np.arange(-50, 50) - beads[:, 1:2]) ** 2) * rate[:, None]
    image = -down.T @ across
    return np.rint(image / image.max() * 255)


if __name__ == "__main__":
    print(json.dumps(rendering(), indent=2))
