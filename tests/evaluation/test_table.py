"""The table of metrics, the comparison with naive predictions, and the table of the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from setclosure.errors import ConfigurationError, DamagedFileError
from setclosure.evaluation.comparison import best_naive, is_worse_than_naive, worse_than_naive
from setclosure.evaluation.numbers import of_seeds, written
from setclosure.evaluation.table import METRICS, Metric, in_order, metric_of, register_metric, unit_of
from setclosure.experiments.cli.tables import metrics_table, results_of

MODEL = {
    "diverged": {"cold": 0.0, "hot": 3.0},
    "sharpness": {"cold": 0.25, "hot": 0.5},
    "rmse": {"cold": 0.011, "hot": 0.52},
    "inside_band": {"cold": 0.9, "hot": 0.3},
    "skill": {"cold": 0.93, "hot": -0.31},
}
NAIVE = {
    "persistence": {"rmse": {"cold": 0.41, "hot": 0.63}, "inside_band": {"cold": 0.2, "hot": 0.1}},
    "mean path": {"rmse": {"cold": 0.33, "hot": 0.45}, "inside_band": {"cold": 0.4, "hot": 0.35}},
    "linear fit": {"rmse": {"cold": 0.37, "hot": 0.47}},
}
INFO = {
    "name": "Flocks",
    "observables": [{"name": "energy", "label": "pair energy", "unit": "ε"}],
    "tests": {"hot": {"label": "Hotter box"}, "cold": {"label": "Cold box"}},
}


@pytest.fixture
def registry() -> Iterator[None]:
    """Leave the table as it was."""
    before = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(before)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_every_metric_has_its_words(metric: Metric) -> None:
    assert metric is METRICS[metric.name]
    assert metric.symbol
    assert metric.label[0].isupper()
    assert metric.sentence == "" or metric.sentence.endswith(".")


def test_symbols_and_labels_tell_metrics_apart() -> None:
    assert len({metric.symbol for metric in METRICS.values()}) == len(METRICS)
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)


def test_known_metrics_come_first_in_the_order_of_the_table() -> None:
    assert in_order(["sharpness", "diverged", "mre", "blur", "rmse", "mre"]) == [
        "rmse", "mre", "diverged", "sharpness", "blur",
    ]  # fmt: skip
    assert metric_of("sharpness") == Metric("sharpness", "sharpness", "", "sharpness", "", None)


def test_a_registered_metric_joins_the_end_and_keeps_its_name(registry: None) -> None:
    mine = Metric("sharpness", "sharp", "nm", "Sharpness", "How sharp it is.", lower_is_better=False)
    register_metric(mine)
    register_metric(mine)
    assert list(METRICS)[-1] == "sharpness"
    assert in_order(["sharpness", "blur", "mre"]) == ["mre", "sharpness", "blur"]
    assert unit_of("sharpness", ["ε"]) == "nm"
    with pytest.raises(ConfigurationError, match="'sharpness' is in the table already"):
        register_metric(Metric("sharpness", "sharp", "m", "Sharpness", "How sharp it is.", lower_is_better=False))
    assert METRICS["sharpness"] is mine


@pytest.mark.parametrize(
    ("units", "unit"), [(["ε"], "ε"), ([""], ""), (["ε", "ε"], "training sd"), (["ε", "nm"], "training sd")]
)
def test_the_unit_of_an_error_is_that_of_the_observable(units: list[str], unit: str) -> None:
    assert unit_of("rmse", units) == unit
    assert unit_of("skill", units) == unit_of("unheard of", units) == ""


def test_the_best_naive_prediction_depends_on_which_direction_is_better() -> None:
    assert best_naive(NAIVE, "rmse", "cold") == "mean path"
    assert best_naive(NAIVE, "inside_band", "hot") == "mean path"
    assert best_naive(NAIVE, "inside_band", "lukewarm") is None
    assert best_naive({"persistence": {"effective_rank": {"cold": 2.0}}}, "effective_rank", "cold") is None
    assert best_naive({"a": {"rmse": {"cold": None}}, "b": {"rmse": {"cold": float("nan")}}}, "rmse", "cold") is None


def test_worse_than_naive_is_said_of_those_tests_alone() -> None:
    assert not is_worse_than_naive(MODEL, NAIVE, "rmse", "cold")
    assert is_worse_than_naive(MODEL, NAIVE, "rmse", "hot")
    assert is_worse_than_naive(MODEL, NAIVE, "inside_band", "hot")
    assert not is_worse_than_naive(MODEL, {}, "rmse", "hot")
    (sentence,) = worse_than_naive(MODEL, NAIVE, lambda test: INFO["tests"][test]["label"])
    assert sentence == (
        "In the test “Hotter box” the model is worse than the best naive prediction, “mean path” (skill −0.31)."
    )


def test_single_seeds_below_zero_are_said() -> None:
    skill = {"mean": 0.2, "sd": 0.5, "values": [0.6, 0.3, -0.3]}
    (sentence,) = worse_than_naive({"skill": {"hot": skill}}, {})
    assert sentence.startswith("In the test “hot” 1 of 3 seeds gave a model that is worse")
    assert worse_than_naive({"skill": {"hot": skill | {"values": [0.6, 0.3, 0.1]}}}, {}) == []


def test_values_of_seeds_are_written_as_mean_and_deviation() -> None:
    assert written({"mean": 2 / 3, "sd": 0.577, "values": [0, 1, 1]}, whole=True) == "0.7 ± 0.6"
    assert written({"mean": 0.0, "sd": 0.0, "values": [0, 0]}, whole=True) == "0 ± 0"
    assert written({"mean": None, "sd": None, "values": [None]}) == "–"
    assert of_seeds({"mean": 1.0, "values": [1, 2]}) == [1, 2]
    assert of_seeds(1.0) == []


def _printed(*arguments: dict) -> str:
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(metrics_table(*arguments))
    return capture.get()


def test_the_command_line_sets_the_model_beside_the_naive_predictions() -> None:
    lines = [line.split("  ") for line in _printed(MODEL, NAIVE, {"stage_one": 75.0}, INFO).splitlines()]
    lines = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert lines[0] == ["Flocks: prediction from the first frame alone"]
    assert lines[1] == ["Hotter box", "Cold box"]
    assert lines[2] == ["skill", "model", "−0.31", "0.93"]
    assert lines[3:7] == [
        ["RMSE (ε)", "model", "0.52", "0.011"],
        ["persistence", "0.63", "0.41"],
        ["mean path", "0.45 ◂", "0.33 ◂"],
        ["linear fit", "0.47", "0.37"],
    ]
    assert [line for line in lines if line and line[0] == "linear fit"] == [lines[6]]  # it has no inside_band
    assert ["diverged", "model", "3", "0"] in lines
    assert lines.index(["sharpness", "model", "0.5", "0.25"]) > lines.index(["diverged", "model", "3", "0"])
    text = " ".join(" ".join(line) for line in lines)
    assert "Warning: In the test “Hotter box” the model is worse than the best naive prediction, “mean path”" in text
    assert "Time: stage one 1 min 15 s" in text


def test_many_tests_go_below_each_other_and_none_is_lost() -> None:
    value = {"mean": 1.934e-5, "sd": 1.2e-6, "values": [1.9e-5, 2e-5]}
    tests = [f"temperature {k}" for k in range(9)]
    metrics, naive = {"mre": dict.fromkeys(tests, value)}, {"persistence": {"mre": dict.fromkeys(tests, value)}}
    text = _printed(metrics, naive, {}, {})
    assert all(cell_len(line) <= 100 for line in text.splitlines())
    assert text.count("(1.93 ± 0.12) × 10⁻⁵") == 18
    assert all(text.count(test) == 1 for test in tests)
    assert "…" not in text


def test_user_text_is_no_markup() -> None:
    info = {"name": "[red]x[/red]", "tests": {"cold": {"label": "[bold]cold"}}}
    text = _printed({"mre": {"cold": 0.5}}, {"[dim]row": {"mre": {"cold": 1.5}}}, {}, info)
    assert all(part in text for part in ("[red]x[/red]", "[bold]cold", "[dim]row"))


def test_results_are_read_from_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        results_of(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps(MODEL))
    (tmp_path / "naive.json").write_text("{")
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(results_of(tmp_path))  # a damaged naive.json is as none
    assert "RMSE" in capture.get()
    assert "mean path" not in capture.get()
    (tmp_path / "naive.json").write_text(json.dumps(NAIVE))
    with console.capture() as capture:
        console.print(results_of(tmp_path))
    assert "mean path" in capture.get()
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(DamagedFileError, match=r"metrics\.json"):
        results_of(tmp_path)
