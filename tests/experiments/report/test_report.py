"""The report's content and what it does with missing and damaged pieces."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_run import write_run

from setclosure.errors import ConfigurationError, RunError
from setclosure.experiments.report import build_report, reduce
from setclosure.experiments.report.figures import save_overview
from setclosure.experiments.report.formatting import duration, mean_and_sd, number
from setclosure.experiments.report.load import load_run


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "run"))


def _text(report: Path) -> str:
    """The text of the page, without scripts, styles and tags."""
    page = re.sub(r"(?s)<(script|style)\b.*?</\1>", "", report.read_text())
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())


def test_answers_first(run: Path) -> None:
    text = _text(build_report(run))
    assert "predicted the pair energy of unseen trajectories" in text
    mre = json.loads((run / "metrics.json").read_text())["mre"]
    assert f"with MRE {number(mre['in_dst'])}" in text
    counted = text.index("1 of 180 starts had a rollout that diverged.")
    assert text.index(number(mre["in_dst"])) < counted < text.index("Results")
    assert all(number(value) in text for value in mre.values())


def test_small_enough_to_mail(run: Path) -> None:
    assert build_report(run).stat().st_size < 8e6


def test_several_seeds_show_mean_and_deviation(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", seeds=(3, 5, 8))
    text = _text(build_report(run))
    value = json.loads((run / "metrics.json").read_text())["mre"]["diff_n"]
    assert mean_and_sd(value["mean"], value["sd"]) in text
    assert all(number(each) in text for each in value["values"])
    assert "3 of 540 starts over 3 seeds had a rollout that diverged." in text
    assert "Seed 3, the first of 3." in text


def test_unknown_splits_and_metrics_print_as_they_are(run: Path) -> None:
    metrics = {"mmd": {"left wall": 5.4e-3}, "sharpness": {"left wall": 0.25}, "seconds": {"polish": 3.0}}
    (run / "metrics.json").write_text(json.dumps(metrics))
    text = _text(build_report(run))
    assert "with MMD 5.40 × 10⁻³" in text
    assert "left wall 5.40 × 10⁻³ 0.25" in text
    assert "polish 3 s" in text


PIECES = {
    "metrics.json": ("results", "timings"),
    "config.yaml": ("configuration",),
    "seed-0/history.json": ("training",),
    "seed-0/evaluation/permutation.npz": ("permutation",),
    "seed-0/evaluation/snapshots.npz": ("snapshots",),
    "seed-0/evaluation": ("predictions", "errors", "ranges", "snapshots", "permutation", "closure"),
}


@pytest.mark.parametrize("piece", PIECES)
def test_missing_piece_leaves_a_sentence(run: Path, piece: str) -> None:
    target = run / piece
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    page = build_report(run).read_text()
    said = {section.split('"', 1)[0] for section in page.split('<section id="')[1:] if "Not in this report:" in section}
    assert said == set(PIECES[piece])


@pytest.mark.parametrize("piece", [p for p in PIECES if "." in p and p != "config.yaml"])
def test_damaged_piece_is_named(run: Path, piece: str) -> None:
    content = (run / piece).read_bytes()
    (run / piece).write_bytes(content[: len(content) // 2])
    assert f"{Path(piece).name} is there but cannot be read" in _text(build_report(run))


def test_nothing_but_run_json(run: Path) -> None:
    for child in run.iterdir():
        if child.name != "run.json":
            shutil.rmtree(child) if child.is_dir() else child.unlink()
    assert "This run has no results yet." in _text(build_report(run))


@pytest.mark.parametrize(
    ("file", "name", "axis"),
    [
        ("in_dst", "predicted", 1),
        ("in_dst", "closure_true", 1),
        ("permutation", "times", 0),
        ("snapshots", "decoded", 3),
    ],
)
def test_arrays_that_do_not_fit_are_named(run: Path, file: str, name: str, axis: int) -> None:
    path = run / "seed-0" / "evaluation" / f"{file}.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays[name] = np.delete(arrays[name], 0, axis)
    np.savez(path, **arrays)
    text = _text(build_report(run))
    assert f"{file}.npz holds arrays that do not fit together" in text
    assert f"{name} {arrays[name].shape}" in text


def test_a_run_without_closure_has_no_figure_of_it(run: Path) -> None:
    for path in (run / "seed-0" / "evaluation").glob("*_*.npz"):
        with np.load(path) as stored:
            arrays = dict(stored)
        del arrays["picks"], arrays["closure_true"], arrays["closure_predicted"]
        np.savez(path, **arrays)
    page = build_report(run).read_text()
    assert 'id="fig-closure"' not in page
    assert 'id="fig-predictions"' in page


NOT_A_RUN = (
    "",
    "{",
    "[]",
    "{}",
    '{"study": "x", "seeds": []}',
    '{"study": "x", "seeds": ["a"]}',
    '{"study": "x", "seeds": [0], "schema": 99}',
)


@pytest.mark.parametrize("content", NOT_A_RUN)
def test_damaged_run_json_is_a_named_error(run: Path, content: str) -> None:
    (run / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"run\.json"):
        build_report(run)
    assert not (run / "report.html").exists()


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run\.json"):
        build_report(tmp_path)
    with pytest.raises(RunError, match="not a folder"):
        build_report(tmp_path / "nowhere")


def test_pickled_arrays_are_not_loaded(run: Path) -> None:
    np.savez(run / "seed-0" / "evaluation" / "permutation.npz", **dict.fromkeys(
        ("times", "truth", "predicted", "deviation"), np.array([{}], dtype=object)))  # fmt: skip
    loaded = load_run(run)
    assert loaded.permutation == {}
    assert "cannot be read" in loaded.reasons["permutation"]


def test_error_over_time_is_a_share_of_the_mre(run: Path) -> None:
    arrays = load_run(run).evaluations["in_dst"]
    error = reduce.error_over_time(arrays["truth"], arrays["predicted"])
    assert np.isnan(error[:, 0]).all()
    squared = np.nan_to_num(error) ** 2
    np.testing.assert_allclose(squared[:, 1:].mean(axis=1), arrays["error"], rtol=1e-10)


def test_one_dimensional_densities_are_curves(run: Path) -> None:
    file = run / "seed-0" / "evaluation" / "snapshots.npz"
    with np.load(file) as stored:
        arrays = dict(stored)
    arrays["points"], arrays["grid_y"] = arrays["points"][..., :1], np.zeros(1)
    arrays["decoded"], arrays["target"] = arrays["decoded"][:, :, :1], arrays["target"][:, :, :1]
    np.savez(file, **arrays)
    assert '"type":"scatter"' in build_report(run).read_text().split('id="fig-snapshots"')[1].split("</figure>")[0]


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_overview_is_written_and_repeats(original: Path, tmp_path: Path, suffix: str, start: bytes) -> None:
    first = save_overview(original, tmp_path / f"a{suffix}").read_bytes()
    assert first.startswith(start)
    assert first == save_overview(original, tmp_path / f"b{suffix}").read_bytes()


def test_overview_refuses_what_it_cannot_do(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\.gif"):
        save_overview(run, tmp_path / "a.gif")
    shutil.rmtree(run / "seed-0" / "evaluation")
    with pytest.raises(RunError, match="no evaluated split"):
        save_overview(run, tmp_path / "a.png")


@given(st.floats(1e-12, 1e12), st.floats(0.001, 0.5))
def test_written_numbers_keep_their_value(value: float, share: float) -> None:
    superscripts = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

    def read(text: str) -> float:
        mantissa, _, power = text.replace("\u202f", "").partition(" × 10")
        return float(mantissa) * 10.0 ** int(power.translate(superscripts) or 0)

    assert read(number(value)) == pytest.approx(value, rel=5.1e-3)
    written = mean_and_sd(value, share * value)
    mean, _, rest = written.partition(" ± ")
    power = rest.partition(")")[2]
    assert read(mean.lstrip("(") + power) == pytest.approx(value, rel=1e-2)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.42 s"), (59.7, "1 min 0 s"), (75, "1 min 15 s"), (3599.6, "1 h 0 min"), (None, "–")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
