"""Files of tracks become data sets by the real command, also if it is killed, and inspect says what they hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from tests.trajectories.readers.tracks import TABLE, tracks

from setclosure import registry
from setclosure.errors import SetclosureWarning
from setclosure.experiments.configuration import load_study
from setclosure.trajectories.dataset import TrajectoryDataset

SPEC = {
    "name": "walks",
    "files": "tracks/run_{seed}.csv",
    "reader": TABLE | {"time_step": 0.5},
    "features": {"position": ["x", "y"], "scalars": ["weight"]},
    "species": {"from": "kind"},
    "observables": ["extension"],
    "context": {"seed": {"from": "name", "unit": "K"}},
    "units": {"length": "µm", "time": "s"},
}
SPLITS = ("train", "validation", "held_out")


@pytest.fixture
def place(tmp_path):
    """A folder with ten files of tracks and a specification."""
    (tmp_path / "tracks").mkdir()
    for m in range(10):
        table = tracks(m)
        table[table.frame != 3].to_csv(tmp_path / "tracks" / f"run_{m}.csv", index=False)
    values = SPEC | {"observables": [{"registered": "extension"}, {"column": "energy", "unit": "J"}]}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def fingerprints(folder):
    return [TrajectoryDataset.open(folder / f"{name}.zarr").fingerprint for name in SPLITS]


def test_the_command_makes_data_sets_and_a_configuration_that_names_them(sc, place):
    status, out, err = sc("import", place / "spec.yaml", "--out", place / "data")
    assert status == 0, err
    assert "7 trajectories of 7 frames" in out
    assert f"setclosure run {place / 'data' / 'run.yaml'} --out RUN" in out
    study = load_study(place / "data" / "run.yaml")
    opened = study.open(None)
    assert (opened.train.n_trajectories, opened.validation.n_trajectories) == (7, 1)
    assert {name: data.n_trajectories for name, data in opened.tests.items()} == {"held_out": 2}
    assert study.name == "walks"
    (place / "data" / "run.yaml").write_text("mine: 1\n")
    assert sc("import", place / "spec.yaml", "--out", place / "data")[0] == 0
    assert (place / "data" / "run.yaml").read_text() == "mine: 1\n"  # it is the user's now


def test_the_command_says_what_looks_suspicious_in_what_it_read(sc, place):
    for m in range(10):
        table = tracks(m, T=20, N=30)
        table[["x", "y"]] = 5 * table[["x", "y"]] % 10
        table.to_csv(place / "tracks" / f"run_{m}.csv", index=False)
    status, out, err = sc("import", place / "spec.yaml", "--out", place / "data")
    assert status == 0, err
    assert "Suspicious in train.zarr: trajectory 0: particle" in out
    assert "wrapped into a periodic box" in out
    assert "So it is in 7 of the 7 trajectories looked at." in out


def test_inspect_answers_what_a_person_would_ask(sc, place):
    sc("import", place / "spec.yaml", "--out", place / "data")
    status, out, _ = sc("inspect", place / "data" / "held_out.zarr")
    assert status == 0
    data = TrajectoryDataset.open(place / "data" / "held_out.zarr")
    m = int(data.context(0)[0, 0])
    energy = np.concatenate(data.observables())[:, 1]
    for words in (
        "2 of 2",
        "7, 0.5 s apart, 14 in all; 2 gaps",
        "0 to 3.5 s; gaps: trajectory 0 behind frame 2",
        "A, 3",
        "x (position), ",
        "weight (scalar), 1 to 6",
        f"energy, {energy.min():.5g} to {energy.max():.5g} J",
        "seed, ",
        " K",
        "µm",
        "2 files of 0.00",
        f"tracks/run_{m}.csv",
        "nothing",
    ):
        assert words in out, words


def test_inspect_names_what_looks_suspicious(sc, tmp_path):
    rng = np.random.default_rng(0)
    walk = 0.2 * np.cumsum(rng.normal(size=(3, 20, 30, 2)), axis=1) + rng.uniform(0, 10, size=(3, 1, 30, 2))
    features = np.concatenate([walk % 10, np.full((3, 20, 30, 1), 0.25)], axis=-1)
    features[2] = features[1]
    observables = np.stack([np.full((3, 20), 2.0), rng.normal(size=(3, 20))], axis=-1)
    observables[2] = observables[1]
    observables[0, 3, 1] = 9.97e36
    names = {"features": ("x", "y", "dye"), "roles": ("position", "position", "scalar")}
    for name in ("a", "b"):
        with pytest.warns(SetclosureWarning, match="wrapped into a periodic box"):
            TrajectoryDataset.from_arrays(tmp_path / f"{name}.zarr", features, observables, times=range(20), **names)
    still = np.broadcast_to(rng.normal(size=(2, 1, 5, 2)), (2, 4, 5, 2)).copy()
    still[0, :, 1] = still[0, :, 0]
    with pytest.warns(SetclosureWarning, match="nothing changes in time"):
        TrajectoryDataset.from_arrays(tmp_path / "still.zarr", still, rng.normal(size=(2, 4)), times=range(4))
    status, out, _ = sc("inspect", tmp_path)
    flat = " ".join(out.replace("│", " ").split())
    assert status == 0
    for words in (
        "It looks like positions that are wrapped into a periodic box",
        "the feature 'dye' is 0.25 of every particle",
        "the observable 'observable_0' is 2 in every frame",
        "the observable 'observable_1' reaches 9.97e+36",
        "trajectories 1 and 2 are the same",
        "trajectory 0 of b.zarr is the same as trajectory 0 of a.zarr",
        "no particle moves in 2 of 2 trajectories",
        "two particles are at one place in all features: trajectory 0, frame 0",
    ):
        assert words in flat, words


def test_mistakes_are_told_without_a_traceback(sc, place):
    assert "cannot be read" in sc("import", place / "gone.yaml", "--out", place / "data")[2]
    (place / "bad.yaml").write_text("[1]")
    assert "expected an import specification" in sc("import", place / "bad.yaml", "--out", place / "data")[2]
    (place / "bad.yaml").write_text(yaml.safe_dump(SPEC | {"observables": [{"registered": "extension"}], "fils": 1}))
    status, _, err = sc("import", place / "bad.yaml", "--out", place / "data")
    assert status == 2
    assert "fils: unknown key; did you mean 'files'?" in err
    (place / "tracks" / "run_4.csv").write_text("frame,particle,x,y\n0,1,2\n0,1,2,3,4\n")
    status, _, err = sc("import", place / "spec.yaml", "--out", place / "data")
    assert status == 2
    assert "1 of 10 trajectories could not be imported" in err
    assert "run_4.csv" in err


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_an_import_goes_on_and_ends_with_the_same_data(sc, place, workers, monkeypatch):
    known = {name: registry.find("reader", name) for name in registry.names("reader")}
    monkeypatch.setitem(registry._PARTS, "reader", known)
    monkeypatch.setattr(registry, "_PLUGINS", {})
    (place / "slow.py").write_text(
        "import time\n"
        "import setclosure\n"
        "from setclosure.trajectories.readers.tables import TableReader\n"
        "@setclosure.register('reader', 'slow_table')\n"
        "class SlowTable(TableReader):\n"
        "    def frames(self, source, start=0, stop=None, step=1):\n"
        "        for frame in super().frames(source, start, stop, step):\n"
        "            time.sleep(0.05)\n"
        "            yield frame\n"
    )
    values = yaml.safe_load((place / "spec.yaml").read_text())
    values["reader"]["name"] = "slow_table"
    (place / "slow.yaml").write_text(yaml.safe_dump(values))
    command = [sys.executable, "-m", "setclosure", "--plugin", "slow.py", "import", "slow.yaml", "--out", "data"]
    killed = 0
    for n_committed in (1, 4, 6):
        process = subprocess.Popen(
            [*command, "--workers", str(workers)],
            cwd=place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        until = time.monotonic() + 120
        while committed(place / "data") < n_committed and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += process.returncode == -signal.SIGKILL
        assert no_process_left(process.pid)
    assert killed == 3
    assert 6 <= committed(place / "data") < 10
    status, _, err = sc("--plugin", place / "slow.py", "import", place / "slow.yaml", "--out", place / "data")
    assert status == 0, err
    status, _, err = sc("--plugin", place / "slow.py", "import", place / "slow.yaml", "--out", place / "undisturbed")
    assert status == 0, err
    assert fingerprints(place / "data") == fingerprints(place / "undisturbed")
    for name in SPLITS:
        a, b = (TrajectoryDataset.open(place / folder / f"{name}.zarr") for folder in ("data", "undisturbed"))
        assert a.sources == b.sources
        assert len(a.sources) == a.n_trajectories


def committed(folder):
    """Count the trajectories that are there, without disturbing the import."""
    files = sum(len(list(path.glob("pending/*.safetensors"))) for path in folder.glob("*.zarr"))
    packed = sum(len(list(path.glob("times/c/*"))) for path in folder.glob("*.zarr"))
    return files if not packed else max(files, 7)  # those of training are packed when all seven are there


def no_process_left(group, seconds=20):
    """Whether the workers of a killed import end soon: they are in its session."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
