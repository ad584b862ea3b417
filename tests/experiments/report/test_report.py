"""The report's content and what it does with missing and damaged pieces."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.experiments.report.synthetic_run import FILAMENT, FLOCKS, LONG, SHORT, System, write_run

from setclosure.errors import ConfigurationError, RunError, SchemaVersionError
from setclosure.evaluation.numbers import duration, mean_and_sd, number
from setclosure.experiments.report import build_report, reduce
from setclosure.experiments.report.figures import save_overview
from setclosure.experiments.report.load import load_run


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "run"))


def _plain(page: str) -> str:
    """The text of HTML, without scripts, styles and tags."""
    page = re.sub(r"(?s)<(script|style)\b.*?</\1>", "", page)
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())


def _text(report: Path) -> str:
    return _plain(report.read_text())


def _section(report: Path, key: str) -> str:
    """The HTML of one section."""
    return report.read_text().split(f'<section id="{key}"')[1].split("</section>")[0]


def _figure(report: Path, key: str, variant: int = 0) -> dict[str, Any]:
    """The data and layout of a figure, with arrays decoded."""
    payload = report.read_text().split(f'id="{key}"')[1].split('<script type="application/json">')[1]
    return dict(json.loads(payload.split("</script>")[0])[variant])


def _numbers(values: Any) -> np.ndarray:
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return np.asarray(values)


def _change(path: Path, **changes: Any) -> None:
    """Change entries of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _rewrite(path: Path, **changes: Any) -> None:
    """Change arrays of a file; None takes one away."""
    with np.load(path) as stored:
        arrays = dict(stored) | changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


# ── the answer, and the naive predictions ─────────────────────────────────────────────────────────────────────


def test_answers_first(run: Path) -> None:
    text = _text(build_report(run))
    assert text.index("Flocks at three temperatures") < text.index("The run is complete.")
    answer = (
        "the model predicted the pair energy and radius of gyration of unseen trajectories with RMSE 0.01 training sd "
        "in the test “Held out” (same distribution as training). The best naive prediction, “mean path”, has 0.04 "
    )
    assert answer in text
    counted = text.index("1 of 120 starts had a rollout that diverged.")
    assert text.index(answer) < counted < text.index("Birds of a feather") < text.index("Results")
    mre = json.loads((run / "metrics.json").read_text())["mre"]
    assert all(number(value) in text for value in mre.values())


def test_the_results_set_the_model_beside_the_naive_predictions(run: Path) -> None:
    report = build_report(run)
    assert report.read_text().index('<section id="results"') == report.read_text().index("<section ")
    results = _section(report, "results")
    blocks = [_plain(block) for block in results.split("<tbody>")[1:]]
    assert blocks[0].startswith("Skill higher is better model 0.938 −1.25")
    assert blocks[1].startswith(
        "Root mean square error in training sd; lower is better model 0.01 0.06 worse than naive "
        "persistence 0.07 0.07 mean path 0.04 0.04 linear fit 0.055 0.055"
    )
    best = re.findall(r'<th scope="row">([^<]*)</th>(?:<td[^>]*>[^<]*</td>)*?<td class="best">', results)
    assert best == ["mean path", "mean path"]  # of RMSE and MRE
    assert results.count('<td class="best">') == 4


def test_a_skill_below_zero_is_a_warning_at_the_top(run: Path) -> None:
    page = build_report(run).read_text()
    warning = page.index('role="alert"')
    assert warning < page.index("The run is complete.")
    said = page[warning:].split("</p>")[0]
    assert "In the test “Hotter box” the model is worse than the best naive prediction, “mean path”" in said
    assert "“Held out”" not in said
    _change(run / "metrics.json", skill={"held_out": 0.9, "hotter": 0.0})
    assert 'role="alert"' not in build_report(run).read_text()


def test_the_run_speaks_of_its_own_system_alone(run: Path) -> None:
    text = _text(build_report(run)).lower()
    for word in ("attract", "lennard", "polymer", "ensemble", "fig. 5", "app. a", "in distribution", "split"):
        assert word not in text, word


def test_a_run_without_words_has_its_names(run: Path) -> None:
    info = json.loads((run / "run.json").read_text())
    kept = {key: info[key] for key in ("schema", "seeds", "status")}
    (run / "run.json").write_text(json.dumps(kept))
    text = _text(build_report(run))
    assert "with RMSE 0.01 training sd in the test “held_out”." in text
    assert "the energy and rg of unseen" in text
    assert "run.json names no data." in text


def test_small_enough_to_mail(run: Path) -> None:
    assert build_report(run).stat().st_size < 8e6


def test_several_seeds_show_mean_and_deviation(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", seeds=(3, 5, 8))
    text = _text(build_report(run))
    value = json.loads((run / "metrics.json").read_text())["mre"]["hotter"]
    assert mean_and_sd(value["mean"], value["sd"]) in text
    assert all(number(each) in text for each in value["values"])
    assert "3 of 360 starts over 3 seeds had a rollout that diverged." in text
    assert "Seed 3, the first of 3." in text
    assert f"Over the 3 seeds the largest change of any observable is {mean_and_sd(3.41e-7, 3.1e-8)}." in text


def test_unknown_tests_and_metrics_print_as_they_are(run: Path) -> None:
    metrics = {"sharpness": {"left wall": 0.25}, "mmd": {"left wall": 5.4e-3}}
    (run / "metrics.json").write_text(json.dumps(metrics))
    (run / "seconds.json").write_text(json.dumps({"polish": 3.0}))
    text = _text(build_report(run))
    assert "with MMD 5.40 × 10⁻³" in text
    assert "model 5.40 × 10⁻³ sharpness model 0.25" in text
    assert "polish 3 s" in text


# ── units, species, context ───────────────────────────────────────────────────────────────────────────────────


def test_axes_and_tables_have_units(run: Path) -> None:
    report = build_report(run)
    for key in ("fig-predictions", "fig-errors", "fig-permutation"):
        layout = _figure(report, key)["layout"]
        titles = {axis.get("title", {}).get("text") for name, axis in layout.items() if "axis" in name}
        assert "time (ps)" in titles
        assert any("pair energy (ε)" in str(title) for title in titles)
        assert any("radius of gyration (nm)" in str(title) for title in titles)
    assert "0.64\u202fps" in json.dumps(_figure(report, "fig-snapshots")["layout"], ensure_ascii=False)
    data = _plain(_section(report, "data"))
    assert "Features x, y, vx, vy Observables pair energy (ε), radius of gyration (nm)" in data
    assert "Held out same distribution as training held_out.zarr 60 50 to 73 20 to 24" in data


def test_the_context_has_its_range_in_each_test(run: Path) -> None:
    data = _plain(_section(build_report(run), "data"))
    assert "Test temperature (K) Held out 280 to 320 Hotter box 340 to 380" in data


def test_a_system_without_context_has_no_table_of_it(tmp_path: Path) -> None:
    report = build_report(write_run(tmp_path / "run", FILAMENT))
    assert "Context" not in _text(report)
    assert "RMSE 0.02 µm in the test “Folded start”" in _text(report)
    layout = _figure(report, "fig-spread")["layout"]
    assert [layout[axis]["title"]["text"] for axis in ("xaxis", "yaxis")] == ["time", "extension (µm)"]


def test_species_have_their_names(tmp_path: Path) -> None:
    report = build_report(write_run(tmp_path / "run", species=("starlings", "hawks")))
    layout = json.dumps(_figure(report, "fig-snapshots")["layout"])
    assert all(name in layout for name in ("target, starlings", "decoded, hawks"))
    assert "The species starlings and hawks have a colour each." in _text(report)
    assert "Species starlings, hawks" in _text(report)


# ── unequal lengths ───────────────────────────────────────────────────────────────────────────────────────────


def test_curves_end_where_their_trajectory_does(run: Path) -> None:
    report = build_report(run)
    arrays = load_run(run).evaluations["held_out"]
    for key in ("fig-predictions", "fig-closure"):
        lengths = {len(_numbers(trace["x"])) for trace in _figure(report, key)["data"] if trace["mode"] == "lines"}
        assert lengths == {SHORT, LONG}
    for trace in _figure(report, "fig-predictions")["data"]:
        x = _numbers(trace["x"])
        of_picks = (arrays["times"][m, : arrays["lengths"][m]] for m in arrays["picks"])
        assert any(len(x) == len(times) and np.allclose(x, times) for times in of_picks)


def test_what_lies_behind_an_end_changes_no_figure(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    for name in ("held_out", "hotter"):
        path = other / "seed-0" / "evaluation" / f"{name}.npz"
        arrays = load_run(other).evaluations[name]
        behind = np.arange(LONG) >= arrays["lengths"][:, None]
        assert behind.any()
        changed = {key: np.where(behind[..., None], 1e6, arrays[key]) for key in ("truth", "predicted")}
        _rewrite(path, times=np.where(behind, -5.0, arrays["times"]), **changed)
    here, there = build_report(run), build_report(other)
    for key in ("fig-predictions", "fig-errors", "fig-closure"):
        assert _figure(here, key, 0) == _figure(there, key, 0)


def test_statistics_leave_out_what_has_ended(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", replace(FILAMENT, lengths=(SHORT, LONG)))
    arrays = load_run(run).evaluations["folded"]
    report = build_report(run)
    by_name = {trace["name"]: trace for trace in _figure(report, "fig-spread")["data"]}
    long = arrays["lengths"] == LONG
    mean = _numbers(by_name["true, mean"]["y"])
    np.testing.assert_allclose(mean[SHORT:], arrays["truth"][long, SHORT:, 0].mean(0), rtol=1e-5)
    np.testing.assert_allclose(mean[:SHORT], arrays["truth"][:, :SHORT, 0].mean(0), rtol=1e-5)
    predicted = _numbers(by_name["predicted, mean"]["y"])
    np.testing.assert_allclose(predicted[SHORT:], arrays["predicted"][long, 0, SHORT:, 0].mean(0), rtol=1e-5)
    text = "of unequal length (50 to 73 frames in “Folded start”); each frame shows those that reach it."
    assert _text(report).count(text) == 2  # under the spread and under the errors
    equal = build_report(write_run(tmp_path / "equal", FILAMENT))
    assert "unequal length" not in _text(equal)


@pytest.mark.slow
@pytest.mark.parametrize("system", [FLOCKS, FILAMENT], ids=["flocks", "filament"])
def test_statistics_are_over_frames_where_times_are_not_shared(tmp_path: Path, system: System) -> None:
    for shared, title in ((True, "time (ps)" if system.time_unit else "time"), (False, "frame")):
        report = build_report(write_run(tmp_path / title, system, shared_times=shared))
        for key in ("fig-errors", *(["fig-spread"] if system.stochastic else [])):
            figure = _figure(report, key)
            assert figure["layout"]["xaxis"]["title"]["text"] == title
            last = max(_numbers(trace["x"]).max() for trace in figure["data"])
            assert last == pytest.approx(0.08 * (LONG - 1) if shared else LONG - 1)
        assert ("the axis counts frames" in _text(report)) is not shared


def test_shared_times_are_those_of_the_longest() -> None:
    times = np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 2.5]])
    np.testing.assert_array_equal(reduce.shared_times(times, np.array([2, 3])), times[1])
    assert reduce.shared_times(times, np.array([3, 3])) is None
    assert reduce.shared_times(times + np.array([[0.1], [0.0]]), np.array([2, 3])) is None


def test_moments_need_two_trajectories() -> None:
    mean, sd = reduce.moments(np.array([[1.0, 2.0, 5.0], [3.0, np.nan, np.inf], [5.0, 6.0, np.nan]]))
    np.testing.assert_allclose(mean, [3.0, 4.0, np.nan])
    np.testing.assert_allclose(sd, [2.0, np.sqrt(8), np.nan])


def test_lengths_that_cannot_be_are_named(run: Path) -> None:
    path = run / "seed-0" / "evaluation" / "held_out.npz"
    lengths = load_run(run).evaluations["held_out"]["lengths"]
    for wrong in (lengths + 1, lengths * 0, lengths * 1.0):
        _rewrite(path, lengths=wrong)
        assert "held_out.npz has lengths from" in _text(build_report(run))


# ── missing and damaged pieces ────────────────────────────────────────────────────────────────────────────────

PIECES = {
    "metrics.json": ("results",),
    "naive.json": ("results",),
    "seconds.json": ("timings",),
    "permutation.json": ("permutation",),
    "config.yaml": ("configuration",),
    "seed-0/history.json": ("training",),
    "seed-0/evaluation/permutation.npz": ("permutation",),
    "seed-0/evaluation/snapshots.npz": ("snapshots",),
    "seed-0/evaluation/hotter.npz": (),
    "seed-0/evaluation": ("predictions", "errors", "ranges", "snapshots", "permutation", "closure", "data"),
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


NOT_A_TABLE = ("[]", "3", "{}", '{"mre": "much"}', '{"mre": {"held_out": "much"}}')


@pytest.mark.slow
@pytest.mark.parametrize("content", NOT_A_TABLE)
@pytest.mark.parametrize("piece", ["metrics.json", "naive.json", "seconds.json", "permutation.json"])
def test_json_of_another_form_leaves_a_sentence(run: Path, piece: str, content: str) -> None:
    (run / piece).write_text(content)
    assert f"Not in this report: {piece} holds no" in _text(build_report(run))


def test_nothing_but_run_json(run: Path) -> None:
    for child in run.iterdir():
        if child.name != "run.json":
            shutil.rmtree(child) if child.is_dir() else child.unlink()
    assert "This run has no results yet." in _text(build_report(run))


@pytest.mark.parametrize(
    ("file", "name", "axis"),
    [
        ("held_out", "predicted", 1),
        ("held_out", "times", 1),
        ("held_out", "lengths", 0),
        ("held_out", "closure_true", 1),
        ("held_out", "context", 0),
        ("permutation", "times", 0),
        ("snapshots", "decoded", 3),
    ],
)
def test_arrays_that_do_not_fit_are_named(run: Path, file: str, name: str, axis: int) -> None:
    path = run / "seed-0" / "evaluation" / f"{file}.npz"
    with np.load(path) as stored:
        changed = np.delete(stored[name], 0, axis)
    _rewrite(path, **{name: changed})
    text = _text(build_report(run))
    assert f"{file}.npz holds arrays that do not fit together" in text
    assert f"{name} {changed.shape}" in text


def test_a_test_of_other_observables_is_named(run: Path) -> None:
    _rewrite(run / "seed-0" / "evaluation" / "hotter.npz", observable_names=np.array(["energy", "order"]))
    text = _text(build_report(run))
    assert "hotter.npz has the observables energy, order; the first test has energy, rg." in text


def test_a_run_without_closure_has_no_figure_of_it(run: Path) -> None:
    for name in ("held_out", "hotter"):
        path = run / "seed-0" / "evaluation" / f"{name}.npz"
        _rewrite(path, picks=None, closure_true=None, closure_predicted=None)
    _change(run / "run.json", closure_dim=0)
    page = build_report(run).read_text()
    assert 'id="fig-closure"' not in page
    assert 'id="fig-predictions"' in page
    assert "for the observables alone, without a closure" in _plain(page)


NOT_A_RUN = (
    "",
    "{",
    "[]",
    "{}",
    '{"schema": 2, "seeds": []}',
    '{"schema": 2, "seeds": ["a"]}',
    '{"schema": 1, "seeds": [0], "study": "x"}',
    '{"schema": 2, "seeds": [0], "tests": ["held_out"]}',
    '{"schema": 2, "seeds": [0], "tests": {"held_out": "label"}}',
    '{"schema": 2, "seeds": [0], "observables": [{"unit": "ε"}]}',
    '{"schema": 2, "seeds": [0], "context": ["temperature"]}',
    '{"schema": 2, "seeds": [0], "name": 3}',
)


@pytest.mark.parametrize("content", NOT_A_RUN)
def test_damaged_run_json_is_a_named_error(run: Path, content: str) -> None:
    (run / "run.json").write_text(content)
    with pytest.raises((RunError, SchemaVersionError), match=r"run\.json"):
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


def test_error_over_time_sums_to_the_relative_error(run: Path) -> None:
    arrays = load_run(run).evaluations["hotter"]
    lengths = arrays["lengths"]
    error = reduce.error_over_time(arrays["truth"], arrays["predicted"], lengths)
    assert np.isnan(error[:, 0]).all()
    assert np.isnan(error[lengths == SHORT, SHORT:]).all()
    there = (np.arange(1, LONG) < lengths[:, None])[..., None]
    size = (arrays["truth"][:, 1:] ** 2 * there).sum((1, 2))
    np.testing.assert_allclose(np.nansum(error**2, axis=(1, 2)) / size, arrays["error"], rtol=1e-10)


def test_one_dimensional_densities_are_curves(run: Path) -> None:
    file = run / "seed-0" / "evaluation" / "snapshots.npz"
    arrays = load_run(run).snapshots
    _rewrite(
        file, points=arrays["points"][..., :1], grid_y=np.zeros(1), decoded=arrays["decoded"][:, :, :1],
        target=arrays["target"][:, :, :1],
    )  # fmt: skip
    assert {trace["type"] for trace in _figure(build_report(run), "fig-snapshots")["data"]} == {"scatter"}


def test_videos_have_the_sentence_of_the_run(run: Path) -> None:
    (run / "seed-0" / "evaluation" / "hotter.gif").write_bytes(b"GIF89a")
    videos = _section(build_report(run), "videos")
    assert 'alt="A trajectory of the test Hotter box as a video."' in videos
    assert "Hotter box. The flock from above." in _plain(videos).replace(" .", ".")


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_overview_is_written_and_repeats(original: Path, tmp_path: Path, suffix: str, start: bytes) -> None:
    first = save_overview(original, tmp_path / f"a{suffix}").read_bytes()
    assert first.startswith(start)
    assert first == save_overview(original, tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [{"system": FILAMENT, "species": ("a", "b")}, {"shared_times": False}])
def test_overview_of_every_kind_of_run(tmp_path: Path, arguments: dict[str, Any]) -> None:
    run = write_run(tmp_path / "run", **arguments)
    _change(run / "run.json", tests={name: {"label": r"100 $\\bad"} for name in ("folded", "held_out", "hotter")})
    svg = save_overview(run, tmp_path / "a.svg").stat().st_size
    assert svg > 10_000


def test_overview_refuses_what_it_cannot_do(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\.gif"):
        save_overview(run, tmp_path / "a.gif")
    shutil.rmtree(run / "seed-0" / "evaluation")
    with pytest.raises(RunError, match="no evaluated test"):
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
