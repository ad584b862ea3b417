"""CONTRIBUTING.md shows the examples as they are, the README's code runs, and its numbers are those of the results."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from setclosure import registry
from setclosure.fit.settings import FitSettings
from setclosure.registry import names

ROOT = Path(__file__).parents[1]
README, GUIDE = (ROOT / "README.md").read_text(), (ROOT / "CONTRIBUTING.md").read_text()


def code_of(text):
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_the_guide_quotes_the_shortest_example_whole_and_links_every_one():
    shortest, *_ = sorted((ROOT / "examples").glob("*.py"), key=lambda path: len(path.read_text()))
    assert shortest.read_text() in code_of(GUIDE)
    linked = re.findall(r"\[`(\w+\.py)`\]\(examples/(\w+\.py)\)", GUIDE)
    assert all(label == target for label, target in linked)
    assert sorted(target for _, target in linked) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def test_what_the_guide_shows_of_an_encoder_is_in_its_example():
    (shown,) = [block for block in code_of(GUIDE) if "MomentsConfig" in block]
    example = (ROOT / "examples" / "my_encoder.py").read_text()
    for line in filter(None, shown.removesuffix("\n").removesuffix(" ...").splitlines()):
        assert line in example


def test_commands_of_the_guide_name_files_that_are_there():
    plugins = re.findall(r"--plugin (examples/\S+)", GUIDE)
    assert plugins
    assert all((ROOT / path).is_file() for path in plugins)


@pytest.fixture
def own_observables(monkeypatch):
    """Observables of the library alone, whatever another test or docstring has registered; and again afterwards."""
    names("observable")
    own = {name: part for name, part in registry._PARTS["observable"].items() if "setclosure." in part.value.__module__}
    monkeypatch.setitem(registry._PARTS, "observable", dict(own))


def test_the_examples_of_the_readme_run_one_after_another(own_observables, monkeypatch, tmp_path, capsys):
    """With a small budget instead of the default one."""
    budget = {"steps": 4, "steps_per_epoch": 2}
    small = FitSettings.parse({"stage_one": budget | {"batch_sets": 4}, "stage_two": budget | {"batch_pairs": 8}})
    monkeypatch.setattr(FitSettings, "parse", lambda *_: small)
    monkeypatch.chdir(tmp_path)
    np.save("my_trajectories.npy", np.random.default_rng(0).normal(size=(6, 5, 7, 2)).cumsum(axis=1))
    blocks = code_of(README)
    assert blocks
    space = {"__name__": "readme"}
    for block in blocks:
        exec(block, space)
    assert "(1, 1, 101, 1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("start", "table", "metric"),
    [
        ("| setclosure, laptop scale", "table1", "mre_scaled"),
        ("| setclosure, the mixture at laptop scale", "table2", "mmd"),
    ],
)
def test_the_numbers_of_the_readme_are_those_of_the_results(start, table, metric):
    line = next(row for row in README.splitlines() if row.startswith(start))
    rows = json.loads((ROOT / "results" / "laptop" / f"{table}.json").read_text())["rows"]
    metrics = {split: cell[metric] for split, cell in rows["ours"].items()}
    shown = [tuple(float(number) for number in cell.split("±")) for cell in line.strip("| ").split("|")[2:]]
    kept = [(metrics[split]["mean"], metrics[split]["sd"]) for split in ("in_dst", "diff_init", "diff_n")]
    assert shown == [(float(f"{mean:.2e}"), float(f"{sd:.2e}")) for mean, sd in kept]
