"""Data of a user: particles with velocities in a trap, at some temperature, in trajectories of two lengths."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

from setclosure.trajectories.dataset import TrajectoryDataset

ROOT = Path(__file__).parents[2]
FEATURES = {"features": ("x", "y", "vx", "vy"), "roles": ("position", "position", "vector", "vector")}
UNITS = {"observable_names": ("kinetic energy", "spread"), "observable_units": ("ε", "nm")}
MODEL = {
    "closure_dim": 2,
    "bandwidth": 0.1,
    "encoder": {"width": 8},
    "decoder": {"layers": 1, "bins": 4, "hidden": 8, "blocks": 1},
    "reconstruction": {"samples": 8},
    "dynamics": {"drift": {"hidden": [8]}},
}
TRAINING = {
    "stage_one": {"steps": 10, "batch_sets": 8, "validation_sets": 8, "steps_per_epoch": 5},
    "stage_two": {"steps": 20, "batch_pairs": 16, "steps_per_epoch": 10, "views": 1},
}


def trajectory(temperature, times, seed, n=12):
    """Give points ``(T, N, 4)`` of damped particles in a trap."""
    rng = np.random.default_rng(seed)
    x, v, frames = rng.normal(size=(n, 2)), rng.normal(size=(n, 2)), []
    for dt in np.diff(times, prepend=times[0]):
        for _ in range(round(dt / 0.01)):
            v += 0.01 * (-x - v) + np.sqrt(0.02 * temperature) * rng.normal(size=v.shape)
            x += 0.01 * v
        frames.append(np.concatenate([x, v], axis=1))
    return np.stack(frames)


def observables_of(points):
    """Give the kinetic energy and the spread of points ``(…, N, 4)``, ``(…, 2)``."""
    kinetic = (points[..., 2:] ** 2).sum(axis=-1).mean(axis=-1) / 2
    return np.stack([kinetic, np.sqrt((points[..., :2] ** 2).sum(axis=-1).mean(axis=-1))], axis=-1)


def flock(path, temperatures, seed, lengths=(9, 12), **changes):
    """Write a data set with one trajectory for each temperature; lengths take turns, and every third step is longer."""
    times = [
        np.cumsum([0.0, *(0.13 if t % 3 == 2 else 0.1 for t in range(lengths[m % len(lengths)] - 1))])
        for m in range(len(temperatures))
    ]
    points = [trajectory(T, t, (seed, m)) for m, (T, t) in enumerate(zip(temperatures, times, strict=True))]
    given = {
        "observables": [observables_of(p) for p in points],
        "times": times,
        "context": {"temperature": list(temperatures)},
        "context_units": {"temperature": "K"},
        "time_unit": "ps",
        "name": "flock",
        **FEATURES,
        **UNITS,
    }
    return TrajectoryDataset.from_arrays(path, points, **(given | changes))


def configuration(path, data, **changes):
    """Write a configuration of own data, and return its path."""
    values = {"name": "Flocks", "data": data, "model": MODEL, "training": TRAINING, **changes}
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return path


def setclosure(*arguments, cwd=None):
    """Run the real command in a process of its own."""
    return python("-m", "setclosure", *arguments, cwd=cwd)


def python(*arguments, cwd=None):
    """Run Python in a process of its own, which finds the sources of this checkout."""
    python_path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=300,
        env=os.environ | {"PYTHONPATH": python_path, "OMP_NUM_THREADS": "1", "COLUMNS": "120"},
    )
