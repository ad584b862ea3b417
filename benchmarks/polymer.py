"""Speed of the polymer: bead-steps per second of one core, beside a plain implementation of the same step.

The chain is a coil of 300 beads that the flow has begun to stretch. The rival does the same step with NumPy, SciPy's
tree for the overlaps and LAPACK's solver for the rods. The second ratio is to our own kernel in double precision. Time
is that of the thread, so that other load on the machine disturbs little; rounds alternate between the three.

On one core of a Xeon (Sapphire Rapids, 2.6 GHz) a step of 300 beads takes 10 to 12 µs: normal numbers 1.5, overlaps 3
to 5, and the 3 to 4 iterations for the rods 5.5, most of that in the divisions of the tridiagonal solver.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import solveh_banded
from scipy.spatial import cKDTree

from setclosure.paper.simulators.polymer import Polymer
from setclosure.paper.simulators.polymer_kernels import ROD_TOLERANCE, brownian_frames

STEPS, PLAIN_STEPS, ROUNDS = 10_000, 400, 7


def polymer_steps() -> dict[str, Any]:
    """Bead-steps (beads times steps) per second and core."""
    system = Polymer(n_frames=51)
    rng = np.random.default_rng(0)
    start = system.initial(rng)
    ours, double, plain = [], [], []
    _kernel(system, start, np.float64, 1)  # compiles, or loads what was compiled before
    for _ in range(ROUNDS):
        ours.append(_seconds(lambda: _kernel(system, start, np.float32, STEPS)) / STEPS)
        double.append(_seconds(lambda: _kernel(system, start, np.float64, STEPS)) / STEPS)
        plain.append(_seconds(lambda: _plain(system, start, PLAIN_STEPS)) / PLAIN_STEPS)
    return {
        "name": "polymer_steps",
        "value": system.n_beads / statistics.median(ours),
        "unit": f"bead-steps per second and core, N = {system.n_beads}",
        "ratio": {
            "numpy and scipy": statistics.median(p / o for p, o in zip(plain, ours, strict=True)),
            "double precision": statistics.median(d / o for d, o in zip(double, ours, strict=True)),
        },
    }


def _seconds(work: Callable[[], None]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def _kernel(system: Polymer, start: np.ndarray, dtype: type, steps: int) -> None:
    frames = np.empty((2, *start.shape), np.float32)
    keys = np.array([1, 2], np.uint64)
    brownian_frames(
        start.astype(dtype), system.extension_rate, 1.0, system.time_step, steps, True, keys, np.inf, frames
    )


def _plain(system: Polymer, start: np.ndarray, steps: int) -> None:
    rng, h = np.random.default_rng(0), system.time_step
    grow = 1 + h * system.extension_rate * np.array([1.0, -1.0, 0.0])
    x = start.astype(np.float64)
    bands = np.full((2, len(x) - 1), 2.0)
    for _ in range(steps):
        x = x * grow + np.sqrt(2 * h) * rng.standard_normal(x.shape)
        pairs = cKDTree(x).query_pairs(1.0, output_type="ndarray")
        i, j = pairs[np.abs(pairs[:, 0] - pairs[:, 1]) > 1].T
        apart = x[j] - x[i]
        r = np.linalg.norm(apart, axis=1, keepdims=True)
        push = 0.5 * (1 - r) / r * apart
        np.add.at(x, i, -push)
        np.add.at(x, j, push)
        while True:
            rods = np.diff(x, axis=0)
            length = np.linalg.norm(rods, axis=1)
            if np.abs(length - 1).max() <= ROD_TOLERANCE:
                break
            u = rods / length[:, None]
            bands[0, 1:] = -(u[1:] * u[:-1]).sum(axis=1)
            force = solveh_banded(bands, length - 1, check_finite=False)[:, None] * u
            x[:-1] += force
            x[1:] -= force


if __name__ == "__main__":
    print(json.dumps(polymer_steps(), indent=2))
