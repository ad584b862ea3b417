"""Speed of data sets on disk: frames at random, whole trajectories, commits, and the check of all checksums.

A small trajectory is 51 frames of 50 particles, of which several share a chunk; a large one is 301 frames of 300
particles, whose frames lie in several chunks. Their coordinates are random numbers, which compression cannot shrink.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory

SIZES = {"small": (200, 51, 50), "large": (64, 301, 300)}
"""Trajectories, frames and particles."""

BATCH, ROUNDS = 64, 5


@contextmanager
def _made(size: str) -> Iterator[tuple[TrajectoryDataset, float]]:
    """A data set in a temporary folder, and the seconds that its commits took."""
    M, T, N = SIZES[size]
    points = np.random.default_rng(0).normal(size=(M, T, N, 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        data = TrajectoryDataset.create(Path(folder) / "a.zarr", Layout(size, 2, T, N, "given", ("z",)), M)
        start = time.perf_counter()
        for m in range(M):
            data.commit(m, Trajectory(points[m], np.zeros((T, 1)), np.arange(T)))
        seconds = time.perf_counter() - start
        yield TrajectoryDataset.open(data.path), seconds


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def random_frames() -> dict[str, Any]:
    """Microstates a second of batches of 64 drawn at random from the disk, beside the same frames held in memory.

    The other ratio is to reading, for each of the batch's microstates, its whole trajectory.
    """
    rng = np.random.default_rng(0)
    with _made("large") as (data, _):
        M, T, _N = SIZES["large"]
        held = MicrostateSource(data, 1 << 40)
        rows = []
        for _ in range(ROUNDS):
            m, t = rng.integers(M, size=BATCH), rng.integers(T, size=BATCH)
            rows.append(
                (
                    _seconds(lambda m=m, t=t: data.microstates(m, t)),
                    _seconds(lambda m=m, t=t: held.batch(m, t)),
                    _seconds(lambda m=m: [data.trajectory(int(i)) for i in m[:8]]) * BATCH / 8,
                )
            )
    return {
        "name": f"random frames from disk, {SIZES['large'][2]} particles",
        "value": BATCH / statistics.median(own for own, _, _ in rows),
        "unit": "microstates/s",
        "ratio": {
            "memory": statistics.median(memory / own for own, memory, _ in rows),
            "whole trajectories": statistics.median(whole / own for own, _, whole in rows),
        },
    }


def whole_trajectories() -> dict[str, Any]:
    """Megabytes a second of all trajectories read from the disk into memory, file by file and one by one."""
    with _made("large") as (data, _):
        M, T, N = SIZES["large"]
        _ = data.usable
        rows = [
            (
                _seconds(lambda: MicrostateSource(data, 1 << 40)),
                _seconds(lambda: [data.arrays(m) for m in range(M)]),
            )
            for _ in range(ROUNDS)
        ]
    return {
        "name": f"whole trajectories, {T} frames of {N} particles",
        "value": M * T * N * 8e-6 / statistics.median(own for own, _ in rows),
        "unit": "MB/s",
        "ratio": {"one by one": statistics.median(single / own for own, single in rows)},
    }


def write_and_check() -> dict[str, Any]:
    """Small trajectories that are committed in a second, each of which survives a power cut; files and checks beside.

    A commit waits for the disk, so its rate is that of the disk. ``checked_per_second`` is the rate at which checksums
    are checked.
    """
    with _made("small") as (data, seconds):
        M = SIZES["small"][0]
        check = statistics.median(_seconds(data.verify) for _ in range(ROUNDS))
        files = sum(file.is_file() for file in data.path.rglob("*"))
    return {
        "name": f"commits of {SIZES['small'][1]} frames of {SIZES['small'][2]} particles",
        "value": M / seconds,
        "unit": f"trajectories/s, {M} in {files} files",
        "checked_per_second": M / check,
        "ratio": {},
    }


if __name__ == "__main__":
    print(json.dumps([random_frames(), whole_trajectories(), write_and_check()], indent=2))
