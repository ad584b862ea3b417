"""Record what version 0.1 computed, for the golden test.

The numbers in ``golden.json`` come from the program as it was before its rooms were rebuilt, at commit e827794, and not
from the present one. They were made by two commands::

    git worktree add /tmp/old e827794
    PYTHONPATH=/tmp/old/src python tests/golden/record.py run /tmp/golden      # old program, old keys
    python tests/golden/record.py write /tmp/golden                            # → tests/golden/golden.json

The first simulates, trains and evaluates three tiny studies on one thread. The second writes their losses, a sum and a
sum of squares for every tensor of weights, a prediction, and all metrics, under the names that the present program has
for them.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

TARGET = Path(__file__).with_name("golden.json")

_DECODER = {"layers": 2, "bins": 4, "hidden": 16, "blocks": 1}
PARTICLES: dict[str, Any] = {
    "study": "interacting_particles",
    "simulation": {
        "system": {"n_particles": 24, "n_frames": 31, "time_step": 0.02},
        "diff_n_particles": 30,
        "trajectories": {"train": 8, "validation": 2, "in_dst": 3, "diff_init": 3, "diff_n": 2},
    },
    "model": {
        "closure_dim": 3,
        "bandwidth": 0.05,
        "symmetry": "euclidean",
        "encoder": {"width": 16},
        "decoder": _DECODER,
        "reconstruction": {"samples": 16},
        "drift": {"hidden": [16, 16]},
    },
    "training": {
        "stage_one": {"steps": 40, "batch_sets": 8, "validation_sets": 8, "steps_per_epoch": 10},
        "stage_two": {"steps": 80, "batch_pairs": 64, "steps_per_epoch": 20, "views": 2},
        "trainer": {"accelerator": "cpu"},
    },
}
MIXTURE: dict[str, Any] = {
    "study": "lennard_jones",
    "simulation": {
        "system": {
            "rows": 6,
            "width": 9.0,
            "height": 9.0,
            "boundaries": [[3.0, 6.0]],
            "n_frames": 6,
            "relaxation_steps": 200,
        },
        "diff_init_boundaries": [[2.0, 3.0]],
        "diff_n_rows": 5,
        "diff_n_height": 8.0,
        "shown_boundaries": [3, 4.5],
        "trajectories": {"train": 6, "validation": 2, "in_dst": 4, "diff_init": 4, "diff_n": 4, "each_boundary": 3},
    },
    "model": {
        "closure_dim": 1,
        "bandwidth": 0.05,
        "encoder": {"width": 16},
        "decoder": _DECODER,
        "reconstruction": {"samples": 16},
        "drift": {"hidden": [16]},
        "diffusion": {"name": "diagonal", "hidden": [8]},
    },
    "training": {
        "stage_one": {"steps": 20, "batch_sets": 4, "validation_sets": 8, "steps_per_epoch": 10},
        "stage_two": {"steps": 20, "batch_pairs": 16, "steps_per_epoch": 10},
        "trainer": {"accelerator": "cpu"},
    },
}
POLYMER: dict[str, Any] = {
    "study": "polymer",
    "simulation": {
        "system": {
            "n_beads": 12,
            "extension_rate": 0.1,
            "frame_interval": 1.0,
            "n_frames": 9,
            "lead_frames": 2,
            "n_candidates": 12,
        },
        "trajectories": {"train": 6, "validation": 2, "each_test": 4},
    },
    "model": {
        "closure_dim": 2,
        "bandwidth": 0.5,
        "decoder": _DECODER,
        "reconstruction": {"samples": 16},
        "drift": {"hidden": [16]},
        "diffusion": {"name": "full", "hidden": [8]},
    },
    "training": {
        "stage_one": {"steps": 8, "batch_sets": 4, "validation_sets": 4, "steps_per_epoch": 4},
        "stage_two": {"steps": 20, "batch_pairs": 16, "steps_per_epoch": 10},
        "trainer": {"accelerator": "cpu"},
    },
}

STUDIES = {"particles": PARTICLES, "mixture": MIXTURE, "polymer": POLYMER}
"""Configurations in the keys of version 0.1."""


def run(root: Path) -> None:
    """Run every study with version 0.1."""
    import torch
    from setclosure.studies import pipeline  # type: ignore[import-not-found]
    from setclosure.studies.configuration import parse_study  # type: ignore[import-not-found]

    torch.set_num_threads(1)
    for name, values in STUDIES.items():
        study, data = parse_study(values, "golden"), root / name / "data"
        pipeline.simulate(study, data, 2)
        pipeline.train(study, data, root / name / "run")
        pipeline.evaluate(root / name / "run", data)


def present_keys(values: dict[str, Any]) -> dict[str, Any]:
    """Write a configuration of version 0.1 in the keys of the present program."""
    values = copy.deepcopy(values)
    model = values["model"]
    diffusion = model.pop("diffusion", None)
    dynamics = {"name": "euler_maruyama" if diffusion else "ode", "drift": model.pop("drift")}
    model["dynamics"] = dynamics | ({"diffusion": diffusion} if diffusion else {})
    return values


def present_name(tensor: str) -> str:
    """Give the name that the present program has for a tensor of version 0.1."""
    renamed = tensor.replace("autoencoder.frame.", "autoencoder.coordinates.")
    return renamed.replace("drift_network.", "drift_network.network.")


def moments(tensor: np.ndarray) -> list[float]:
    """Give the number of finite values of a tensor, their sum, and the sum of their squares."""
    values = tensor[np.isfinite(tensor)].astype(np.float64)
    return [float(values.size), float(values.sum()), float(np.square(values).sum())]


def write(root: Path) -> None:
    """Write the results of version 0.1 to :data:`TARGET`."""
    golden: dict[str, Any] = {}
    for name, values in STUDIES.items():
        folder = root / name / "run"
        facts = json.loads((folder / "run.json").read_text())
        history = json.loads((folder / "seed-0" / "history.json").read_text())
        weights = safetensors.numpy.load_file(folder / "seed-0" / "model" / "weights.safetensors")
        metrics = json.loads((folder / "metrics.json").read_text())
        tests = [test for test in facts["ensembles"] if test not in ("train", "validation")]
        with np.load(folder / "seed-0" / "evaluation" / f"{tests[0]}.npz") as curves:
            truth, predicted = curves["truth"], curves["predicted"][0]
        golden[name] = {
            "commit": facts["provenance"]["commit"],
            "processor": facts["provenance"]["machine"]["processor"],
            "configuration": present_keys(values),
            "losses": {
                stage: {kind: [row[kind] for row in rows] for kind in ("train_loss", "validation_loss")}
                for stage, rows in history.items()
            },
            "weights": {present_name(key): moments(tensor) for key, tensor in sorted(weights.items())},
            "test": tests[0],
            "truth": truth.tolist(),
            "predicted": predicted.astype(np.float64).tolist(),
            "metrics": {name: of for name, of in metrics.items() if name not in ("seconds", "permutation")},
        }
    TARGET.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    {"run": run, "write": write}[sys.argv[1]](Path(sys.argv[2]))
