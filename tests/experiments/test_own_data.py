"""The whole main job on a user's own data, by the real command, and what may be said wrongly about such data."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import yaml
from tests.experiments.flock import configuration, flock, observables_of, python, setclosure, trajectory

from setclosure.errors import ConfigurationError, DatasetError, RunError, SchemaVersionError
from setclosure.evaluation.naive import NAIVE
from setclosure.experiments import pipeline
from setclosure.experiments.configuration import load_study
from setclosure.experiments.run import Run
from setclosure.model.closure_model import ClosureModel
from setclosure.trajectories.dataset import TrajectoryDataset

TESTS = ["held out", "hotter"]
DATA = {
    "train": "data/train.zarr",
    "validation": "data/validation.zarr",
    "tests": {"held out": "data/held_out.zarr", "hotter": {"path": "data/hotter.zarr"}},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data sets and a configuration that names them."""
    folder = tmp_path_factory.mktemp("flocks")
    flock(folder / "data" / "train.zarr", np.linspace(0.5, 1.5, 6), 0)
    flock(folder / "data" / "validation.zarr", [0.7, 1.3], 1)
    flock(folder / "data" / "held_out.zarr", [0.6, 1.0, 1.4], 2)
    flock(folder / "data" / "hotter.zarr", [2.0, 2.5], 3)
    configuration(folder / "my.yaml", DATA)
    return folder


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory):
    """What ``setclosure run`` printed, called in another folder than that of the configuration."""
    ended = setclosure("run", place / "my.yaml", "--out", place / "run", cwd=tmp_path_factory.mktemp("elsewhere"))
    assert ended.returncode == 0, ended.stderr
    return ended


def read(path):
    return json.loads(path.read_text())


@pytest.mark.slow
def test_run_does_the_whole_main_job(place, whole):
    assert {path.name for path in (place / "run").iterdir()} == {
        "config.yaml", "run.json", "metrics.json", "naive.json", "seconds.json", "permutation.json", "report.html",
        "seed-0",
    }  # fmt: skip
    facts = read(place / "run" / "run.json")
    promised = {"schema": 2, "name": "Flocks", "status": "complete", "seeds": [0], "method": "density"}
    promised |= {"closure_dim": 2, "bandwidth": 0.1, "stochastic": False, "resumed": []}
    assert {key: facts[key] for key in promised} == promised
    assert facts["observables"] == [
        {"name": "kinetic energy", "label": "kinetic energy", "unit": "ε"},
        {"name": "spread", "label": "spread", "unit": "nm"},
    ]
    assert facts["context"] == [{"name": "temperature", "unit": "K"}]
    assert (facts["time_unit"], facts["features"]) == ("ps", ["x", "y", "vx", "vy"])
    assert facts["tests"] == {test: {"label": test, "sentence": ""} for test in TESTS}
    train = facts["data"]["train"]
    assert train["path"] == str(place / "data" / "train.zarr")
    assert (train["n_trajectories"], train["frames"], train["particles"]) == (6, [9, 12], [12, 12])
    assert train["context"] == {"temperature": [0.5, 1.5]}
    assert list(facts["data"]) == ["train", "validation", *TESTS]
    assert all(line in whole.stdout for line in ("Flocks", "held out", "hotter", "skill", "Report: "))


def test_the_files_of_numbers_hold_what_they_promise_and_nothing_else(place, whole):
    metrics, naive = read(place / "run" / "metrics.json"), read(place / "run" / "naive.json")
    assert {"rmse", "skill", "mre", "diverged", "effective_rank"} <= set(metrics)
    assert list(naive) == list(NAIVE)
    for by_test in [*metrics.values(), *(by_test for of in naive.values() for by_test in of.values())]:
        assert list(by_test) == TESTS
        assert all(isinstance(value, float) for value in by_test.values())
    assert all({"rmse", "skill", "mre"} <= set(of) for of in naive.values())
    for test in TESTS:
        best = min(naive[name]["rmse"][test] for name in NAIVE)
        assert metrics["skill"][test] == pytest.approx(1 - (metrics["rmse"][test] / best) ** 2)
        assert max(naive[name]["skill"][test] for name in NAIVE) == 0
    assert set(read(place / "run" / "seconds.json")) == {"simulate", "stage_one", "encode", "stage_two", "evaluate"}
    assert read(place / "run" / "seconds.json")["simulate"] == 0
    assert set(read(place / "run" / "permutation.json")) == {"deviation"}


def test_the_curves_are_over_the_frames_of_each_trajectory(place, whole):
    data = TrajectoryDataset.open(place / "data" / "held_out.zarr")
    with np.load(place / "run" / "seed-0" / "evaluation" / "held out.npz") as curves:
        assert curves["lengths"].tolist() == [9, 12, 9]
        assert curves["predicted"].shape == curves["truth"].shape == (3, 12, 2)
        for m, n in enumerate(curves["lengths"]):
            assert np.array_equal(curves["times"][m, :n], data.times(m))
            assert np.allclose(curves["truth"][m, :n], data.observables()[m])
            assert (curves["truth"][m, n:] == curves["truth"][m, n - 1]).all()
        assert curves["context"].ravel().tolist() == [0.6, 1.0, 1.4]
        assert all(np.isfinite(curves[name]).all() for name in ("times", "truth", "predicted", "closure_true"))
        errors = [((p - q)[1:n] / sd) ** 2 for p, q, n, sd in _scaled(curves, place)]
    metrics = read(place / "run" / "metrics.json")
    assert metrics["rmse"]["held out"] == pytest.approx(np.sqrt(np.mean([e.mean() for e in errors])))


def _scaled(curves, place):
    model = ClosureModel.load(place / "run" / "seed-0" / "model")
    scale = model.parts.dynamics.scale[:2].numpy()
    for m, n in enumerate(curves["lengths"]):
        yield curves["predicted"][m], curves["truth"][m], n, scale


@pytest.mark.slow
def test_piece_by_piece_the_numbers_are_the_same(place, whole):
    for arguments in (["train", "my.yaml", "--out", "pieces"], ["evaluate", "pieces"], ["report", "pieces"]):
        ended = setclosure("--quiet", *arguments, cwd=place)
        assert ended.returncode == 0, ended.stderr
    assert (
        "Trained. Next: setclosure evaluate pieces"
        in setclosure("train", "my.yaml", "--out", "pieces", "--resume", cwd=place).stdout
    )
    for file in ("metrics.json", "naive.json", "permutation.json", "config.yaml"):
        assert (place / "pieces" / file).read_bytes() == (place / "run" / file).read_bytes(), file
    again = setclosure("evaluate", "run", cwd=place)  # the data are where the configuration says
    assert again.returncode == 0, again.stderr
    assert read(place / "run" / "metrics.json") == read(place / "pieces" / "metrics.json")
    assert re.search(r"kinetic|RMSE \(training sd\)", again.stdout)


def test_predict_takes_the_context_and_given_observables(place, whole, sc, monkeypatch):
    monkeypatch.chdir(place)
    points = trajectory(1.0, np.arange(2.0), 7)[:1]
    np.savez("x0.npz", points=points, observables=observables_of(points))
    arguments = ["predict", "run", "--initial", "x0.npz", "--steps", 4, "--out", "future.npz"]
    assert "trained with the context temperature" in sc(*arguments)[2]
    assert "reads name=number" in sc(*arguments, "--context", "temperature")[2]
    assert (
        "--context names heat, and this model was trained with the context temperature"
        in sc(*arguments, "--context", "heat=1")[2]
    )
    assert not (place / "future.npz").exists()
    status, out, _ = sc(*arguments, "--context", "temperature=1.0")
    assert status == 0
    assert "microstate 0: " in out
    with np.load("future.npz") as future:
        assert future["observables"].shape == (1, 1, 5, 2)
        assert future["observable_names"].tolist() == ["kinetic energy", "spread"]
        cold = future["observables"]
        assert np.allclose(cold[0, 0, 0], observables_of(points)[0], rtol=1e-5)
    assert sc(*arguments, "--context", "temperature=1.5")[0] == 0
    with np.load("future.npz") as future:
        assert not np.array_equal(future["observables"], cold)


def test_the_model_knows_what_the_features_are(place, whole):
    model = ClosureModel.load(place / "run" / "seed-0" / "model")
    assert model.facts.kind.features == TrajectoryDataset.open(place / "data" / "train.zarr").features
    assert model.facts.kind.features.roles == ("position", "position", "vector", "vector")
    assert model.facts.kind.features.names == ("x", "y", "vx", "vy")


def test_inspect_says_what_data_and_run_are(place, whole, sc):
    status, out, _ = sc("inspect", place / "data" / "hotter.zarr")
    assert status == 0
    for words in ("2 of 2", "9 to 12", "vx (vector)", "kinetic energy", "spread", "temperature", "suspicious"):
        assert words in out
    status, out, _ = sc("inspect", place / "run")
    assert status == 0
    assert all(words in out for words in ("Flocks", "complete", "data set held out", "seed 0"))


def test_the_report_speaks_of_the_users_system_alone(place, whole):
    text = (place / "run" / "report.html").read_text()
    body = re.sub(r"(?s)<script.*?</script>", "", text)
    assert all(words in body for words in ("Flocks", "held out", "hotter", "kinetic energy", "temperature"))
    for words in ("Lennard", "polymer", "in_dst", "diff_init", "diff_n", "pair energy", "mixing ratio", "unravel"):
        assert words.lower() not in body.lower(), words


@pytest.mark.slow
def test_several_seeds_have_mean_and_deviation_and_the_naive_predictions_have_none(place):
    study = load_study(place / "my.yaml", ["seeds=[0, 1]"])
    pipeline.train(study, None, place / "two")
    metrics = pipeline.evaluate(place / "two", None)
    for by_test in metrics.values():
        assert all(set(value) == {"mean", "sd", "values"} and len(value["values"]) == 2 for value in by_test.values())
    assert isinstance(read(place / "two" / "naive.json")["persistence"]["rmse"]["hotter"], float)
    assert len(read(place / "two" / "permutation.json")["deviation"]["values"]) == 2


def test_tests_that_a_list_encoder_cannot_read_are_left_out_and_if_none_is_left_that_is_told(tmp_path):
    for seed, (name, n) in enumerate((("train", 6), ("same", 6), ("more", 7))):
        points = np.random.default_rng(seed).normal(size=(4, 5, n, 2))
        TrajectoryDataset.from_arrays(tmp_path / f"{name}.zarr", points, "extension", times=range(5))
    small = {"encoder": {"width": 8}, "decoder": {"hidden": 8, "depth": 1}}
    data = {"train": "train.zarr", "tests": {"same": "same.zarr", "more": "more.zarr"}}
    model = {"method": "ae-aug", "closure_dim": 2, **small}
    study = load_study(configuration(tmp_path / "my.yaml", data, model=model))
    pipeline.train(study, None, tmp_path / "run")
    assert set(pipeline.evaluate(tmp_path / "run", None)["skill"]) == {"same"}
    study = load_study(tmp_path / "my.yaml", ["data.tests={more: %s}" % (tmp_path / "more.zarr")])
    pipeline.train(study, None, tmp_path / "other")
    with pytest.raises(RunError, match=r"reads lists of 6 particles, and no test has sets of that size\. Test it"):
        pipeline.evaluate(tmp_path / "other", None)


# ── what a configuration may say ──────────────────────────────────────────────────────────────────────────────


def test_relative_paths_are_relative_to_the_file_and_those_of_overrides_to_the_shell(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = load_study(place / "my.yaml")
    assert study.data.train.path == str(place / "data" / "train.zarr")
    assert study.data.tests["hotter"].path == str(place / "data" / "hotter.zarr")
    assert study == load_study(place / "my.yaml", [f"data.train={place / 'data' / 'train.zarr'}"])
    study = load_study(place / "my.yaml", ["data.train=here.zarr", "data.tests.mine={path: there.zarr, blocks: 3}"])
    assert study.data.train.path == str(tmp_path / "here.zarr")
    assert study.data.tests["mine"].path == str(tmp_path / "there.zarr")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.test={a: b.zarr}", r"data\.test: unknown key; did you mean 'tests'\?"),
        ("data.tests.hotter={paht: b.zarr}", r"data\.tests\.hotter\.paht: unknown key; did you mean 'path'\?"),
        ("data.validation={path: b.zarr, frame: [0, 3]}", r"data\.validation\.frame: .*did you mean 'frames'\?"),
        ("data.tests={}", r"data\.tests: .*at least 1"),
        ("data.tests=null", r"data\.tests: "),
        ("data.tests.hotter=7", r"data\.tests\.hotter: a section with keys is expected; got 7"),
        ("data.train=null", r"data\.train: a section with keys is expected; got None"),
        ("data.tests.hotter={path: b.zarr, blocks: 1}", r"blocks: .*greater than or equal to 2; got 1"),
        ("data.tests={a/b: c.zarr}", r"data\.tests\.a/b: this is no name of a file"),
        ("data.tests={a\\b: c.zarr}", r"this is no name of a file"),
        ("data.tests={.hidden: c.zarr}", r"data\.tests\.\.hidden: this is no name of a file"),
        ("data.tests={'': c.zarr}", r"this is no name of a file"),
        ("data.tests={train: c.zarr}", r"data\.tests\.train: this name is taken"),
        ("data.tests={snapshots: c.zarr}", r"data\.tests\.snapshots: this name is taken"),
        ("data.tests={permutation: c.zarr}", r"data\.tests\.permutation: this name is taken"),
        ("model.closure_dims=3", "did you mean 'closure_dim'"),
    ],
)
def test_a_mistake_in_the_section_is_told_with_its_key(place, change, message):
    with pytest.raises(ConfigurationError, match=message):
        load_study(place / "my.yaml", [change])


def test_names_of_tests_may_be_anything_that_a_file_may_be_called(place):
    study = load_study(place / "my.yaml", ["data.tests={T = 300 K: a.zarr, heißer: b.zarr, v1.5: c.zarr}"])
    assert list(study.data.tests) == ["T = 300 K", "heißer", "v1.5"]


@pytest.mark.parametrize("command", ["run", "train"])
def test_a_missing_data_set_is_told_before_a_run_folder_is_made(place, sc, monkeypatch, command):
    monkeypatch.chdir(place)
    status, _, err = sc(command, "my.yaml", "--out", "new", "--set", "data.tests.hotter=nowhere.zarr")
    assert status == 2
    assert f"there is no data set at {place / 'nowhere.zarr'}. Make one with" in err
    status, _, err = sc(command, "my.yaml", "--out", "new", "--data", "data")
    assert status == 2
    assert "names its data in the section 'data'; leave --data out" in err
    assert not (place / "new").exists()


def test_an_unfinished_data_set_is_told_with_its_count_and_the_remedy(place, tmp_path):
    there = TrajectoryDataset.open(place / "data" / "train.zarr")
    half = TrajectoryDataset.create(tmp_path / "half.zarr", there.layout, 6)
    from setclosure.trajectories.layout import Trajectory

    for m in (0, 1, 3, 4):
        points = there.trajectory(m).points.numpy()
        half.commit(m, Trajectory(points, there.observables()[m], times=there.times(m), context=there.context(m)))
    given = f"data.train={half.path}"
    with pytest.raises(DatasetError, match=r"half\.zarr lacks 2 of its 6 .*allow_unfinished: true in the section"):
        load_study(place / "my.yaml", [given]).open(None)
    study = load_study(place / "my.yaml", [given, "data.allow_unfinished=true"])
    run = pipeline.train(study, None, tmp_path / "run")
    pipeline.evaluate(tmp_path / "run", None)
    assert Run(run.folder).facts["data"]["train"]["frames"] == [9, 12]


def test_one_long_trajectory_is_split_in_time(tmp_path):
    flock(tmp_path / "long.zarr", [1.0, 1.2], 0, lengths=(90,))
    data = {
        "train": {"path": "long.zarr", "frames": [0, 50], "blocks": 10},
        "validation": {"path": "long.zarr", "frames": [50, 70]},
        "tests": {"later": {"path": "long.zarr", "frames": [70, 90], "blocks": 8}},
    }
    study = load_study(configuration(tmp_path / "my.yaml", data))
    opened = study.open(None)
    assert opened.train.lengths.tolist() == [10] * 10
    assert opened.validation.lengths.tolist() == [20, 20]
    assert opened.tests["later"].lengths.tolist() == [8] * 4
    whole = TrajectoryDataset.open(tmp_path / "long.zarr")
    assert np.array_equal(opened.tests["later"].times(1), whole.times(0)[78:86])
    pipeline.train(study, None, tmp_path / "run")
    pipeline.evaluate(tmp_path / "run", None)
    with np.load(tmp_path / "run" / "seed-0" / "evaluation" / "later.npz") as curves:
        assert np.allclose(curves["truth"][1], whole.observables()[0][78:86])
    other = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    other["data"]["tests"]["later"]["blocks"] = 9
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(other))
    with pytest.raises(RunError, match=r"later: was"):  # other stretches are other data
        pipeline.evaluate(tmp_path / "run", None)


@pytest.mark.parametrize(
    ("train", "validation", "test", "named"),
    [
        ({"frames": [0, 50]}, None, {"frames": [49, 90]}, r"data\.tests\.later: it shares frames with train"),
        ({"frames": [0, 50]}, {"frames": [40, 60]}, {"frames": [60, 90]}, r"data\.validation: it shares .* with train"),
        ({"frames": [0, 40]}, {"frames": [40, 60]}, {"frames": [50, 90]}, r"tests\.later: .* with validation"),
        ({}, None, {}, r"data\.tests\.later: it shares frames with train"),
        ({"frames": [0, 50]}, None, {}, r"data\.tests\.later: it shares frames with train"),
        ({"blocks": 10}, None, {"blocks": 10}, r"data\.tests\.later: it shares frames with train"),
    ],
)
def test_stretches_that_share_frames_are_refused_by_name(tmp_path, train, validation, test, named):
    path = {"path": "long.zarr"}
    data = {"train": path | train, "tests": {"later": {"path": "../x/long.zarr"} | test}}
    if validation is not None:
        data["validation"] = path | validation
    (tmp_path / "x").mkdir()
    with pytest.raises(ConfigurationError, match=named) as error:
        load_study(configuration(tmp_path / "x" / "my.yaml", data))
    assert "frames: [first, last]" in str(error.value)


def test_a_run_of_schema_1_is_refused_with_what_to_do(place, whole, tmp_path, sc):
    facts = read(place / "run" / "run.json") | {"schema": 1}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(SchemaVersionError, match=r"schema version 1, .*reads 2\. Use the version that wrote it"):
        Run(tmp_path)
    for command in ("evaluate", "report", "inspect"):
        status, _, err = sc(command, tmp_path)
        assert status == 2
        assert "schema" in err


CHANGE_DEFAULTS = """
import sys, json
from setclosure.fit import settings
from setclosure.decoders import spline_flow
for cls, name in ((settings.StageTwoSettings, "learning_rate"), (spline_flow.SplineFlowConfig, "box")):
    cls.model_fields[name].default *= 2
    cls.model_rebuild(force=True)
settings.FitSettings.model_rebuild(force=True)
from setclosure.experiments.configuration import load_study
print(json.dumps([load_study(path).model_dump(mode="json") for path in sys.argv[1:]]))
"""


@pytest.mark.slow
def test_a_stored_configuration_means_the_same_when_a_default_changes(place, whole):
    before = load_study(place / "my.yaml").model_dump(mode="json")
    assert load_study(place / "run" / "config.yaml").model_dump(mode="json") == before
    assert yaml.safe_load((place / "run" / "config.yaml").read_text()) == before  # every default is written out
    ended = python("-c", CHANGE_DEFAULTS, place / "my.yaml", place / "run" / "config.yaml")
    assert ended.returncode == 0, ended.stderr
    fresh, stored = json.loads(ended.stdout)
    assert stored == before
    assert fresh["training"]["stage_two"]["learning_rate"] == 2 * before["training"]["stage_two"]["learning_rate"]
    assert fresh["model"]["decoder"] != before["model"]["decoder"]


# ── words of the user's own ──────────────────────────────────────────────────────────────────────────────────────


def test_tests_have_labels_and_sentences_and_a_run_has_the_name_of_its_data(tmp_path):
    flock(tmp_path / "train.zarr", [0.5, 0.8, 1.1], 0, name="starlings", description="Birds over Rome.")
    flock(tmp_path / "hot.zarr", [2.0, 2.1], 1)
    test = {"path": "hot.zarr", "label": "Hotter days", "sentence": "temperatures above all of training"}
    path = configuration(tmp_path / "my.yaml", {"train": "train.zarr", "tests": {"hot": test}}, name="")
    run = pipeline.train(load_study(path), None, tmp_path / "run")
    assert (run.facts["name"], run.facts["description"]) == ("starlings", "Birds over Rome.")
    assert run.facts["tests"] == {"hot": {"label": test["label"], "sentence": test["sentence"]}}
    with pytest.raises(ConfigurationError, match=r"data\.train\.label: unknown key"):
        load_study(path, ["data.train={path: train.zarr, label: x}"])


# ── the same trajectories in other files ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("where", ["tests", "validation"])
def test_trajectories_that_a_model_is_fitted_to_are_found_in_other_files(tmp_path, where):
    flock(tmp_path / "train.zarr", [0.5, 0.8, 1.1], 0)
    flock(tmp_path / "mixed.zarr", [0.5, 0.8, 1.2], 0)  # the first two are those of training
    flock(tmp_path / "other.zarr", [0.9, 1.2], 5)
    data = {"train": "train.zarr", "tests": {"held out": "other.zarr"}}
    data |= {"tests": {"mixed": "mixed.zarr"}} if where == "tests" else {"validation": "mixed.zarr"}
    study = load_study(configuration(tmp_path / "my.yaml", data))
    name = "mixed" if where == "tests" else "validation"
    with pytest.raises(DatasetError, match=rf"trajectory 0 of '{name}' .*mixed.zarr.* is trajectory 0 of 'train'"):
        study.open(None)


def test_a_copy_may_give_other_stretches_of_time(tmp_path):
    flock(tmp_path / "long.zarr", [1.0, 1.2], 0, lengths=(40,))
    shutil.copytree(tmp_path / "long.zarr", tmp_path / "copy.zarr")
    data = {
        "train": {"path": "long.zarr", "frames": [0, 20]},
        "tests": {"later": {"path": "copy.zarr", "frames": [20, 40]}},
    }
    path = configuration(tmp_path / "my.yaml", data)
    load_study(path).open(None)
    with pytest.raises(DatasetError, match=r"trajectory 0 of 'later' .* is trajectory 0 of 'train'"):
        load_study(path, [f"data.tests.later={{path: {tmp_path / 'copy.zarr'}, frames: [19, 40]}}"]).open(None)


# ── moved folders ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def movable(tmp_path):
    """A folder with data and a trained run, which has been moved."""
    flock(tmp_path / "old" / "data" / "train.zarr", [0.5, 0.8, 1.1], 0)
    flock(tmp_path / "old" / "data" / "hot.zarr", [2.0, 2.1], 1)
    data = {"train": "data/train.zarr", "tests": {"hot": "data/hot.zarr"}}
    path = configuration(tmp_path / "old" / "my.yaml", data)
    pipeline.train(load_study(path), None, tmp_path / "old" / "run")
    (tmp_path / "old").rename(tmp_path / "new")
    return tmp_path / "new"


def test_a_run_that_was_moved_with_its_data_is_evaluated_and_resumed(movable, sc):
    status, out, err = sc("evaluate", movable / "run")
    assert status == 0, err
    assert "skill" in out
    facts = Run(movable / "run").facts["data"]["hot"]
    assert facts["path"] == str(movable / "data" / "hot.zarr")
    assert facts["relative"] == "../data/hot.zarr"
    assert facts["n_trajectories"] == 2
    status, _, err = sc("run", movable / "my.yaml", "--out", movable / "run", "--resume")
    assert status == 0, err
    assert load_study(movable / "run" / "config.yaml").data.train.path == str(movable / "data" / "train.zarr")


def test_data_that_were_moved_alone_are_named_and_their_fingerprints_decide(movable, sc):
    shutil.move(movable / "data" / "hot.zarr", movable / "elsewhere.zarr")
    status, _, err = sc("evaluate", movable / "run")
    assert status == 2
    assert "where the data 'hot' of" in err
    assert "--data-path 'hot=PATH'" in err
    status, _, err = sc("evaluate", movable / "run", "--data-path", f"hot={movable / 'data' / 'train.zarr'}")
    assert status == 2  # other data
    status, _, err = sc("evaluate", movable / "run", "--data-path", f"hot={movable / 'elsewhere.zarr'}")
    assert status == 0, err
    wrong = {"cold=x.zarr": "no data called cold; this configuration has: train, hot", "x": "--data-path reads name="}
    for given, said in wrong.items():
        status, _, err = sc("evaluate", movable / "run", "--data-path", given)
        assert status == 2
        assert said in err


def test_other_data_at_the_old_place_are_refused(movable, sc):
    shutil.rmtree(movable / "data" / "hot.zarr")
    flock(movable / "data" / "hot.zarr", [2.0, 2.1], 7)
    status, _, err = sc("evaluate", movable / "run")
    assert status == 2
    assert "hot: was" in err
    path = configuration(movable / "my.yaml", {"train": "data/train.zarr", "tests": {"hot": "data/hot.zarr"}})
    status, _, err = sc("run", path, "--out", movable / "run", "--resume")
    assert status == 2
    assert "hot: was" in err


# ── predictions from files ───────────────────────────────────────────────────────────────────────────────────────

PYTHON = ("context=", "observables=", "species=", "MicrostateBatch", "load(", "samples at 1")


def predicted(sc, run, arrays, *options, out="o.npz"):
    path = run.parent / "x0.npz"
    np.savez(path, **arrays)
    return sc("predict", run, "--initial", path, "--steps", 2, "--out", run.parent / out, *options)


def test_what_a_prediction_lacks_is_told_in_the_words_of_the_command_line(place, whole, sc):
    x = trajectory(1.0, np.arange(2) * 0.1, 0)[:1]
    given = {"points": x, "observables": observables_of(x)}
    hot = ("--context", "temperature=1.0")
    cases = [
        (given, (), "trained with the context temperature: give --context temperature=…"),
        (given, ("--context", "heat=1"), "give --context temperature=…"),
        ({"points": x}, hot, "as an array 'observables' (B, 2) beside 'points', in a .npz file."),
        (given, (*hot, "--samples", 3), "leave --samples out"),
        (given | {"points": x[..., :3]}, hot, "particles of 3 features; this model was trained on 4: x, y, vx, vy."),
    ]
    for arrays, options, said in cases:
        status, _, err = predicted(sc, place / "run", arrays, *options)
        assert status == 2
        assert said in err
        assert not any(word in err for word in PYTHON), err
    assert predicted(sc, place / "run", given, *hot)[0] == 0


@pytest.mark.parametrize("ending", ["csv", "nc", "parquet"])
def test_the_ending_of_the_file_says_its_form(place, whole, sc, ending):
    x = trajectory(1.0, np.arange(2) * 0.1, 0)[:1]
    given = {"points": x, "observables": observables_of(x)}
    status, _, _ = predicted(sc, place / "run", given, "--context", "temperature=1", out=f"p.{ending}")
    assert status == 0
    start = (place / f"p.{ending}").read_bytes()[:4]
    assert start == {"csv": b"star", "nc": b"CDF\x02", "parquet": b"PAR1"}[ending]
    status, _, err = predicted(sc, place / "run", given, "--context", "temperature=1", out="p.doc")
    assert status == 2
    assert "expected one of .npz, .csv, .nc, .parquet" in err


def test_species_that_a_file_does_not_say_are_asked_for_and_one_may_be_lacking(tmp_path, sc):
    points, kinds = np.random.default_rng(0).normal(size=(4, 5, 6, 2)), np.array([0, 0, 0, 1, 1, 1])
    data = TrajectoryDataset.from_arrays(
        tmp_path / "a.zarr", points, np.zeros((4, 5)), times=range(5), species=kinds, species_names=["A", "B"]
    )
    from tests.model.fits import small

    small().fit(data, progress=False).save(tmp_path / "model")
    x0 = {"points": points[:1, 0], "observables": np.zeros((1, 1))}
    status, _, err = predicted(sc, tmp_path / "model", x0)
    assert status == 2
    assert "this model has 2: A, B. Give a .npz with the arrays 'points' and 'species' (0 … 1)." in err
    assert predicted(sc, tmp_path / "model", x0 | {"species": kinds[None]})[0] == 0
    assert predicted(sc, tmp_path / "model", x0 | {"species": 0 * kinds[None]})[0] == 0  # no particle of B
