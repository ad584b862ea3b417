"""A comparison trains candidates, goes on where it stopped, and says whether a closure pays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from setclosure.errors import ConfigurationError, ModelError, RunError, SetclosureWarning
from setclosure.experiments.candidates import candidates
from setclosure.experiments.cli.main import app
from setclosure.experiments.compare import compare
from setclosure.experiments.compared import verdict
from setclosure.experiments.configuration import load_study
from setclosure.model.specification import ModelSettings
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateKind
from setclosure.trajectories.dataset import TrajectoryDataset

MOVING = MicrostateKind(Features(2, vectors=1))


@pytest.fixture
def configuration(tmp_path):
    """A mixture in a cell whose surroundings decide its observable."""
    rng = np.random.default_rng(0)
    for name, M in (("train", 6), ("validation", 3), ("warm", 3)):
        x = np.cumsum(rng.normal(size=(M, 8, 30, 2)) * 0.1, axis=1) % 5
        kinds = rng.integers(0, 2, (M, 30))
        observables = np.cumsum(rng.normal(size=(M, 8)), axis=1)
        TrajectoryDataset.from_arrays(
            tmp_path / f"{name}.zarr", x, observables, times=range(8), species=kinds, cell=[5.0, 5.0]
        )
    path = tmp_path / "my.yaml"
    path.write_text(
        "data: {train: train.zarr, validation: validation.zarr, tests: {warm: warm.zarr}}\n"
        "model: {closure_dim: 2, decoder: {layers: 1, bins: 4, hidden: 8, blocks: 0}, reconstruction: {samples: 8}}\n"
        "training: {stage_one: {batch_sets: 4}, stage_two: {batch_pairs: 32}}\n"
    )
    return path


def test_what_is_compared_depends_on_the_microstates():
    usual = list(candidates(ModelSettings(), MOVING))
    assert usual[0] == "none"
    assert {"pooled on features, c = 4", "density on environment (n_radii 4)", "density on radial"} <= set(usual)
    in_a_cell = list(candidates(ModelSettings(), MicrostateKind(2, 2, periodic=(True, True))))
    assert not any("radial" in name for name in in_a_cell)
    assert "pooled on environment (numbers both), c = 8" in in_a_cell
    assert list(candidates(ModelSettings(), MOVING, ["density"], ["features+radial"])) == [
        "density on features and radial"
    ]
    with pytest.raises(ConfigurationError, match="no descriptor 'enviroment'; known: bond_order"):
        candidates(ModelSettings(), MOVING, [], ["enviroment"])
    with pytest.raises(ModelError, match="a periodic cell has none"):
        candidates(ModelSettings(), MicrostateKind(2, periodic=(True, True)), [], ["radial"])


@pytest.mark.slow
def test_a_comparison_is_ranked_kept_and_gone_on_with(configuration, tmp_path, monkeypatch):
    study = load_study(configuration)
    datasets, steps = study.open(None), {"stage_one": 4, "stage_two": 6}
    results = compare(study, datasets, tmp_path / "out", ["none", "pooled"], ["environment"], steps)
    assert [result.error for result in results] == sorted(result.error for result in results)
    assert {"none", "pooled on environment, c = 2"} <= {result.name for result in results}
    assert sum("longer horizons" in result.name for result in results) == 3
    stored = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [row["name"] for row in stored["results"]] == [result.name for result in results]
    best = load_study(tmp_path / "out" / "chosen.yaml")
    assert best.model.model_dump(mode="json") == results[0].model
    monkeypatch.setattr("setclosure.experiments.compare.ClosureEstimator", None)  # nothing is trained again
    assert compare(study, datasets, tmp_path / "out", ["none", "pooled"], ["environment"], steps) == results
    with pytest.raises(RunError, match="holds a comparison"):
        compare(study, datasets, tmp_path / "out", ["none"], ["environment"], steps)


@pytest.mark.slow
def test_a_candidate_that_cannot_be_trained_is_left_out_by_name(configuration, tmp_path):
    study, steps = load_study(configuration), {"stage_one": 4, "stage_two": 6}
    narrow = {"name": "environment", "radii": [4.0]}
    model = ModelSettings.parse(study.model.model_dump(mode="json") | {"descriptors": [narrow]})
    study = study.model_copy(update={"model": model})
    with pytest.warns(
        SetclosureWarning, match=r"candidate 'pooled on environment \(radii .*is left out: .*narrow|wide"
    ):
        results = compare(study, study.open(None), tmp_path / "out", ["none", "pooled"], [], steps)
    assert any(result.name == "none" for result in results)
    assert not any("radii" in result.name for result in results)


@pytest.mark.slow
def test_the_command_says_what_pays_and_trains_the_best(configuration, tmp_path):
    out = tmp_path / "out"
    command = ["compare", str(configuration), "--out", str(out), "--methods", "none,pooled"]
    command += ["--descriptors", "environment", "--steps", "4,6", "--retrain"]
    command += ["--set", "training.stage_two.steps=6", "--set", "training.stage_two.steps_per_epoch=3"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "Candidates by the error of their validation rollouts" in result.output
    assert "Best: " in result.output
    assert (out / "run" / "report.html").is_file()
    wrong = CliRunner().invoke(app, [*command[:4], "--steps", "many"])
    assert isinstance(wrong.exception, ConfigurationError)


def test_words_for_every_outcome():
    from setclosure.experiments.compare import Result

    def results(*rows):
        return [Result(name, {}, error, numbers, 1.0) for name, error, numbers in rows]

    assert "No closure pays" in verdict(results(("none", 0.2, 0), ("pooled", 0.3, 4)))[1]
    assert "hardly pays" in verdict(results(("pooled", 0.29, 4), ("none", 0.3, 0)))[1]
    assert "0.5 times" in verdict(results(("pooled", 0.15, 4), ("none", 0.3, 0)))[1]
    assert len(verdict(results(("pooled", 0.15, 4)))) == 1
