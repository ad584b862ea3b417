"""Parts of a user's own, from a file that the command line names, in processes that know nothing else of them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.experiments.flock import configuration, python, setclosure

from setclosure.model.closure_model import ClosureModel

PLUGIN = """
import setclosure

@setclosure.register("observable", "width_and_height", components=("width", "height"), units=("nm", "nm"))
def width_and_height(microstates, scale=1.0):
    return scale * microstates.standard_deviation()
"""

MAKE = """
import sys, numpy as np, setclosure
setclosure.load_plugin(sys.argv[1])
rng = np.random.default_rng(0)
grow = 1 + 0.1 * np.arange(8.0)[:, None, None]
for name, n in (("train", 5), ("test", 2)):
    setclosure.TrajectoryDataset.from_arrays(
        f"{name}.zarr", grow * rng.normal(size=(n, 1, 10, 2)), observables="width_and_height", times=range(8)
    )
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data whose observable a plugin computed, and a run on them; each by a process of its own."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "mine.py").write_text(PLUGIN)
    made = python("-c", MAKE, "mine.py", cwd=folder)
    assert made.returncode == 0, made.stderr
    configuration(folder / "my.yaml", {"train": "train.zarr", "tests": {"again": "test.zarr"}})
    ended = setclosure("--plugin", "mine.py", "run", "my.yaml", "--out", "run", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    np.save(folder / "x0.npy", np.random.default_rng(1).normal(size=(2, 10, 2)))
    return folder


PREDICT = ["predict", "run", "--initial", "x0.npy", "--steps", "3", "--out", "future.npz"]


@pytest.mark.slow
def test_a_fresh_process_computes_the_observable_with_the_plugin(place):
    ended = setclosure("--plugin", "mine.py", *PREDICT, cwd=place)
    assert ended.returncode == 0, ended.stderr
    with np.load(place / "future.npz") as future:
        assert future["observable_names"].tolist() == ["width", "height"]
        assert np.allclose(future["observables"][:, 0, 0], np.load(place / "x0.npy").std(axis=1), rtol=1e-5)


@pytest.mark.slow
def test_without_the_plugin_it_is_told_what_is_missing(place, sc, monkeypatch):
    monkeypatch.chdir(place)
    status, _, err = sc(*PREDICT)  # this process never loaded the file
    assert status == 2
    assert "cannot compute width, height" in err
    assert "registers 'width_and_height'" in err
    assert "--plugin FILE" in err
    model = ClosureModel.load(place / "run" / "seed-0" / "model")
    assert not model.can_observe
    x0 = np.load("x0.npy")
    given = model.predict(x0, 3, observables=x0.std(axis=1)).observables
    known = ClosureModel.load(place / "run" / "seed-0" / "model", observable=lambda x: x.standard_deviation())
    assert np.allclose(known.predict(x0, 3).observables, given, rtol=1e-6)


@pytest.mark.slow
def test_evaluate_goes_without_the_plugin_as_the_data_hold_the_values(place, sc):
    before = (place / "run" / "metrics.json").read_text()
    assert sc("evaluate", place / "run")[0] == 0
    after = (place / "run" / "metrics.json").read_text()
    assert after == before


def test_a_plugin_that_is_missing_or_fails_is_told(sc, tmp_path):
    status, out, err = sc("--plugin", tmp_path / "missing.py", "inspect", tmp_path)
    assert (status, out) == (2, "")
    assert f"the plugin {tmp_path / 'missing.py'} is not there" in err
    (tmp_path / "broken.py").write_text("1 / 0\n")
    status, _, err = sc("--plugin", tmp_path / "broken.py", "inspect", tmp_path)
    assert status == 2
    assert "stopped with ZeroDivisionError" in err
    (tmp_path / "taken.py").write_text(
        "import setclosure\n@setclosure.register('encoder', 'deep_set')\nclass Mine: pass\n"
    )
    status, _, err = sc("--plugin", tmp_path / "taken.py", "inspect", tmp_path)
    assert status == 2
    assert "'deep_set' exists already" in err


def test_a_plugin_may_add_a_method_that_a_configuration_names(sc, tmp_path, tiny_config, tiny_data):
    (tmp_path / "parts.py").write_text(
        "import setclosure\n"
        "from setclosure.model.methods import Method\n"
        "setclosure.register('method', 'small-of-mine')(Method('mine', {'name': 'deep_set', 'width': 4}, "
        "{'name': 'gaussian_mixture', 'components': 2, 'hidden': 4}, {'name': 'distribution', 'samples': 4}))\n"
    )
    arguments = ["train", tiny_config, "--data", tiny_data, "--out", tmp_path / "run"]
    arguments += ["--set", "model.method=small-of-mine", "--set", "training.stage_one.steps=2"]
    assert "there is no method 'small-of-mine'" in sc(*arguments)[2]
    status, _, err = sc("--plugin", tmp_path / "parts.py", *arguments)
    assert status == 0, err
    assert ClosureModel.load(tmp_path / "run" / "seed-0" / "model").settings.method == "small-of-mine"
