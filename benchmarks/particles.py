"""Speed of the interacting particles: ordered pairs per second on all cores, beside vectorised NumPy.

Both sides do the same work in single precision, one set per thread at a time; rounds alternate between them, so
that other load on the machine disturbs both alike, and the ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from setclosure.observables.pair_energy import pair_energy_of_points
from setclosure.observables.pair_kernels import pair_forces as force_kernel
from setclosure.processes import available_cores

N, SETS, REPEATS, NUMPY_SETS, ROUNDS = 300, 64, 40, 32, 7
A, B = np.float32(4.0), np.float32(0.1)


def pair_forces() -> dict[str, Any]:
    """Ordered pair forces per second."""

    def ours(points: np.ndarray) -> None:
        x, y = np.ascontiguousarray(points.T)
        force_x, force_y = np.empty_like(x), np.empty_like(y)
        for _ in range(REPEATS):
            force_kernel(x, y, A, B, force_x, force_y)

    def plain(points: np.ndarray) -> None:
        difference = points[:, None] - points[None]
        r = np.sqrt((difference**2).sum(axis=-1))
        np.fill_diagonal(r, 1.0)
        (((np.tanh(A * (1 - r)) + B) / r)[..., None] * difference).sum(axis=1)

    return _row("pair_forces", "ordered pair forces/s", ours, plain)


def pair_energy() -> dict[str, Any]:
    """Ordered pairs per second of the energy (each unordered pair counts twice, as for the forces)."""

    def ours(points: np.ndarray) -> None:
        pair_energy_of_points(np.broadcast_to(points, (REPEATS, *points.shape)), A, B)

    def plain(points: np.ndarray) -> None:
        i, j = np.triu_indices(N, 1)
        u = 1 - np.sqrt(((points[i] - points[j]) ** 2).sum(axis=-1))
        ((np.logaddexp(A * u, -A * u) - np.float32(np.log(2))) / A + B * u).mean()

    return _row("pair_energy", "ordered pairs/s", ours, plain)


def _row(name: str, unit: str, ours: Callable[..., None], plain: Callable[..., None]) -> dict[str, Any]:
    sets = np.random.default_rng(0).normal(size=(SETS, N, 2)).astype(np.float32)
    cores = available_cores()
    rates, ratios = [], []
    with ThreadPoolExecutor(cores) as pool:

        def rate(work: Callable[..., None], these: np.ndarray, repeats: int) -> float:
            start = time.perf_counter()
            list(pool.map(work, these))
            return len(these) * repeats * N * N / (time.perf_counter() - start)

        rate(ours, sets[:2], 1)  # compiles, or loads what was compiled before
        for _ in range(ROUNDS):
            rates.append(rate(ours, sets, REPEATS))
            ratios.append(rates[-1] / rate(plain, sets[:NUMPY_SETS], 1))
    return {
        "name": name,
        "value": statistics.median(rates),
        "unit": f"{unit}, N = {N}, {cores} cores",
        "ratio": {"numpy": statistics.median(ratios)},
    }


if __name__ == "__main__":
    print(json.dumps([pair_forces(), pair_energy()], indent=2))
