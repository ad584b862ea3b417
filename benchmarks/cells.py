"""Periodic coordinates against cosines and sines made by hand, on a small demixing fluid.

    PYTHONPATH=src:. python -m benchmarks.cells out.json [variants …]

Two species in a square periodic box repel each other more than themselves, and demix from waves of composition of
random direction, wave number and strength. Every variant is the same density closure with the same budget; they differ
in what encoder and decoder see. The score is the root-mean-square error of the mixing ratio over a rollout from the
first frame alone, as a share of its standard deviation, on trajectories that were not trained on. The floor is that of
the noise: two runs from the same start differ by √2 of it.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from pathlib import Path

import numba
import numpy as np
import torch

import setclosure
from setclosure.observables.registered import get_observable
from setclosure.sets.microstates import MicrostateBatch

L, N, FRAMES, RADIUS, EPSILON = 8.0, 100, 25, 1.5, 0.15
TRAIN, VALIDATION, TEST = 256, 16, 64
SPECIES = (np.arange(N) >= N // 2).astype(int)
OBSERVABLE = f"mixing_ratio(radius={RADIUS})"
VARIANTS = {
    "by hand": {},
    "cell": {"cell": True},
    "cell, translation": {"cell": True, "symmetry": "translation"},
    "cell, shifts and views": {"cell": True, "shifts": 4},
    "cell, translation, 1 harmonic": {"cell": True, "symmetry": "translation", "harmonics": 1},
    "cell, translation, 3 harmonics": {"cell": True, "symmetry": "translation", "harmonics": 3},
    "cell, translation, 4 harmonics": {"cell": True, "symmetry": "translation", "harmonics": 4},
    "cell, 1 harmonic": {"cell": True, "harmonics": 1},
    "cell, 4 harmonics": {"cell": True, "harmonics": 4},
    "cell, euclidean": {"cell": True, "symmetry": "euclidean"},
    "none": {"method": "none"},
}
"""What each variant changes."""


@numba.njit(cache=True)
def _fluid(x, noise, stride, frames):
    """Integrate overdamped particles; the first half are of one species."""
    dt, like, unlike, reach, temperature = 0.003, 10.0, 30.0, 1.2, 0.2
    n = len(x)
    step = 0
    for t in range(len(frames)):
        frames[t] = x
        for _ in range(stride):
            force = np.zeros_like(x)
            for i in range(n):
                for j in range(i):
                    dx, dy = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1]
                    dx, dy = dx - L * np.rint(dx / L), dy - L * np.rint(dy / L)
                    r = math.sqrt(dx * dx + dy * dy)
                    if 1e-9 < r < reach:
                        f = (like if (i < n // 2) == (j < n // 2) else unlike) * (1.0 - r / reach) / r
                        force[i, 0] += f * dx
                        force[i, 1] += f * dy
                        force[j, 0] -= f * dx
                        force[j, 1] -= f * dy
            x = (x + dt * force + math.sqrt(2 * temperature * dt) * noise[step]) % L
            step += 1


def simulate(n, seed, noise=0):
    """Give trajectories ``(n, FRAMES, N, 2)``, wrapped; starts depend on ``seed``, what follows on ``noise``, too."""
    rng, stride = np.random.default_rng(seed), 10
    kicks = np.random.default_rng((seed, noise))
    found = np.empty((n, FRAMES, N, 2))
    for m in range(n):
        wave = np.array([(1, 0), (0, 1), (1, 1), (2, 0), (0, 2)][rng.integers(5)])
        strength, phase = rng.uniform(0, 1), rng.uniform(0, 2 * np.pi)
        x = np.empty((0, 2))
        for sign in (1, -1):
            tried = rng.uniform(0, L, (8 * N, 2))
            share = 0.5 * (1 + sign * strength * np.cos(2 * np.pi * tried @ wave / L + phase))
            x = np.concatenate([x, tried[rng.uniform(size=len(tried)) < share][: N // 2]])
        _fluid(x, kicks.normal(size=(FRAMES * stride, N, 2)), stride, found[m])
    return found


def by_hand(x):
    """Give the features that a user of a program without cells would make."""
    angle = 2 * np.pi * x / L
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(*x.shape[:-1], 4)


def dataset(path, x, cell, z):
    """Write a data set, in a cell or with features made by hand."""
    options = {"cell": [L, L], "features": ("x", "y")} if cell else {"features": ("cx", "sx", "cy", "sy")}
    return setclosure.TrajectoryDataset.from_arrays(
        path, x if cell else by_hand(x), z, times=np.arange(FRAMES) * 1.0, species=SPECIES, **options
    )


def score(variant, splits, folder, seed):
    """Fit a variant and give its error on the test, and the seconds."""
    cell, shifts = variant.get("cell", False), variant.get("shifts", 0)
    rng = np.random.default_rng(5)
    data = {}
    for name in ("train", "validation"):
        x, z = splits[name]
        if shifts and name == "train":  # the same trajectories, each shifted in several ways
            x = np.concatenate([(x + rng.uniform(0, L, (len(x), 1, 1, 2))) % L for _ in range(shifts)])
            z = np.concatenate([z] * shifts)
        data[name] = dataset(folder / f"{name}.zarr", x, cell, z)
    epsilon = EPSILON if cell else 2 * np.pi * EPSILON / L
    options = {k: v for k, v in variant.items() if k not in ("cell", "shifts")}
    if options.get("method") != "none":
        options |= {"closure_dim": 4, "bandwidth": epsilon, "encoder": {"width": 48}}
        options |= {"decoder": {"layers": 3, "bins": 12, "hidden": 48}, "reconstruction": {"samples": 100}}
    estimator = setclosure.ClosureEstimator(
        **options,
        dynamics={"name": "ode"},
        training={
            "stage_one": {"steps": STEPS[0], "batch_sets": 12, "validation_sets": 64, "transient_share": 0.0},
            "stage_two": {"steps": STEPS[1], "batch_pairs": 512},
            "trainer": {"accelerator": "cpu"},
        },
    )
    start = time.perf_counter()
    model = estimator.fit(data["train"], data["validation"], seed=seed, progress=False)
    seconds = time.perf_counter() - start
    x, z = splits["test"]
    paths = []
    for _ in range(max(1, shifts)):
        first = (x[:, 0] + (rng.uniform(0, L, (len(x), 1, 2)) if shifts else 0.0)) % L
        start_ = MicrostateBatch.from_arrays(
            first if cell else by_hand(first), np.tile(SPECIES, (len(x), 1)), cell=[L, L] if cell else None
        )
        paths.append(model.predict(start_, FRAMES - 1, observables=z[:, 0], check=False).observables[:, 0])
    predicted = np.mean(paths, axis=0)
    spread = splits["train"][1].std(axis=(0, 1))
    error = float(np.sqrt(np.mean(((predicted - z) / spread) ** 2)))
    late = float(np.sqrt(np.mean(((predicted - z)[:, -10:] / spread) ** 2)))
    return {"error": error, "late": late, "seconds": seconds}


SEEDS = (0, 1)
STEPS = (1200, 3000)
"""Optimiser steps of the two stages."""


def main() -> None:
    """Run the variants that are named, or all."""
    torch.set_num_threads(1)
    out, wanted = Path(sys.argv[1]), sys.argv[2:] or list(VARIANTS)
    observable = get_observable(OBSERVABLE)
    splits = {}
    for i, (name, n) in enumerate((("train", TRAIN), ("validation", VALIDATION), ("test", TEST))):
        x = simulate(n, i)
        species = np.tile(SPECIES, (n * FRAMES, 1))
        batch = MicrostateBatch.from_arrays(x.reshape(-1, N, 2), species, cell=[L, L])
        splits[name] = x, observable(batch).reshape(n, FRAMES, 2)
    z = splits["test"][1]
    mean_path = splits["train"][1].mean(axis=0)
    again = simulate(TEST, 2, noise=1)  # the same starts with other noise
    species = np.tile(SPECIES, (TEST * FRAMES, 1))
    other = observable(MicrostateBatch.from_arrays(again.reshape(-1, N, 2), species, cell=[L, L])).reshape(z.shape)
    floor = float(np.sqrt(np.mean(((other - z) / splits["train"][1].std(axis=(0, 1))) ** 2) / 2))
    naive = float(np.sqrt(np.mean(((mean_path - z) / splits["train"][1].std(axis=(0, 1))) ** 2)))
    found = json.loads(out.read_text()) if out.exists() else {"mean path": naive, "floor": floor}
    print("mean path", naive, "floor", floor, flush=True)
    for seed in SEEDS:
        for name in wanted:
            key = f"{name} | {seed}"
            if key in found:
                continue
            with tempfile.TemporaryDirectory() as folder:
                found[key] = score(VARIANTS[name], splits, Path(folder), seed)
            print(key, found[key], flush=True)
            out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
