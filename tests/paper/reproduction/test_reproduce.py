"""One command makes a table or a figure: its files have one shape, pieces are found again, mistakes are named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from tests.conftest import TINY

from setclosure.errors import ConfigurationError
from setclosure.evaluation.table import METRICS
from setclosure.paper.reproduction.catalogue import EXHIBITS
from setclosure.tables import pieces as work
from setclosure.tables.exhibits import SCALES, Order
from setclosure.tables.reproduce import reproduce

pytestmark = pytest.mark.slow

OVERRIDES = [
    *(
        f"simulation.{key}={yaml.safe_dump(value, default_flow_style=True)}"
        for key, value in TINY["simulation"].items()
    ),
    "model.encoder.width=16",
    "model.dynamics.drift.hidden=[16]",
    "training.stage_one={steps: 10, batch_sets: 4, validation_sets: 8, steps_per_epoch: 10}",
    "training.stage_two={steps: 10, batch_pairs: 16, steps_per_epoch: 10, views: 1}",
]
FIGURE4 = [
    "n_training=20", "n_validation=5", "bandwidths=[0.1, 0.3]", "closure_dims=[1, 2]",
    "model.decoder={layers: 2, bins: 4}", "model.reconstruction.samples=16",
    "training={steps: 4, batch_sets: 4, steps_per_epoch: 2}",
]  # fmt: skip


def _only_numbers(cell):
    return all(set(value) == {"mean", "sd", "values"} and np.isfinite(value["mean"]) for value in cell.values())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Table 1, two seeds, in this process."""
    folder = tmp_path_factory.mktemp("reproduction")
    place = {"out": folder / "results", "work": folder / "work", "jobs": 1}
    return folder, reproduce("table1", "demo", (0, 1), overrides=OVERRIDES, **place)


def test_a_table_has_the_promised_shape(made):
    folder, result = made
    assert json.loads((folder / "results" / "demo" / "table1.json").read_text()) == result
    assert {"name", "scale", "columns", "rows", "paper", "provenance"} <= set(result)
    assert result["columns"] == ["in_dst", "diff_init", "diff_n"]
    assert {"ours", "ae-aug", "ae-inve", "ae-inve-cd", "inve", "none"} <= set(result["rows"])
    promised = {"mre", "mre_scaled", "diverged", "effective_rank", "closure_variance", "seconds"}
    for method, cells in result["rows"].items():
        assert set(cells) == set(result["columns"]) - ({"diff_n"} if method == "ae-aug" else set())
        for cell in cells.values():
            assert promised <= set(cell)
            assert _only_numbers(cell)
            assert len(cell["mre"]["values"]) == 2
            assert cell["mre"]["sd"] == pytest.approx(np.std(cell["mre"]["values"], ddof=1))
    assert result["paper"]["ours"]["in_dst"]["mre_scaled"] == {"mean": 5.19e-5, "sd": 0.25e-5, "values": []}
    assert {"commit", "versions", "machine", "pieces", "seeds"} <= set(result["provenance"])
    configurations = [piece["configuration"] for piece in result["provenance"]["pieces"].values()]
    for c in configurations:  # one budget for all methods; of which frames stage two has more is each method's own
        c["training"]["stage_two"].pop("transient_share")
    assert all(c["training"] == configurations[0]["training"] for c in configurations)
    assert result["notes"] == [
        "`ae-inve`, `ae-inve-cd`, `inve` have `training.stage_two.transient_share=0.5`, as they do better on "
        "development data.",
    ]
    assert all(c["simulation"] == configurations[0]["simulation"] for c in configurations)
    widths = {c["model"]["encoder"].get("width") for c in configurations if c["model"]["method"] != "none"}
    assert widths == {16}


def test_the_markdown_sets_the_paper_beside_ours(made):
    text = (made[0] / "results" / "demo" / "table1.md").read_text()
    assert "| `ae-aug`, paper | (1.25 ± 0.02) × 10⁻³ | (8.04 ± 0.10) × 10⁻⁴ | n/a |" in text
    assert text.count("`ours`, paper") == 1  # beside mre_scaled alone


def test_a_closure_that_is_none_has_no_rank(made):
    _, result = made
    assert result["rows"]["none"]["in_dst"]["effective_rank"]["mean"] == 0
    assert result["rows"]["ours"]["in_dst"]["effective_rank"]["mean"] >= 1


def test_finished_pieces_are_used_again(made, monkeypatch):
    folder, result = made
    monkeypatch.setattr(work.RunPiece, "finish", lambda self: pytest.fail(f"{self.label} was made again"))
    place = {"out": folder / "results", "work": folder / "work", "jobs": 1}
    again = reproduce("table1", "demo", (0, 1), overrides=OVERRIDES, **place)
    assert again["rows"] == result["rows"]
    figure = reproduce("figure5", "demo", (0,), overrides=OVERRIDES, **place)  # shows runs of Table 1
    deviation = {name: cells["in_dst"]["permutation_deviation"]["mean"] for name, cells in figure["rows"].items()}
    assert deviation["ours"] < 1e-5
    assert deviation["ae-aug"] > deviation["ours"]
    for suffix in ("svg", "png"):
        assert (folder / "results" / "demo" / f"figure5.{suffix}").stat().st_size > 10_000


def test_figure_4_has_a_number_for_each_panel(tmp_path):
    result = reproduce("figure4", "demo", None, tmp_path / "out", tmp_path / "work", 1, FIGURE4)
    assert result["columns"] == ["eps=0.1 dim=1", "eps=0.1 dim=2", "eps=0.3 dim=1", "eps=0.3 dim=2"]
    assert all(_only_numbers(cell) and {"kl", "kl_shown"} <= set(cell) for cell in result["rows"]["ours"].values())
    assert (tmp_path / "out" / "demo" / "figure4.png").exists()


@pytest.mark.slow
def test_several_jobs_give_the_numbers_of_one(tmp_path):
    overrides = [*OVERRIDES, "training.trainer.accelerator=cpu"]
    one = reproduce("table3", "demo", (0,), tmp_path / "a", tmp_path / "one", 1, overrides)
    two = reproduce("table3", "demo", (0,), tmp_path / "b", tmp_path / "two", 2, overrides)
    for method, cells in one["rows"].items():
        assert two["rows"][method]["in_dst"]["mre"]["mean"] == pytest.approx(cells["in_dst"]["mre"]["mean"], rel=1e-3)


def test_the_configuration_of_every_exhibit_and_scale_is_whole(tmp_path):
    for name, exhibit in EXHIBITS.items():
        for scale in SCALES:
            made = exhibit.pieces(Order(scale, None, tmp_path))
            assert len({piece.folder for piece in made}) == len(made) > 0, (name, scale)


def test_a_row_changes_no_other(tmp_path):
    order = Order("laptop", None, tmp_path)
    for _ in range(2):  # nor itself, the next time
        sizes = [piece.study.simulation.trajectories.train for piece in EXHIBITS["slow"].pieces(order)]
        assert sizes.count(240) == 2
        assert set(sizes) == {60, 240}


def test_the_papers_numbers_belong_to_rows_and_columns_that_there_are(tmp_path):
    for exhibit in EXHIBITS.values():
        for row, cells in exhibit.printed.items():
            assert row in {r.name for r in exhibit.rows}
            assert set(cells) <= {column.name for column in exhibit.columns}
        assert exhibit.printed_metric in METRICS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("table9", "demo"), "no 'table9' to reproduce; known: table1"),
        (("table1", "huge"), "no scale 'huge'; known: demo, laptop, paper"),
        (("table1", "demo", (0, 0)), "must be given and differ"),
    ],
)
def test_mistakes_are_named(arguments, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message):
        reproduce(*arguments, out=tmp_path, work=tmp_path)
