"""Plugins: files of a user's own that register parts, here and in other processes."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from setclosure import registry
from setclosure.errors import ConfigurationError
from setclosure.paper.simulators.interacting_particles import InteractingParticles
from setclosure.registry import find, load_plugin, plugins
from setclosure.simulate.campaign import simulate_dataset, simulate_one
from setclosure.simulate.sent import SentSimulator, sendable

WALK = """
from typing import ClassVar

import numpy as np

import setclosure
from setclosure import Layout, Trajectory
from setclosure.observables.registered import get_observable
from setclosure.simulate.simulator import SimulatorConfig


@setclosure.register("observable", "reach_of_test")
def reach(microstates):
    return microstates.points.abs().amax(dim=(1, 2))


@setclosure.register("simulator", "walk_of_test")
class Walk(SimulatorConfig):
    in_threads: ClassVar[bool] = False
    n: int = 4

    @property
    def layout(self):
        return Layout("walk", 2, 3, self.n, "reach_of_test", ("reach_of_test",))

    def simulate(self, rng):
        points = rng.normal(size=(3, self.n, 2))
        return Trajectory(points, get_observable("reach_of_test")(points), np.arange(3))
"""


@pytest.fixture
def walk(tmp_path, monkeypatch):
    """A simulator of a plugin, unknown again when the test ends."""
    for kind in ("observable", "simulator"):
        registry.names(kind)
        monkeypatch.setitem(registry._PARTS, kind, dict(registry._PARTS[kind]))
    monkeypatch.setattr(registry, "_PLUGINS", {})
    path = tmp_path / "walk.py"
    path.write_text(WALK)
    load_plugin(path)
    (plugin,) = plugins()
    yield find("simulator", "walk_of_test").value(n=5)
    del sys.modules[plugin.module]


def test_another_process_reads_a_simulator_with_the_plugin_that_it_comes_from(walk, tmp_path):
    sent = sendable(walk)
    assert isinstance(sent, SentSimulator)
    (tmp_path / "walk.py").unlink()  # the other machine has no such file
    (tmp_path / "sent.pkl").write_bytes(pickle.dumps(sent))
    code = (
        "import pickle, sys, numpy as np\n"
        "from setclosure.simulate.campaign import simulate_one\n"
        f"sent = pickle.load(open({str(tmp_path / 'sent.pkl')!r}, 'rb'))\n"
        f"np.save({str(tmp_path / 'points.npy')!r}, simulate_one(sent, 0, 'train', 3).points)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert np.array_equal(np.load(tmp_path / "points.npy"), simulate_one(walk, 0, "train", 3).points)


def test_a_simulator_of_the_library_is_sent_as_it_is(walk):
    simulator = InteractingParticles(n_particles=4)
    assert sendable(simulator) is simulator


@pytest.mark.slow
def test_a_simulator_of_a_plugin_is_simulated_by_processes(walk, tmp_path):
    pytest.importorskip("distributed")
    data = simulate_dataset(tmp_path / "walk.zarr", walk, 3, 0, "train", workers=1)
    assert data.committed.all()
    alone = simulate_one(walk, 0, "train", 2).points.astype(np.float32)
    assert np.array_equal(data.trajectory(2).points.numpy(), alone)


def test_a_plugin_runs_once_however_often_it_is_named(walk, tmp_path):
    (plugin,) = plugins()
    found = find("simulator", "walk_of_test").value
    load_plugin(tmp_path / "walk.py")
    load_plugin(str(tmp_path / ".." / tmp_path.name / "walk.py"))
    assert plugins() == [plugin]
    assert find("simulator", "walk_of_test").value is found


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nowhere.py", None, "is not there; expected a Python file"),
        ("parts.txt", b"", r"is not a Python file; expected a name that ends in \.py"),
        ("wrong.py", b"import setclosure\nsetclosure.regster", "stopped with AttributeError: .*regster"),
        ("unfinished.py", b"def f(:", "stopped with SyntaxError"),
        ("latin.py", b"x = '\xe9'", "is no text"),
    ],
)
def test_a_file_that_cannot_be_a_plugin_is_refused_by_name(tmp_path, monkeypatch, name, content, message):
    monkeypatch.setattr(registry, "_PLUGINS", {})
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for _ in range(2):  # a failed one leaves nothing behind
        with pytest.raises(ConfigurationError, match=rf"{name}.* {message}|{name} {message}"):
            load_plugin(tmp_path / name)
    assert plugins() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", registry.KINDS)
def test_parts_of_the_library_are_known_in_a_new_process(kind):
    """Whatever was imported before: here nothing but the registry."""
    code = f"from setclosure.registry import find, names; print([n for n in names({kind!r}) if find({kind!r}, n)])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    one = {
        "descriptor": "environment",
        "encoder": "deep_set",
        "decoder": "spline_flow",
        "reconstruction": "distribution",
        "dynamics": "ode",
        "drift": "mlp",
        "diffusion": "full",
        "method": "density",
        "observable": "extension",
        "reader": "table",
        "simulator": "polymer",
        "study": "own_data",
    }
    assert one[kind] in eval(out)
