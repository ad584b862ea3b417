"""The library without the paper: own data, a density model and the commands need nothing of it."""

from __future__ import annotations

import pytest
from tests.experiments.flock import configuration, flock, python

WITHOUT_PAPER = """
import sys
sys.modules["setclosure.paper"] = None  # importing it, or anything in it, is an error
import importlib.metadata as metadata
found = metadata.entry_points  # as if the paper's plugins were not installed
metadata.entry_points = lambda **of: () if of.get("group", "").startswith("setclosure") else found(**of)
import numpy as np
import setclosure

data = setclosure.TrajectoryDataset.open("train.zarr")
estimator = setclosure.ClosureEstimator(
    "density", closure_dim=2, bandwidth=0.1, encoder={"width": 8}, decoder={"layers": 1, "bins": 4, "hidden": 8},
    training={"stage_one": {"steps": 4, "batch_sets": 4}, "stage_two": {"steps": 4, "batch_pairs": 8}},
)
model = estimator.fit(data, progress=False)
x0 = data.first(data.usable[:2])
z0 = np.stack([z[0] for z in data.observables(data.usable[:2])])
future = model.predict(x0, 3, context={"temperature": 1.0}, observables=z0)
assert future.observables.shape == (2, 1, 4, 2) and np.isfinite(future.observables).all()

from setclosure.experiments.cli import main
sys.argv = ["setclosure", "--quiet", "run", "my.yaml", "--out", "run"]
try:
    main.main()
except SystemExit as end:
    assert not end.code
assert not [name for name in sys.modules if name.startswith("setclosure.paper.")]
print("reached the end")
"""


@pytest.mark.slow
def test_own_data_are_learned_and_predicted_without_the_paper(tmp_path):
    flock(tmp_path / "train.zarr", [0.8, 1.0, 1.2, 1.4], 0)
    flock(tmp_path / "test.zarr", [0.9, 1.1], 1)
    configuration(tmp_path / "my.yaml", {"train": "train.zarr", "tests": {"held_out": "test.zarr"}})
    ended = python("-c", WITHOUT_PAPER, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "reached the end" in ended.stdout
    assert (tmp_path / "run" / "report.html").exists()
