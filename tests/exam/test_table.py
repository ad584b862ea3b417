"""The exam as a table: naive rows, methods, compare's choice and the floor in every column."""

from __future__ import annotations

import dataclasses
import json

import pytest

from setclosure.exam.catalogue import EXHIBITS
from setclosure.tables.exhibits import known_exhibits
from setclosure.tables.reproduce import reproduce

SMALL = (
    "simulation.system.n_frames=6",
    "simulation.system.n_particles=12",
    "training.stage_one.steps=4",
    "training.stage_one.batch_sets=4",
    "training.stage_one.steps_per_epoch=4",
    "training.stage_two.steps=4",
    "training.stage_two.steps_per_epoch=4",
)


def test_the_exam_is_among_the_exhibits_beside_the_papers():
    known = known_exhibits()
    assert list(known)[-1] == "exam"
    assert "table1" in known


@pytest.mark.slow
def test_a_table_of_one_column(tmp_path, monkeypatch):
    exam = EXHIBITS["exam"]
    (column,) = (column for column in exam.columns if column.name == "decay_test")
    rows = {name: exam.rows[name] for name in ("none", "pooled on features")}
    small = dataclasses.replace(exam, columns=(column,), rows=rows)
    monkeypatch.setattr("setclosure.tables.reproduce.known_exhibits", lambda: {"exam": small})
    result = reproduce("exam", "demo", (0,), tmp_path / "out", tmp_path / "work", 1, SMALL)
    assert list(result["rows"]) == [
        "persistence",
        "mean path",
        "linear fit",
        "none",
        "pooled on features",
        "compare's choice",
        "floor",
    ]
    cell = result["rows"]["compare's choice"]["decay_test"]
    assert set(cell) == {"rmse", "skill", "seconds"}
    assert 0.1 < result["rows"]["floor"]["decay_test"]["rmse"]["mean"] < 0.3
    assert "compare chose" in result["notes"][0]
    text = (tmp_path / "out" / "demo" / "exam.md").read_text()
    assert "| `floor` |" in text
    assert json.loads((tmp_path / "out" / "demo" / "exam.json").read_text())["columns"] == ["decay_test"]
