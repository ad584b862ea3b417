"""Cost of training on sets that vary in size, beside training on sets that do not."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.pixels import stretched_chains
from setclosure.experiments.configuration import load_study
from setclosure.model.autoencoder import Autoencoder
from setclosure.paper.images.trajectories import image_trajectory
from setclosure.sets.microstates import MicrostateKind
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import TrajectoryDataset

LAPTOP = Path(__file__).parent.parent / "configs" / "polymer" / "laptop.yaml"
PULLS = np.linspace(0.75, 2.5, 200)
"""From a chain whose image has about 900 pixels, as an equilibrium coil has, to a stretched one with twice as many."""

ROUNDS = 15


def ragged_training() -> dict[str, Any]:
    """Particles a second of a step of stage one on pixel sets: drawn from memory, assembled, and the optimiser's step.

    The rival has sets of one size, the mean of the others, and otherwise the same: the sets of pixels with some left
    out or doubled. A ratio of at least 2/3 is a cost per particle of at most 1.5 times the rival's.
    """
    rng = np.random.default_rng(0)
    images = image_trajectory(stretched_chains(PULLS), range(len(PULLS)))
    sets = [np.asarray(x[x[:, 2] > 0]) for x in images.points]  # behind its pixels a frame has zeros
    sizes = [len(x) for x in sets]
    size = round(statistics.mean(sizes))
    equal = [x[np.resize(rng.permutation(len(x)), size)] for x in sets]
    with tempfile.TemporaryDirectory() as folder:
        ragged, fixed = (_step(Path(folder) / name, x) for name, x in (("ragged.zarr", sets), ("fixed.zarr", equal)))
        ragged(), fixed()
        pairs = [(ragged(), fixed()) for _ in range(ROUNDS)]
    return {
        "name": "ragged_training",
        "value": statistics.median(own for own, _ in pairs),
        "unit": f"particles/s of sets of {min(sizes)} to {max(sizes)} pixels",
        "ratio": {f"sets of {size} pixels": statistics.median(own / other for own, other in pairs)},
    }


def _step(path: Path, sets: list[np.ndarray]) -> Callable[[], float]:
    """A function that takes one step of stage one, and returns the particles of its batch over its time."""
    study = load_study(LAPTOP)
    stage = study.training.stage_one
    data = TrajectoryDataset.from_arrays(path, [sets], "extension", times=range(len(sets)))
    source = MicrostateSource(data, limit_bytes=2**30)
    rng, stream = np.random.default_rng(0), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = Autoencoder(study.model, MicrostateKind(3, 1, data.layout.max_particles))
    model.coordinates.fit(source.batch(np.zeros(len(sets), int), np.arange(len(sets))))
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> float:
        start = time.perf_counter()
        frames = rng.integers(len(sets), size=stage.batch_sets)
        batch = source.batch(np.zeros(stage.batch_sets, int), frames)
        optimiser.zero_grad()
        model.loss(batch, stream).mean().backward()
        optimiser.step()
        return int(batch.counts.sum()) / (time.perf_counter() - start)

    return step


if __name__ == "__main__":
    print(json.dumps(ragged_training(), indent=2))
