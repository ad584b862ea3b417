"""Fixtures that many tests share: a tiny study, its data sets, a trained run; one thread."""

from __future__ import annotations

import pytest
import torch
import yaml
from hypothesis import settings

settings.register_profile("setclosure", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("setclosure")

TINY = {
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
        "decoder": {"layers": 2, "bins": 4, "hidden": 16, "blocks": 1},
        "reconstruction": {"samples": 16},
        "dynamics": {"drift": {"hidden": [16, 16]}},
    },
    "training": {
        "stage_one": {"steps": 40, "batch_sets": 8, "validation_sets": 8, "steps_per_epoch": 10},
        "stage_two": {"steps": 80, "batch_pairs": 64, "steps_per_epoch": 20, "views": 2},
    },
}
"""The whole main job at a size for tests: seconds, not minutes."""


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Small tensors are slower on several threads, and sums keep one order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory):
    """The tiny study as a file."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture(scope="session")
def tiny_study(tiny_config):
    """The tiny study, read."""
    from setclosure.experiments.configuration import load_study

    return load_study(tiny_config)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory, tiny_study):
    """The data sets of the tiny study."""
    from setclosure.experiments import pipeline

    folder = tmp_path_factory.mktemp("data")
    pipeline.simulate(tiny_study, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_study, tiny_data):
    """A trained and evaluated run of the tiny study."""
    from setclosure.experiments import pipeline

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    pipeline.train(tiny_study, tiny_data, folder)
    pipeline.evaluate(folder, tiny_data)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_run):
    """The trained tiny model."""
    from setclosure.model.closure_model import ClosureModel

    return ClosureModel.load(tiny_run / "seed-0" / "model")
