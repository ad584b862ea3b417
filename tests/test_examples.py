"""The files in ``examples/`` do what they say: they keep the promises of their kind, train, simulate and run."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import setclosure
from setclosure import ClosureEstimator, ClosureModel, TrajectoryDataset, registry
from setclosure.experiments.cli.main import app
from setclosure.registry import find, names
from setclosure.simulate.campaign import simulate_dataset

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
STEPS = {"steps": 4, "steps_per_epoch": 2}
TRAINING = {"stage_one": STEPS | {"batch_sets": 4}, "stage_two": STEPS | {"batch_pairs": 8}}
SMALL = {
    "decoder": {"layers": 1, "bins": 4, "hidden": 8, "blocks": 0},
    "reconstruction": {"samples": 8},
    "closure_dim": 2,
    "bandwidth": 0.1,
    "training": TRAINING,
}


@pytest.fixture
def load(monkeypatch):
    """Load an example; what it registers is gone when the test ends."""
    before = {kind: set(names(kind)) for kind in registry.KINDS}
    known = set(sys.modules)
    monkeypatch.setattr(registry, "_PLUGINS", {})
    yield lambda name: setclosure.load_plugin(ROOT / "examples" / f"{name}.py")
    for kind, of_kind in before.items():
        for name in set(names(kind)) - of_kind:
            del registry._PARTS[kind][name]
    for module in set(sys.modules) - known:
        if module.startswith("setclosure_plugin_"):
            del sys.modules[module]


@pytest.fixture
def particles():
    """Trajectories of particles that spread, ``(M, T, N, d)``."""
    return np.random.default_rng(0).normal(size=(6, 7, 9, 2)).cumsum(axis=1)


@pytest.fixture
def data(tmp_path, particles):
    return TrajectoryDataset.from_arrays(tmp_path / "data.zarr", particles, "extension", times=np.arange(7))


def test_there_are_seven_examples_and_each_is_short():
    assert [path.stem for path in EXAMPLES] == [
        "my_decoder",
        "my_descriptor",
        "my_drift",
        "my_encoder",
        "my_observable",
        "my_simulator",
        "my_study",
    ]
    assert all(len(path.read_text().splitlines()) <= 60 for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_check_that_an_example_names_succeeds(load, monkeypatch, path):
    monkeypatch.chdir(ROOT)
    (command,) = [
        shlex.split(line) for line in path.read_text().splitlines() if line.startswith("    setclosure check-part ")
    ]
    result = CliRunner().invoke(app, command[1:])
    assert result.exit_code == 0, result.output
    kind, name = command[2:4]
    assert f"The {kind} '{name}' keeps all" in result.output
    assert "  - " in result.output
    assert find(kind, name).kind == path.stem.removeprefix("my_")


def test_the_encoder_trains_saves_and_loads(load, data, particles, tmp_path):
    load("my_encoder")
    model = ClosureEstimator(encoder={"name": "moments", "order": 2, "width": 8}, **SMALL).fit(data, progress=False)
    assert type(model.parts.autoencoder.encoder).__name__ == "Moments"
    model.save(tmp_path / "model")
    stored = json.loads((tmp_path / "model" / "model.json").read_text())["settings"]["encoder"]
    assert stored == {"name": "moments", "order": 2, "width": 8}
    x = particles[0, :3]
    assert np.array_equal(ClosureModel.load(tmp_path / "model").encode(x), model.encode(x))
    assert np.allclose(model.encode(x[:, ::-1].copy()), model.encode(x), rtol=1e-4, atol=1e-5)


def test_the_decoder_trains_and_the_range_check_compares_densities(load, data, particles):
    load("my_decoder")
    options = SMALL | {"decoder": {"name": "logistic", "hidden": 8}}
    model = ClosureEstimator(**options).fit(data, progress=False)
    assert type(model.parts.autoencoder.decoder).__name__ == "Logistic"
    assert model.parts.autoencoder.has_density
    assert np.isfinite(model.check(particles[:2, 0]).kl).all()


def test_the_simulator_makes_data_with_context_from_which_the_drift_learns(load, tmp_path):
    load("my_simulator")
    load("my_drift")
    trap = find("simulator", "trap").value(n_particles=6, n_frames=8)
    data = simulate_dataset(tmp_path / "trap.zarr", trap, 6, 0, "train")
    temperatures = np.array([data.context(m)[0, 0] for m in range(6)])
    assert ((temperatures >= 0.5) & (temperatures <= 2.0)).all()
    assert len(set(temperatures.tolist())) == 6
    model = ClosureEstimator(dynamics={"drift": "relaxation"}, **SMALL).fit(data, progress=False)
    assert model.settings.dynamics.drift.part_name == "relaxation"
    start = data.trajectory(0)[:1]
    cold, hot = (model.predict(start, 5, context={"temperature": T}).observables for T in (0.5, 2.0))
    assert cold.shape == (1, 1, 6, 1)
    assert np.isfinite(hot).all()
    assert not np.allclose(cold[..., 1:, :], hot[..., 1:, :])


def test_particles_of_the_trap_come_to_rest_at_their_temperature(load):
    """⟨x² + y²⟩ = 2 T / k."""
    load("my_simulator")
    trap = find("simulator", "trap").value(n_particles=4000, n_frames=80, time_step=0.1, temperatures=(1.5, 1.5))
    trajectory = trap.simulate(np.random.default_rng(0))
    assert trajectory.observables[-1, 0] == pytest.approx(3.0, rel=0.06)


def test_the_observable_is_known_by_its_name_in_data_and_model(load, particles, tmp_path):
    load("my_observable")
    data = TrajectoryDataset.from_arrays(tmp_path / "data.zarr", particles, "gyration", times=np.arange(7))
    assert data.observable_names == ("radius", "longest")
    centred = particles[0] - particles[0].mean(axis=1, keepdims=True)
    radius = np.sqrt((centred**2).sum(axis=2).mean(axis=1))
    assert np.allclose(data.observables([0])[0][:, 0], radius, rtol=1e-5)
    model = ClosureEstimator(**SMALL).fit(data, progress=False)
    assert model.predict(particles[0, 0], 3).observables.shape == (1, 1, 4, 2)


@pytest.mark.slow
def test_the_study_runs_through_the_command(tmp_path):
    (tmp_path / "spreading.yaml").write_text("study: spreading\n")
    tiny = {
        "simulation": {"n": 10, "system": {"n_particles": 6, "n_frames": 6}},
        "model": {"decoder": SMALL["decoder"], "reconstruction": SMALL["reconstruction"], "closure_dim": 2},
        "training": TRAINING,
    }
    command = [sys.executable, "-m", "setclosure", "-q", "--plugin", str(ROOT / "examples" / "my_study.py"), "run"]
    command += ["spreading.yaml", "--out", "run", *(f"--set={key}={json.dumps(value)}" for key, value in tiny.items())]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Twice as wide" in result.stdout
    stored = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert stored["study"] == "spreading"
    assert stored["simulation"]["system"]["width"] == 1.0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {test for by_test in metrics.values() for test in by_test} == {"same", "wide"}
    assert (tmp_path / "run" / "report.html").is_file()
