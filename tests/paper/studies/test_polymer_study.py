"""The polymer study at a size for tests, from simulation to Figures 7, 8 and 9 and the report."""

from __future__ import annotations

import io

import numpy as np
import pytest
import yaml
from PIL import Image

from setclosure.errors import ConfigurationError, SimulationError
from setclosure.evaluation.scores import distribution_metrics
from setclosure.experiments.configuration import apply_overrides, configuration_file, parse_study, read_values
from setclosure.experiments.pipeline import evaluate, train
from setclosure.experiments.report.page import build_report
from setclosure.paper.images.pixel_sets import HEIGHT, WIDTH
from setclosure.paper.published_polymers import SPLITS, read_polymers
from setclosure.paper.reproduction.regression import predict_left_out
from setclosure.tables.reproduce import reproduce
from setclosure.trajectories.dataset import TrajectoryDataset

pytestmark = pytest.mark.slow

SYSTEM = "{n_beads: 12, extension_rate: 0.1, frame_interval: 1.0, n_frames: 9, lead_frames: 2, n_candidates: 12}"
OVERRIDES = [
    f"simulation.system={SYSTEM}",
    "simulation.trajectories={train: 6, validation: 2, each_test: 4}",
    "model.dynamics.drift.hidden=[16]",
    "model.dynamics={name: euler_maruyama, diffusion: {name: full, hidden: [8]}}",
    "training.stage_one={steps: 4, batch_sets: 4, validation_sets: 4, steps_per_epoch: 4}",
    "training.stage_two={steps: 10, batch_pairs: 16, steps_per_epoch: 10}",
]
STARTS = ["fast", "medium", "slow"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("polymer")
    place = {"out": folder / "results", "work": folder / "work", "jobs": 1}
    return folder, {
        name: reproduce(name, "demo", (0,), overrides=OVERRIDES, **place) for name in ("figure7", "figure8", "figure9")
    }


def test_every_model_is_measured_on_every_start(made):
    folder, content = made
    for name, methods in (("figure7", ["ours", "none"]), ("figure9", ["cnn", "vit"])):
        assert content[name]["columns"] == STARTS
        assert list(content[name]["rows"]) == methods
        for cells in content[name]["rows"].values():
            for cell in cells.values():
                assert {"mmd", "mmd_unbiased", "mean_error", "sd_error", "inside_band"} <= set(cell)
                assert 0 <= cell["inside_band"]["mean"] <= 1
        assert (folder / "results" / "demo" / f"{name}.svg").stat().st_size > 10_000


def test_tests_start_from_one_conformation_and_training_from_many(made):
    folder, content = made
    (data,) = (path for path in (folder / "work" / "demo" / "data").iterdir() if path.is_dir())
    first = {
        split: np.array([z[0, 0] for z in TrajectoryDataset.open(data / f"{split}.zarr").observables()])
        for split in ("train", *STARTS)
    }
    assert len(np.unique(first["train"])) > 1
    assert all(len(np.unique(first[start])) == 1 for start in STARTS)
    assert content["figure8"]["columns"] == [f"frame {t}" for t in range(9)]
    shown = content["figure8"]["rows"]["trajectory"]["frame 0"]["extension"]["values"]
    assert shown == [first["train"][0]]


def test_the_report_shows_each_test_as_a_video(made):
    folder, _ = made
    runs = folder / "work" / "demo" / "runs"
    shapes = {}
    for method in ("density", "cnn"):
        (run,) = runs.glob(f"{method}-seed0-*")
        for start in STARTS:
            with Image.open(io.BytesIO((run / "seed-0" / "evaluation" / f"{start}.gif").read_bytes())) as video:
                shapes[method, start] = video.size
                assert 2 <= video.n_frames <= 9  # a GIF keeps equal frames as one
        assert build_report(run).read_text().count('<img src="data:image/gif;base64,') == len(STARTS)
    for start in STARTS:  # as much as is not white, and for a method with a density that below it
        (width, height), (of_cnn, height_of_cnn) = (shapes[method, start] for method in ("density", "cnn"))
        assert width == of_cnn < WIDTH
        assert height == 2 * height_of_cnn + 1 < 2 * HEIGHT


def test_published_data_are_the_data_folder_of_a_study(tmp_path):
    datasets = pytest.importorskip("datasets")
    rng = np.random.default_rng(0)

    def rows():
        beads = rng.normal(size=(4, 6, 5, 3)) * 10
        times = [(10.0 * np.arange(6))[:, None].tolist()] * 4
        return {"t": times, "x": beads.reshape(4, 6, 15).tolist(), "args": [[1.0]] * 4}

    saved = datasets.DatasetDict({name: datasets.Dataset.from_dict(rows()) for name in SPLITS.values()})
    saved.save_to_disk(tmp_path / "source")
    for split in SPLITS:
        read_polymers(tmp_path / "published" / f"{split}.zarr", split, images=True, source=tmp_path / "source")
    values = read_values(configuration_file("polymer", "demo"))
    apply_overrides(values, OVERRIDES)
    train(parse_study(values, "here"), tmp_path / "published", tmp_path / "run")
    metrics = evaluate(tmp_path / "run", tmp_path / "published")
    assert set(metrics["mmd"]) == set(STARTS)


def test_a_discrepancy_is_of_extensions_scaled_to_their_training_range():
    study = parse_study({"study": "polymer"}, "here")
    assert study.unit_range
    assert list(study.simulation.splits()) == ["train", "validation", *STARTS]
    rng = np.random.default_rng(0)
    truth, predicted = 50 + 200 * rng.random((2, 30, 5, 1))
    limits = np.array([40.0]), np.array([260.0])
    scaled = distribution_metrics(truth, predicted, limits)
    unit = distribution_metrics((truth - 40) / 220, (predicted - 40) / 220)
    assert {name: scaled[name] for name in ("mmd", "mmd_unbiased")} == pytest.approx(
        {name: unit[name] for name in ("mmd", "mmd_unbiased")}
    )
    assert scaled["mean_error"] == distribution_metrics(truth, predicted)["mean_error"]  # relative: of what is measured


@pytest.mark.parametrize("system", ["{n_beads: 9}", "{extension_rate: 0}"])
def test_a_chain_without_the_starts_of_the_tests_is_refused_at_once(system):
    with pytest.raises(ConfigurationError, match=r"simulation: start '(fast|slow)' "):
        parse_study({"study": "polymer", "simulation": {"system": yaml.safe_load(system)}}, "here")


@pytest.mark.parametrize("microstates", ["beads", "numbered beads"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.weight_feature=2", "microstates of {} have no grey level .* set it to null"),
        ("model.method=vit", "method 'vit' reads images, and microstates are {}; take pixels"),
    ],
)
def test_beads_are_no_pixels(microstates, change, message):
    values = read_values(configuration_file("polymer", "demo"))
    apply_overrides(values, [change, f"simulation.system.microstates={microstates}"])
    with pytest.raises(ConfigurationError, match=message.format(microstates)):
        parse_study(values, "here")


def test_the_order_of_the_beads_tells_most_of_when_a_chain_unravels(tmp_path):
    system = "{n_beads: 60, extension_rate: 0.03, frame_interval: 1.0, n_frames: 80}"
    small = [*OVERRIDES, f"simulation.system={system}"]
    place = {"out": tmp_path / "results", "work": tmp_path / "work", "jobs": 1}
    shares = reproduce("unravelling", "demo", (0,), overrides=small, **place)["rows"]
    r2 = {name: cells["chains"]["r2"]["mean"] for name, cells in shares.items()}
    assert {"+ closure of ours", "+ closure of cnn", "+ all of these"} < set(r2)
    assert 1 > r2["+ order of the beads"] > max(r2["extension"], r2["+ depth (z)"]) + 0.2
    assert (tmp_path / "results" / "demo" / "unravelling.svg").stat().st_size > 10_000


def test_too_few_chains_that_unravel_are_named_before_anything_is_trained(tmp_path):
    place = {"out": tmp_path / "results", "work": tmp_path / "work", "jobs": 1}
    with pytest.raises(SimulationError, match=r"only 0 of 60 chains .* 25 are needed\. Ask for longer"):
        reproduce("unravelling", "demo", (0,), overrides=OVERRIDES, **place)
    assert not (tmp_path / "work" / "demo" / "runs").exists()


def test_predictions_are_of_targets_that_were_not_seen():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=200), rng.normal(size=200)
    y = x + 0.5 * x**2 + noise
    predicted, mean = predict_left_out([x], y)
    others = np.arange(200) % 10 != 3
    assert mean[3] == pytest.approx(y[others].mean())
    assert predicted[3] == pytest.approx(np.polyval(np.polyfit(x[others], y[others], 2), x[3]), abs=0.1)
    assert np.var(y - predicted) == pytest.approx(1.0, rel=0.2)
    useless, mean = predict_left_out([rng.normal(size=(200, 20))], y)  # explains nothing, and costs little
    assert 1 - ((y - useless) ** 2).sum() / ((y - mean) ** 2).sum() == pytest.approx(0, abs=0.05)
