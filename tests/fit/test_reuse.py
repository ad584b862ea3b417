"""The first stage of another fit is taken where it would come out the same, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from setclosure.experiments.configuration import load_study
from setclosure.fit.estimator import ClosureEstimator
from setclosure.fit.stage_one import StageOne
from setclosure.trajectories.dataset import TrajectoryDataset

SHORT = [
    "training.stage_one={steps: 10, steps_per_epoch: 5, batch_sets: 6, validation_sets: 4}",
    "training.stage_two={steps: 20, steps_per_epoch: 10, batch_pairs: 32, views: 2}",
]


@pytest.fixture
def fit(tiny_config, tiny_data):
    datasets = [TrajectoryDataset.open(tiny_data / f"{split}.zarr") for split in ("train", "validation")]

    def run(folder, *overrides, reuse=(), seed=0):
        study = load_study(tiny_config, [*SHORT, *overrides])
        estimator = ClosureEstimator(settings=study.model, training=study.training)
        return estimator.fit(*datasets, seed=seed, folder=folder, reuse=reuse)

    return run


@pytest.fixture
def no_stage_one(monkeypatch):
    """Steps of stage one fail."""

    def forbid():
        monkeypatch.setattr(StageOne, "training_step", lambda *_: pytest.fail("stage one was trained again"))

    return forbid


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    ["training.stage_two.learning_rate=1e-4", "model.dynamics.drift.hidden=[8]", "model.dynamics=euler_maruyama"],
)
def test_other_dynamics_on_the_same_closure_are_those_of_a_whole_fit(fit, no_stage_one, tmp_path, change):
    fit(tmp_path / "first")
    whole = fit(tmp_path / "whole", change)
    no_stage_one()
    reused = fit(tmp_path / "reused", change, reuse=[tmp_path / "nothing", tmp_path / "first"])
    a, b = whole.parts.state_dict(), reused.parts.state_dict()
    assert all(torch.equal(a[key].nan_to_num(7.5), b[key].nan_to_num(7.5)) for key in a)
    assert reused.seconds["stage_one"] > 0  # what it took where it was trained


def test_a_method_without_an_encoder_has_macrostates_to_take(fit, tmp_path):
    none = "model={method: none, dynamics: {drift: {hidden: [8]}}}"
    fit(tmp_path / "first", none)
    fit(tmp_path / "other", none, "training.stage_two.learning_rate=1e-4", reuse=[tmp_path / "first"])
    assert (tmp_path / "other" / "reused.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "model.bandwidth=0.2",
        "training.stage_one.learning_rate=1e-4",
        "training.stage_two.views=1",
        "model.dynamics_weight=0.5",
    ],
)
def test_what_would_come_out_otherwise_is_trained(fit, tmp_path, change):
    fit(tmp_path / "first")
    whole, reused = fit(tmp_path / "whole", change), fit(tmp_path / "reused", change, reuse=[tmp_path / "first"])
    a, b = whole.parts.state_dict(), reused.parts.state_dict()
    assert all(torch.equal(a[key].nan_to_num(7.5), b[key].nan_to_num(7.5)) for key in a)


def test_another_seed_and_an_unfinished_fit_are_not_taken(fit, tmp_path):
    fit(tmp_path / "first", seed=1)
    other = fit(tmp_path / "other", reuse=[tmp_path / "first"])
    (tmp_path / "other" / "encode.json").unlink()
    again = fit(tmp_path / "again", reuse=[tmp_path / "other"])
    a, b = other.parts.state_dict(), again.parts.state_dict()
    assert all(torch.equal(a[key].nan_to_num(7.5), b[key].nan_to_num(7.5)) for key in a)
