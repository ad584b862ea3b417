"""What a campaign costs beside the LAMMPS that it runs, and the mixing ratio beside a tree of neighbours."""

from __future__ import annotations

import statistics
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.observables.mixing_ratio import mixing_ratio_of_points
from setclosure.paper.simulators.lennard_jones import LennardJones
from setclosure.processes import available_cores
from setclosure.seeds import numpy_stream
from setclosure.simulate.campaign import simulate_dataset
from setclosure.simulate.workers import open_workers

TRAJECTORIES_PER_CORE, ROUNDS = 4, 3


def lennard_jones_campaign() -> dict[str, Any]:
    """Trajectories of the released system through a campaign: frames, mixing ratios, compression and files included.

    Its rival is LAMMPS alone: the same trajectories in as many processes, each in one ``run`` without any output. Both
    have their processes started before.
    """
    system, cores = LennardJones(), available_cores()
    n = TRAJECTORIES_PER_CORE * cores
    ours, bare = [], []
    with get_context("spawn").Pool(cores) as pool, open_workers(in_threads=False) as workers:
        pool.map(_bare, range(-cores, 0), chunksize=1)  # imports
        with tempfile.TemporaryDirectory() as folder:
            simulate_dataset(Path(folder) / "first.zarr", system, cores, 1, "benchmark", workers)
            for k in range(ROUNDS):
                start = time.perf_counter()
                simulate_dataset(Path(folder) / f"{k}.zarr", system, n, 0, "benchmark", workers)
                ours.append(time.perf_counter() - start)
                start = time.perf_counter()
                pool.map(_bare, range(n), chunksize=1)
                bare.append(time.perf_counter() - start)
    return {
        "name": "Lennard-Jones campaign, 529 particles, 501 frames",
        "value": n / statistics.median(ours),
        "unit": f"trajectories per second on {cores} cores",
        "ratio": {"LAMMPS alone": statistics.median(b / o for o, b in zip(ours, bare, strict=True))},
    }


def mixing_ratio() -> dict[str, Any]:
    """Mixing ratios of microstates of 529 particles on one core, against SciPy's tree of neighbours."""
    rng = np.random.default_rng(0)
    points, species = rng.uniform(0, 32, (200, 529, 2)), rng.integers(0, 2, 529)
    mixing_ratio_of_points(points[:1], species)
    ours, tree = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        value = mixing_ratio_of_points(points, species)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        other = np.array([_by_tree(x, species) for x in points])
        tree.append(time.perf_counter() - start)
    if not np.allclose(value, other):
        raise ArithmeticError("the two do not count the same pairs")
    return {
        "name": "mixing ratio, 529 particles",
        "value": len(points) / statistics.median(ours),
        "unit": "microstates per second and core",
        "ratio": {"scipy cKDTree": statistics.median(t / o for o, t in zip(ours, tree, strict=True))},
    }


def _bare(index: int) -> None:
    system = LennardJones()
    with system.relabelled(numpy_stream(0, "benchmark", abs(index))) as (lammps, _):
        steps = system.frame_stride * (system.n_frames - 1)
        lammps.commands(f"run {steps if index >= 0 else 1} post no")


def _by_tree(x: np.ndarray, species: np.ndarray, radius: float = 2.5) -> tuple[float, float]:
    from scipy.spatial import cKDTree

    a, b = (cKDTree(x[species == s]) for s in (0, 1))
    cross = a.count_neighbors(b, radius)
    same = [tree.count_neighbors(tree, radius) - tree.n for tree in (a, b)]
    return cross / (cross + same[0]), cross / (cross + same[1])
