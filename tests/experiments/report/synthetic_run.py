"""A small synthetic run folder: two clusters relax to a ring, their energy decays, a model follows it nearly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

T, M, C = 301, 60, 8
SPLITS = {"in_dst": 1.0, "diff_init": 4.0, "diff_n": 1.1}


def write_run(
    path: Path,
    seeds: tuple[int, ...] = (0,),
    n_species: int = 1,
    stochastic: bool = False,
    configuration: str = "study: interacting_particles\npreset: released\nbandwidth: 0.01\n",
) -> Path:
    """Write a run of the given ``seeds`` to ``path`` and return it."""
    path.mkdir(parents=True)
    info = {
        "schema": 1,
        "study": "interacting_particles",
        "status": "complete",
        "seeds": list(seeds),
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
        "ensembles": {
            name: {"fingerprint": f"{name:a<16}", "n_trajectories": n, "n_frames": T, "max_particles": 300}
            for name, n in {"train": 1000, "validation": 100, **dict.fromkeys(SPLITS, M)}.items()
        },
        "bandwidth": 0.05,
        "closure_dim": C,
    }
    _json(path / "run.json", info)
    (path / "config.yaml").write_text(configuration)
    values: dict[str, dict[str, list[float]]] = {"mre": {}, "mre_scaled": {}, "diverged": {}, "outside": {}}
    for seed in seeds:
        folder = path / f"seed-{seed}" / "evaluation"
        folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        _json(folder.parent / "history.json", _history(rng))
        for split, scale in SPLITS.items():
            arrays = _evaluation(rng, scale, stochastic)
            np.savez(folder / f"{split}.npz", **arrays)
            mre = float(np.nanmean(arrays["error"][np.isfinite(arrays["error"])]))
            for name, value in {
                "mre": mre,
                "mre_scaled": 1.15 * mre,
                "diverged": float((arrays["status"] == 1).sum()),
                "outside": float((arrays["status"] == 2).sum()),
            }.items():
                values[name].setdefault(split, []).append(value)
        _permutation(folder / "permutation.npz", rng)
        _snapshots(folder / "snapshots.npz", rng, n_species)
    seconds = {"simulate": 132.0, "stage_one": 604.0, "encode": 41.0, "stage_two": 118.0, "evaluate": 22.0}
    metrics: dict[str, Any] = {
        name: {split: _summary(of_seeds) for split, of_seeds in splits.items()} for name, splits in values.items()
    }
    metrics["permutation"] = {"deviation": _summary([3.1e-7 * (1 + 0.1 * k) for k, _ in enumerate(seeds)])}
    metrics["seconds"] = {
        name: _summary([s * (1 + 0.02 * k) for k, _ in enumerate(seeds)]) for name, s in seconds.items()
    }
    _json(path / "metrics.json", metrics)
    return path


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def _summary(values: list[float]) -> Any:
    if len(values) == 1:
        return values[0]
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)), "values": values}


def _energy(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Energies (n, T) that fall fast, then slowly, to one value; and their times."""
    times = np.linspace(0, 6, T)
    fast, slow = rng.uniform(2.0, 4.0, (2, n, 1))
    share = rng.uniform(0.3, 0.7, (n, 1))
    height = rng.uniform(0.05, 0.3, (n, 1))
    decay = share * np.exp(-fast * times) + (1 - share) * np.exp(-((times / slow * 2.2) ** 2))
    return times, 0.2283 + height * decay


def _evaluation(rng: np.random.Generator, scale: float, stochastic: bool) -> dict[str, np.ndarray]:
    times, truth = _energy(rng, M)
    size = scale * 1e-3 * rng.lognormal(0, 0.8, (M, 1))
    wobble = np.sin(times * rng.uniform(0.5, 1.5, (M, 1)) + rng.uniform(0, 6, (M, 1)))
    predicted = truth + size * (wobble - wobble[:, :1])
    status, status_step = np.zeros(M, dtype=int), np.full(M, -1)
    if scale > 2:
        status[[3, 11]], status_step[[3, 11]] = 2, [90, 150]
        status[7], status_step[7] = 1, 200
        predicted[7, 200:] = np.nan
    error = ((predicted - truth) ** 2)[:, 1:].sum(1) / (truth[:, 1:] ** 2).sum(1)
    in_range = np.ones(M, dtype=bool)
    in_range[rng.choice(M, 9 if scale > 2 else 1, replace=False)] = False
    picks = np.array([0, 7 if scale > 2 else 1, 2])
    phase = rng.uniform(0, 6, (3, 1, C))
    closure = np.exp(-times[None, :, None] / rng.uniform(0.5, 3, (3, 1, C))) * np.cos(times[None, :, None] + phase)
    if stochastic:
        noise = 0.01 * rng.standard_normal((M, 12, T)).cumsum(-1) / np.sqrt(T)
        predicted = predicted[:, None] + noise
    return {
        "times": times,
        "truth": truth[..., None],
        "predicted": predicted[..., None],
        "observable_names": np.array(["pair_energy"]),
        "status": status,
        "status_step": status_step,
        "error": error,
        "in_range": in_range,
        "picks": picks,
        "closure_true": closure,
        "closure_predicted": closure + 0.02 * scale * np.sin(times)[None, :, None] * rng.standard_normal((3, 1, C)),
    }


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


def _permutation(path: Path, rng: np.random.Generator) -> None:
    times, truth = _energy(rng, 1)
    predicted = truth[0] * (1 + 1e-3 * np.sin(times))
    np.savez(
        path,
        times=times,
        truth=truth[0][:, None],
        predicted=np.stack([predicted * (1 + 1e-7 * k) for k in range(3)])[..., None],
        deviation=3.1e-7,
    )


def _snapshots(path: Path, rng: np.random.Generator, S: int) -> None:
    frames, G, eps = np.array([0, 30, 75, 150, 300]), 64, 0.06
    N = 300
    species = np.arange(N) % S
    start = np.where(np.arange(N)[:, None] % 2 == 0, [-0.6, 0.35], [0.5, -0.4]) + 0.12 * rng.standard_normal((N, 2))
    angle = np.arctan2(start[:, 1], start[:, 0]) + 0.5 * rng.standard_normal(N)
    radius = 0.5 + 0.1 * species + 0.015 * rng.standard_normal(N)
    ring = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    mix = 1 - np.exp(-frames / 50.0)
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
        times=frames * 0.02,
        points=points,
        species=species,
        grid_x=x,
        grid_y=y,
        decoded=density(1.2 * eps),
        target=density(eps),
    )
