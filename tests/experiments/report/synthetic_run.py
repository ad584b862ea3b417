"""Synthetic run folders of two systems: flocks at three temperatures, and a filament that noise stretches."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

C = 8
SHORT, LONG = 50, 73


@dataclass(frozen=True)
class System:
    """What a user has: observables, context, and tests of their own names, with the size of the errors in each."""

    name: str
    description: str
    observables: list[dict[str, str]]
    tests: dict[str, dict[str, str]]
    size: dict[str, float]
    features: list[str]
    time_unit: str = ""
    context: list[dict[str, str]] = field(default_factory=list)
    lengths: tuple[int, int] = (LONG, LONG)
    stochastic: bool = False
    n_trajectories: int = 60


FLOCKS = System(
    name="Flocks at three temperatures",
    description="Birds of a feather align with their neighbours.",
    observables=[
        {"name": "energy", "label": "pair energy", "unit": "ε"},
        {"name": "rg", "label": "radius of gyration", "unit": "nm"},
    ],
    tests={
        "held_out": {"label": "Held out", "sentence": "same distribution as training"},
        "hotter": {"label": "Hotter box", "sentence": ""},
    },
    size={"held_out": 1.0, "hotter": 6.0},
    features=["x", "y", "vx", "vy"],
    time_unit="ps",
    context=[{"name": "temperature", "unit": "K"}],
    lengths=(SHORT, LONG),
)

FILAMENT = System(
    name="A filament in a stream",
    description="",
    observables=[{"name": "extension", "label": "extension", "unit": "µm"}],
    tests={"folded": {"label": "Folded start", "sentence": "one folded first microstate"}},
    size={"folded": 2.0},
    features=["x", "y"],
    stochastic=True,
)


def write_run(
    path: Path,
    system: System = FLOCKS,
    seeds: tuple[int, ...] = (0,),
    species: tuple[str, ...] = ("birds",),
    shared_times: bool = True,
    configuration: str = "name: Flocks at three temperatures\nbandwidth: 0.01\n",
) -> Path:
    """Write a run of the given ``seeds`` to ``path`` and return it."""
    path.mkdir(parents=True)
    M = system.n_trajectories
    counts = {"train": 8, "validation": 3, **dict.fromkeys(system.tests, M)}
    info = {
        "schema": 2,
        "name": system.name,
        "description": system.description,
        "status": "complete",
        "seeds": list(seeds),
        "method": "density",
        "closure_dim": C,
        "bandwidth": 0.05,
        "stochastic": system.stochastic,
        "observables": system.observables,
        "time_unit": system.time_unit,
        "features": system.features,
        "species": list(species),
        "context": system.context,
        "tests": system.tests,
        "data": {
            name: {
                "path": f"{name}.zarr",
                "fingerprint": f"{name:a<16}",
                "n_trajectories": n,
                "frames": list(system.lengths),
                "particles": [20, 24],
            }
            for name, n in counts.items()
        },
        "videos": "The flock from above.",
        "provenance": {
            "commit": "4f453a2c0ffee4f453a2c0ffee4f453a2c0ffee0",
            "dirty": False,
            "started": "2026-01-05T10:00:00+00:00",
            "versions": {"python": "3.11.2", "setclosure": "0.1.0", "torch": "2.13.0", "numba": None},
            "machine": {
                "processor": "Example CPU @ 2.5 GHz",
                "cores": 2,
                "memory_gib": 23.4,
                "system": "Linux-6.1",
                "gpu": None,
            },
        },
        "resumed": [],
    }
    _json(path / "run.json", info)
    (path / "config.yaml").write_text(configuration)
    model: dict[str, dict[str, list[float]]] = {}
    naive: dict[str, dict[str, dict[str, float]]] = {}
    for seed in seeds:
        folder = path / f"seed-{seed}" / "evaluation"
        folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        _json(folder.parent / "history.json", _history(rng))
        for test, size in system.size.items():
            arrays = _evaluation(rng, system, size, shared_times)
            np.savez(folder / f"{test}.npz", **arrays)
            of_naive = {"persistence": 1.4, "mean path": 0.8, "linear fit": 1.1}
            for row, factor in of_naive.items():
                naive.setdefault(row, {}).setdefault("rmse", {})[test] = 0.05 * factor
                naive[row].setdefault("mre", {})[test] = 0.02 * factor**2
            for name, value in _metrics(arrays, size).items():
                model.setdefault(name, {}).setdefault(test, []).append(value)
        _permutation(folder / "permutation.npz", rng, system)
        _snapshots(folder / "snapshots.npz", rng, len(species))
    seconds = {"simulate": 132.0, "stage_one": 604.0, "encode": 41.0, "stage_two": 118.0, "evaluate": 22.0}
    table = {name: {test: _summary(of_seeds) for test, of_seeds in tests.items()} for name, tests in model.items()}
    _json(path / "metrics.json", table)
    _json(path / "naive.json", naive)
    times = {step: _summary([s * (1 + 0.02 * k) for k, _ in enumerate(seeds)]) for step, s in seconds.items()}
    _json(path / "seconds.json", times)
    _json(path / "permutation.json", {"deviation": _summary([3.1e-7 * (1 + 0.1 * k) for k, _ in enumerate(seeds)])})
    return path


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def _summary(values: list[float]) -> Any:
    if len(values) == 1:
        return values[0]
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)), "values": values}


def _metrics(arrays: dict[str, np.ndarray], size: float) -> dict[str, float]:
    rmse = 0.01 * size
    return {
        "diverged": float((arrays["status"] == 1).sum()),
        "outside": float((arrays["status"] == 2).sum()),
        "mre": float(np.mean(arrays["error"])),
        "rmse": rmse,
        "skill": 1 - (rmse / 0.04) ** 2,  # the mean path has 0.04
    }


def _paths(rng: np.random.Generator, times: np.ndarray, o: int) -> np.ndarray:
    """Observables (M, T, o) that fall fast, then slowly, to one value, over times (M, T)."""
    M = len(times)
    fast, slow = rng.uniform(2.0, 4.0, (2, M, 1, o))
    share = rng.uniform(0.3, 0.7, (M, 1, o))
    height = rng.uniform(0.05, 0.3, (M, 1, o))
    t = times[..., None]
    decay = share * np.exp(-fast * t) + (1 - share) * np.exp(-((t / slow * 2.2) ** 2))
    return (0.2283 + height * decay) * 10.0 ** np.arange(o)


def _evaluation(rng: np.random.Generator, system: System, size: float, shared_times: bool) -> dict[str, np.ndarray]:
    M, T, o = system.n_trajectories, max(system.lengths), len(system.observables)
    lengths = np.where(np.arange(M) % 3 == 0, min(system.lengths), T)
    steps = np.full((M, 1), 0.08) if shared_times else rng.uniform(0.05, 0.12, (M, 1))
    times = steps * np.arange(T)
    truth = _paths(rng, times, o)
    spread = size * 1e-3 * rng.lognormal(0, 0.8, (M, 1, 1)) * 10.0 ** np.arange(o)
    wobble = np.sin(times * rng.uniform(0.5, 1.5, (M, 1)) + rng.uniform(0, 6, (M, 1)))[..., None]
    predicted = truth + spread * (wobble - wobble[:, :1])
    status, status_step = np.zeros(M, dtype=int), np.full(M, -1)
    if size > 2:
        status[[3, 11]], status_step[[3, 11]] = 2, [20, 30]
        status[7], status_step[7] = 1, 40
        predicted[7, 40:] = predicted[7, 39]
    there = (np.arange(T) < lengths[:, None])[..., None]
    squared = np.where(there, (predicted - truth) ** 2, 0)[:, 1:].sum((1, 2))
    error = squared / np.where(there, truth**2, 0)[:, 1:].sum((1, 2))
    in_range = np.ones(M, dtype=bool)
    in_range[rng.choice(M, 9 if size > 2 else 1, replace=False)] = False
    picks = np.array([0, 7 if size > 2 else 1, 2])
    of_picks = times[picks][..., None]
    closure = np.exp(-of_picks / rng.uniform(0.5, 3, (3, 1, C))) * np.cos(of_picks + rng.uniform(0, 6, (3, 1, C)))
    if system.stochastic:
        noise = 0.01 * rng.standard_normal((M, 12, T, 1)).cumsum(-2) / np.sqrt(T)
        predicted = predicted[:, None] + noise
    arrays = {
        "lengths": lengths,
        "times": _behind(times, lengths),
        "truth": _behind(truth, lengths),
        "predicted": _behind(predicted, lengths),
        "observable_names": np.array([observable["name"] for observable in system.observables]),
        "status": status,
        "status_step": status_step,
        "error": error,
        "in_range": in_range,
        "picks": picks,
        "closure_true": closure,
        "closure_predicted": closure + 0.02 * size * np.sin(of_picks) * rng.standard_normal((3, 1, C)),
    }
    if system.context:
        arrays["context"] = (280.0 if size < 2 else 340.0) + 20.0 * (np.arange(M) % 3)[:, None]
        arrays["context_names"] = np.array([entry["name"] for entry in system.context])
    return arrays


def _behind(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Repeat the last value behind the end of each trajectory: (M, T, …) or, with samples, (M, R, T, o)."""
    out = values.copy()
    for m, length in enumerate(lengths):
        if values.ndim == 4:
            out[m, :, length:] = out[m, :, length - 1 : length]
        else:
            out[m, length:] = out[m, length - 1]
    return out


def _history(rng: np.random.Generator) -> dict[str, list[dict[str, float | None]]]:
    def stage(start: float, end: float, steps: int, rate: float) -> list[dict[str, float | None]]:
        records: list[dict[str, float | None]] = []
        for step in np.linspace(10, steps, 400).astype(int):
            loss = end + (start - end) / (1 + step / (0.02 * steps)) * float(rng.lognormal(0, 0.08))
            records.append(
                {
                    "step": int(step),
                    "seconds": 0.067 * float(step),
                    "train_loss": loss,
                    "validation_loss": loss * 1.03 if len(records) % 10 == 0 else None,
                    "learning_rate": rate * 0.5 * (1 + float(np.cos(np.pi * step / steps))),
                }
            )
        return records

    return {"stage_one": stage(2.5, -0.9, 9000, 1e-3), "stage_two": stage(0.9, 2e-3, 6000, 2e-3)}


def _permutation(path: Path, rng: np.random.Generator, system: System) -> None:
    times = 0.08 * np.arange(LONG)
    truth = _paths(rng, times[None], len(system.observables))[0]
    predicted = truth * (1 + 1e-3 * np.sin(times))[:, None]
    np.savez(
        path,
        times=times,
        truth=truth,
        predicted=np.stack([predicted * (1 + 1e-7 * k) for k in range(3)]),
        deviation=3.1e-7,
    )


def _snapshots(path: Path, rng: np.random.Generator, S: int) -> None:
    frames, G, eps = np.array([0, 8, 18, 36, 72]), 64, 0.06
    N = 300
    species = np.arange(N) % S
    start = np.where(np.arange(N)[:, None] % 2 == 0, [-0.6, 0.35], [0.5, -0.4]) + 0.12 * rng.standard_normal((N, 2))
    angle = np.arctan2(start[:, 1], start[:, 0]) + 0.5 * rng.standard_normal(N)
    radius = 0.5 + 0.1 * species + 0.015 * rng.standard_normal(N)
    ring = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    mix = 1 - np.exp(-frames / 12.0)
    points = (1 - mix[:, None, None]) * start + mix[:, None, None] * ring
    x, y = np.linspace(-1.2, 1.2, G), np.linspace(-1.0, 1.0, G + 4)
    mesh = np.stack(np.meshgrid(x, y), -1)

    def density(width: float) -> np.ndarray:
        out = np.zeros((len(frames), S, len(y), len(x)))
        for f in range(len(frames)):
            for s in range(S):
                mine = points[f, species == s]
                squared = ((mesh[:, :, None] - mine) ** 2).sum(-1)
                out[f, s] = np.exp(-squared / (2 * width**2)).mean(-1) / (2 * np.pi * width**2)
        return out

    np.savez(
        path,
        frames=frames,
        times=frames * 0.08,
        points=points,
        species=species,
        grid_x=x,
        grid_y=y,
        decoded=density(1.2 * eps),
        target=density(eps),
    )
