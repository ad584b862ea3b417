from __future__ import annotations

import os
import pickle
import shutil

import numpy as np
import pytest

from setclosure.errors import ConfigurationError
from setclosure.experiments.cli.prediction import parse_context, read_microstates
from setclosure.sets.features import Features

COMMANDS = {
    "simulate": ["CONFIG", "--out", "--set", "--workers"],
    "import": ["SPEC", "--out", "--workers", "--scheduler"],
    "train": ["CONFIG", "--data", "--out", "--resume", "--set"],
    "evaluate": ["RUN", "--data"],
    "predict": ["RUN", "--initial", "--steps", "--out", "--samples", "--seed", "--training-seed"],
    "report": ["RUN"],
    "run": ["CONFIG", "--out", "--data", "--resume", "--set", "--workers"],
    "reproduce": ["NAME", "--scale", "--seeds", "--out", "--work", "--jobs", "--set", "--list"],
    "inspect": ["PATH"],
}


@pytest.fixture
def copy(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "copy")


@pytest.fixture
def start_file(tmp_path):
    x0 = np.random.default_rng(0).normal(size=(3, 24, 2)) * 0.1
    np.save(tmp_path / "x0.npy", x0)
    return tmp_path / "x0.npy"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_argument(sc, command):
    status, out, _ = sc(command, "--help")
    assert status == 0
    assert [name for name in COMMANDS[command] if name not in out] == []
    assert sc("--help")[1].count(command) >= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "no.yaml", "--data", "d", "--out", "r"], "no.yaml cannot be read"),
        (["train", "CONFIG", "--data", "nowhere", "--out", "new"], "has no train.zarr"),
        (
            ["train", "CONFIG", "--data", "DATA", "--out", "RUN"],
            "holds a run already. Resume it (resume=True, --resume",
        ),
        (["run", "CONFIG", "--out", "RUN"], "holds a run already"),
        (["run", "CONFIG", "--out", "RUN", "--resume", "--set", "model.closure_dim=2"], "closure_dim: was 3, is now 2"),
        (["run", "CONFIG", "--out", "DATA"], "is not a run folder"),
        (
            ["run", "CONFIG", "--out", "new", "--set", "training.trainer.strategy=foo"],
            "PyTorch Lightning cannot",
        ),
        (
            ["run", "CONFIG", "--out", "new", "--set", "model.symmetry=none", "--set", "model.weight_feature=7"],
            "weight_feature is 7, but particles have features 0 to 1",
        ),
        (
            ["train", "CONFIG", "--data", "DATA", "--out", "new", "--set", "simulation.seed=4"],
            "train.zarr holds a simulation, and what is wanted now differs:\n  seed: was 0, is now 4",
        ),
        (["train", "CONFIG", "--data", "DATA", "--out", "new", "--set", "model.closure_dims=2"], "'closure_dim'"),
        (["simulate", "CONFIG", "--out", "CONFIG"], "cannot be made"),
        (["simulate", "CONFIG", "--out", "DATA", "--set", "simulation.seed=4"], "seed: was 0, is now 4"),
        (["evaluate", "nowhere", "--data", "DATA"], "not a run folder"),
        (["evaluate", "RUN", "--data", "nowhere"], "has no train.zarr"),
        (["report", "nowhere"], "not a folder"),
        (["reproduce", "table9"], "no 'table9' to reproduce; known: table1"),
        (["reproduce", "table1", "--scale", "huge"], "no scale 'huge'"),
        (["reproduce", "table1", "--seeds", "one"], "takes whole numbers like 0,1,2; got 'one'"),
        (["reproduce", "table1", "--set", "model.closure_dims=2"], "did you mean 'closure_dim'?"),
        (["inspect", "nowhere"], "nothing to inspect"),
        (["inspect", "CONFIG"], "nothing to inspect"),
        (["predict", "nowhere", "--initial", "X0", "--steps", "2", "--out", "o.npz"], "not a run folder"),
        (["predict", "RUN", "--initial", "no.npy", "--steps", "2", "--out", "o.npz"], "No such file"),
        (["predict", "RUN", "--initial", "CONFIG", "--steps", "2", "--out", "o.npz"], "numpy.save"),
        (
            ["predict", "RUN", "--initial", "X0", "--steps", "2", "--out", "o.npz", "--training-seed", "5"],
            "has no seed 5; its seeds are 0.",
        ),
        (
            ["predict", "MODEL", "--initial", "X0", "--steps", "2", "--out", "o.npz", "--training-seed", "0"],
            "is one model, and not a run with training seeds",
        ),
        (["predict", "RUN", "--initial", "X0", "--steps", "2", "--out", "RUN"], "the ending of tiny says no form"),
    ],
)
def test_mistakes_are_named_without_a_traceback(
    sc, arguments, message, tiny_config, tiny_data, tiny_run, start_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    names = {"CONFIG": tiny_config, "DATA": tiny_data, "RUN": tiny_run, "X0": start_file}
    names["MODEL"] = tiny_run / "seed-0" / "model"
    status, out, err = sc(*(names.get(a, a) for a in arguments))
    assert status == 2
    assert message in err
    assert err.startswith("Error: ")
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["x0.npy"]


@pytest.mark.parametrize("arguments", [["predict", "r", "--initial", "a", "--out", "b", "--steps", "0"], ["fly"]])
def test_wrong_usage_is_told(sc, arguments):
    status, _, err = sc(*arguments)
    assert status == 2
    assert "Usage" in err


def test_predict_from_a_file_of_equal_sets(sc, tiny_run, start_file, tmp_path):
    status, out, _ = sc("predict", tiny_run, "--initial", start_file, "--steps", 5, "--out", tmp_path / "o.npz")
    assert status == 0
    with np.load(tmp_path / "o.npz") as result:
        assert result["observables"].shape == (3, 1, 6, 1)
        assert result["closure"].shape == (3, 1, 6, 3)
        assert list(result["observable_names"]) == ["pair_energy"]
        assert np.allclose(np.diff(result["times"]), 0.2)
        for b in range(3):
            where = "inside" if result["inside_training_range"][b] else "OUTSIDE"
            assert f"microstate {b}: " in out
            assert where in out.splitlines()[b]


def test_predict_from_sets_of_different_sizes_in_the_order_they_were_given(sc, tiny_run, tmp_path):
    stream = np.random.default_rng(1)
    sets = [stream.normal(size=(n, 2)) * 0.1 for n in range(20, 32)]
    np.savez(tmp_path / "x0.npz", *sets)
    model = tiny_run / "seed-0" / "model"
    status, out, _ = sc("predict", model, "--initial", tmp_path / "x0.npz", "--steps", 2, "--out", tmp_path / "o.npz")
    assert status == 0
    assert "of 12 microstates" in out
    from setclosure.model.closure_model import ClosureModel

    expected = ClosureModel.load(model).predict(sets, 2)
    with np.load(tmp_path / "o.npz") as result:
        assert np.array_equal(result["observables"], expected.observables)


def test_predict_takes_named_arrays(sc, tiny_run, start_file, tmp_path):
    points, model = np.load(start_file), tiny_run / "seed-0" / "model"
    points = points[None] if points.ndim == 2 else points
    start, out = tmp_path / "named.npz", tmp_path / "o.npz"
    np.savez(start, points=points, observables=np.full(len(points), 0.4), masses=np.ones(points.shape[:2]))
    assert sc("predict", model, "--initial", start, "--steps", 2, "--out", out)[0] == 0
    with np.load(out) as result:
        assert np.allclose(result["observables"][:, 0, 0], 0.4)
    np.savez(start, points=points, colour=np.ones(len(points)))
    status, _, err = sc("predict", model, "--initial", start, "--steps", 2, "--out", out)
    assert status == 2
    assert "['colour']" in err


def test_microstates_in_a_file_have_the_features_of_the_model_and_their_cell(tmp_path):
    features = Features.of(("x", "y", "vx", "vy"), ("position", "position", "vector", "vector"))
    np.savez(tmp_path / "x0.npz", points=np.zeros((2, 3, 4)), cell=[5.0, 6.0], observables=[[1.0], [2.0]])
    given = read_microstates(tmp_path / "x0.npz", features)
    assert given["x"].roles == features
    assert given["x"].cell.tolist() == [[[5.0, 0.0], [0.0, 6.0]]] * 2
    assert given["observables"].tolist() == [[1.0], [2.0]]


def test_samples_of_a_deterministic_model_are_refused(sc, tiny_run, start_file, tmp_path):
    out = tmp_path / "o.npz"
    status, _, err = sc("predict", tiny_run, "--initial", start_file, "--steps", 2, "--out", out, "--samples", 3)
    assert status == 2
    assert "this model has no noise" in err
    assert not out.exists()


@pytest.mark.parametrize("kind", ["object npy", "object npz", "pickle", "empty", "half npz", "half npy", "text"])
def test_files_that_are_no_microstates_are_refused_and_run_nothing(sc, tiny_run, tmp_path, kind):
    mark = tmp_path / "code ran"

    class Trap:
        def __reduce__(self):
            import os

            return os.mkdir, (str(mark),)

    path = tmp_path / ("x.npz" if "npz" in kind else "x.npy")
    objects = np.array([Trap(), Trap()], dtype=object)
    if kind == "object npy":
        np.save(path, objects, allow_pickle=True)
    elif kind == "object npz":
        np.savez(path, a=objects)
    elif kind == "half npz":
        np.savez(path, np.zeros((100, 2)))
        path.write_bytes(path.read_bytes()[:-60])
    elif kind == "half npy":
        np.save(path, np.zeros((100, 2)))
        path.write_bytes(path.read_bytes()[:-60])
    else:
        path.write_bytes({"pickle": pickle.dumps(Trap()), "empty": b"", "text": b"1 2 3\n"}[kind])
    status, _, err = sc("predict", tiny_run, "--initial", path, "--steps", 2, "--out", tmp_path / "o.npz")
    assert status == 2
    assert "numpy.save" in err
    assert "allow_pickle" not in err
    assert not mark.exists()


def test_inspect_whole_things(sc, tiny_data, tiny_run):
    status, out, _ = sc("inspect", tiny_data / "train.zarr")
    assert status == 0
    assert "8 of 8" in out
    status, out, _ = sc("inspect", tiny_data)
    assert status == 0
    assert all(f"{split}.zarr" in out for split in ("train", "validation", "in_dst", "diff_init", "diff_n"))
    status, out, _ = sc("inspect", tiny_run)
    assert status == 0
    assert "complete" in out
    status, out, _ = sc("inspect", tiny_run / "seed-0" / "model")
    assert status == 0
    assert "pair_energy" in out


def test_inspect_takes_brackets_in_a_path_as_they_are(sc, tiny_data, tmp_path):
    folder = tmp_path / "q[/a] [bold]"
    shutil.copytree(tiny_data / "train.zarr", folder / "train.zarr")
    status, out, _ = sc("inspect", folder / "train.zarr")
    assert status == 0
    assert "q[/a] [bold]" in out


def test_a_model_that_is_gone_is_told_and_so_is_one_that_is_not_there_yet(sc, copy, start_file, tmp_path):
    predict = ["predict", copy, "--initial", start_file, "--steps", 2, "--out", tmp_path / "o.npz"]
    shutil.rmtree(copy / "seed-0" / "model")
    status, out, _ = sc("inspect", copy)
    assert status == 1
    assert "model is missing: restore it" in out
    assert "model is missing, and was there" in sc(*predict)[2]
    (copy / "seed-0" / "history.json").unlink()
    assert "not finished" in sc("inspect", copy)[1]
    assert "is not trained yet. Finish it first" in sc(*predict)[2]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(sc, copy):
    model = copy / "seed-0" / "model"
    model.chmod(0)
    try:
        assert "may not be read" in sc("inspect", model)[2]
    finally:
        model.chmod(0o755)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def test_inspect_finds_damage_and_says_so_by_its_status(sc, copy, tiny_data, tmp_path):
    flip(next((copy / "seed-0" / "fit" / "stage_two").glob("*.ckpt")))
    status, out, _ = sc("inspect", copy)
    assert status == 1
    assert "is damaged" in out
    model = copy / "seed-0" / "model"
    flip(model / "weights.safetensors")
    assert sc("inspect", copy)[0] == 1
    status, _, err = sc("inspect", model)
    assert status == 2
    assert "its checksum differs" in err
    data = shutil.copytree(tiny_data, tmp_path / "data")
    flip(next(path for path in (data / "in_dst.zarr" / "points" / "c").rglob("*") if path.is_file()))
    status, out, _ = sc("inspect", data)
    assert status == 1
    assert out.count("TrajectoryDataset") == 5
    (data / "diff_n.zarr" / "zarr.json").write_text("{")
    status, out, _ = sc("inspect", data)
    assert status == 1
    assert out.count("TrajectoryDataset") == 4
    assert "diff_n.zarr/zarr.json is damaged" in out


def test_damaged_run_files_are_named(sc, copy):
    (copy / "config.yaml").write_text("study: [")
    assert "not YAML" in sc("inspect", copy)[2]
    (copy / "run.json").write_text("{")
    for command in (["inspect", copy], ["report", copy]):
        status, _, err = sc(*command)
        assert status == 2
        assert "run.json" in err


def test_simulate_evaluate_and_report_say_where_things_are(sc, tiny_config, tiny_data, copy, tmp_path):
    small = "{train: 2, validation: 1, in_dst: 1, diff_init: 1, diff_n: 1}"
    folder = tmp_path / "data [1]"
    status, out, _ = sc("simulate", tiny_config, "--out", folder, "--set", f"simulation.trajectories={small}")
    assert status == 0
    assert str(folder) in out
    status, out, _ = sc("evaluate", copy, "--data", tiny_data)
    assert status == 0
    assert "Other initial states" in out  # as the study calls its test
    status, out, _ = sc("report", copy)
    assert status == 0
    assert str(copy / "report.html") in out
    assert (copy / "report.html").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [(["T=1", "T=2"], "'T' twice, as 1 and as 2"), (["T"], "name=number.*got 'T'"), (["T=hot"], "got 'T=hot'")],
)
def test_a_context_that_reads_otherwise_is_refused(given, words):
    with pytest.raises(ConfigurationError, match=words):
        parse_context(given)
