"""The worked example of CONTRIBUTING.md does what it says, and the README's numbers are those of the results."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import setclosure.model.methods
from setclosure.model.closure_model import ClosureModel
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.observables import registered as registry
from setclosure.experiments.pipeline import open_split
from setclosure.fit.training import FitSettings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def _block(first_line):
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    return next(block for block in blocks if block.startswith(first_line))


@pytest.fixture
def moments(monkeypatch, tmp_path):
    """The example as a module, and its row in the table of methods for the time of a test."""
    path = tmp_path / "moments.py"
    path.write_text(_block("# src/setclosure/encoders/moments.py"))
    spec = importlib.util.spec_from_file_location("setclosure.encoders.moments", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    before = dict(setclosure.model.methods.METHODS)
    exec(_block("# a row of METHODS"), vars(setclosure.model.methods) | {"MomentsConfig": module.MomentsConfig})
    yield module
    setclosure.model.methods.METHODS.clear()
    setclosure.model.methods.METHODS.update(before)


def test_the_encoder_of_the_guide_ignores_order_and_padding(moments):
    encoder = moments.MomentsConfig(order=3, width=8).build(MicrostateKind(2), 4).double()
    rng = np.random.default_rng(0)
    small, large = rng.normal(size=(5, 2)), rng.normal(size=(9, 2))
    together = encoder(MicrostateBatch.from_arrays([small, large], dtype=encoder.rho[0].weight.dtype))
    alone = encoder(MicrostateBatch.from_arrays(small[::-1].copy(), dtype=encoder.rho[0].weight.dtype))
    assert together.shape == (2, 1, 4)
    assert np.allclose(together[0].detach(), alone[0].detach(), rtol=1e-12)
    assert not np.allclose(together[0].detach(), together[1].detach())


def test_the_method_of_the_guide_trains_saves_and_loads(moments, tiny_data, tiny_study, tmp_path):
    model = ClosureModel(
        method="ours-moments",
        closure_dim=2,
        bandwidth=0.05,
        encoder={"order": 2, "width": 8},
        decoder={"layers": 1, "bins": 4, "hidden": 8, "blocks": 0},
        reconstruction={"samples": 8},
    )
    budget = {"steps": 4, "steps_per_epoch": 2}
    training = FitSettings.parse({"stage_one": budget | {"batch_sets": 4}, "stage_two": budget | {"batch_pairs": 8}})
    train = open_split(tiny_data, "train")
    model.fit(train, open_split(tiny_data, "validation"), training=training)
    model.save(tmp_path / "model")
    x = train.trajectory(0)[:3]
    assert np.array_equal(ClosureModel.load(tmp_path / "model").encode(x), model.encode(x))


def test_the_example_of_the_readme_runs(monkeypatch, tmp_path, capsys):
    """With a small budget instead of the default one."""
    budget = {"steps": 4, "steps_per_epoch": 2}
    small = FitSettings.parse({"stage_one": budget | {"batch_sets": 4}, "stage_two": budget | {"batch_pairs": 8}})
    monkeypatch.setattr(FitSettings, "parse", lambda values: small)
    monkeypatch.chdir(tmp_path)
    np.save("my_trajectories.npy", np.random.default_rng(0).normal(size=(6, 5, 7, 2)).cumsum(axis=1))
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    registry.get_observable("extension")  # those of the library register once and must outlive the test
    monkeypatch.setattr(registry, "_REGISTERED", {})  # another example has registered this name
    exec(example, {})
    assert "(1, 1, 101, 1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("start", "table", "metric"),
    [
        ("| setclosure, laptop scale", "table1", "mre_scaled"),
        ("| setclosure, the mixture at laptop scale", "table2", "mmd"),
    ],
)
def test_the_numbers_of_the_readme_are_those_of_the_results(start, table, metric):
    line = next(row for row in (ROOT / "README.md").read_text().splitlines() if row.startswith(start))
    rows = json.loads((ROOT / "results" / "laptop" / f"{table}.json").read_text())["rows"]
    metrics = {split: cell[metric] for split, cell in rows["ours"].items()}
    shown = [tuple(float(number) for number in cell.split("±")) for cell in line.strip("| ").split("|")[2:]]
    kept = [(metrics[split]["mean"], metrics[split]["sd"]) for split in ("in_dst", "diff_init", "diff_n")]
    assert shown == [(float(f"{mean:.2e}"), float(f"{sd:.2e}")) for mean, sd in kept]
