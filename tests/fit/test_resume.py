"""A fit that is killed at any step and resumed ends with the bits of one that was not."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import torch

from setclosure.errors import RunError, SetclosureWarning
from setclosure.experiments.configuration import load_study
from setclosure.fit.checkpoints import CheckedCheckpoints
from setclosure.fit.estimator import ClosureEstimator
from setclosure.fit.stage_one import StageOne
from setclosure.fit.stage_two import StageTwo
from setclosure.trajectories.dataset import TrajectoryDataset

SHORT = [
    "training.stage_one={steps: 20, steps_per_epoch: 5, batch_sets: 6, validation_sets: 4}",
    "training.stage_two={steps: 40, steps_per_epoch: 10, batch_pairs: 32, views: 2}",
]
STAGES = ("stage_one", "stage_two")
VARIANTS = {
    "two stages": [],
    "patience": [
        *("training.stage_one.patience=1", "training.stage_one.learning_rate=0.5"),
        *("training.stage_two.patience=1", "training.stage_two.learning_rate=0.5"),
    ],
    "no improvement": [
        *("training.stage_one.patience=1", "training.stage_one.learning_rate=1e-30"),
        *("training.stage_two.patience=1", "training.stage_two.learning_rate=1e-30"),
    ],
    "joint": ["model.dynamics_weight=0.5"],
    "stochastic": ["model.dynamics={name: euler_maruyama}", "training.stage_one.gradient_clip=null"],
    "the last weights": ["training.stage_one.keep=last", "training.stage_two.keep=last"],
    "horizons": ["model.dynamics={horizons: [1, 6], observable_weight: 4, drift: {hidden: [16]}}"],
    "a shorter last epoch": ["training.stage_one.steps=17", "training.stage_two.steps=33"],
    "less than an epoch": ["training.stage_one.steps=3", "training.stage_two.steps=7"],
}


class Killed(BaseException):
    """Not an error that anything would handle."""


@pytest.fixture
def kill(monkeypatch):
    """``kill(stage, step)``: raise when that step of that stage begins."""

    def at(stage, step):
        whole = stage.training_step

        def training_step(self, batch, batch_idx):
            if self.global_step == step:
                raise Killed
            return whole(self, batch, batch_idx)

        monkeypatch.setattr(stage, "training_step", training_step)

    return at


@pytest.fixture
def fit(tiny_config, tiny_data):
    datasets = [TrajectoryDataset.open(tiny_data / f"{split}.zarr") for split in ("train", "validation")]

    def run(folder, overrides=(), seed=0, resume=False):
        study = load_study(tiny_config, [*SHORT, *overrides])
        estimator = ClosureEstimator(settings=study.model, training=study.training)
        return estimator.fit(*datasets, seed=seed, folder=folder, resume=resume)

    return run


def assert_same(model, other):
    a, b = model.parts.state_dict(), other.parts.state_dict()
    assert a.keys() == b.keys()
    assert [key for key in a if not torch.equal(a[key].nan_to_num(7.5), b[key].nan_to_num(7.5))] == []
    assert without_seconds(model.history) == without_seconds(other.history)


def without_seconds(history):
    return {stage: [{k: v for k, v in row.items() if k != "seconds"} for row in h] for stage, h in history.items()}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_killed_in_both_stages_and_resumed_it_ends_with_the_same_bits(fit, kill, monkeypatch, tmp_path, variant):
    overrides = VARIANTS[variant]
    whole = fit(tmp_path / "whole", overrides)
    steps = [int(history[-1]["step"]) for history in whole.history.values()]
    if variant == "no improvement":  # no weight changes at this learning rate, so it stops on any processor
        assert steps[0] == 10
    stream = np.random.default_rng(sum(map(ord, variant)))
    for resume, stage, n in ((False, StageOne, steps[0]), (True, StageTwo, steps[1])):
        kill(stage, int(stream.integers(n)))
        with pytest.raises(Killed):
            fit(tmp_path / "killed", overrides, resume=resume)
        monkeypatch.undo()
    assert_same(fit(tmp_path / "killed", overrides, resume=True), whole)


@pytest.mark.slow
def test_killed_in_any_candidate_the_horizon_is_chosen_as_without(fit, monkeypatch, tmp_path):
    """Three horizons are trained one after another, 20 steps each."""
    overrides = ["model.dynamics={horizons: auto, drift: {hidden: [16]}}", "training.stage_two.steps=20"]
    whole = fit(tmp_path / "whole", overrides)
    folders = {path.name: path for path in (tmp_path / "whole" / "stage_two").iterdir()}
    assert set(folders) == {"horizon-1", "horizon-7", "horizon-30"}
    done = StageTwo.training_step
    for calls in (5, 18, 30):  # between two kills it goes on from the last checkpoint
        left = iter(range(calls))

        def training_step(self, batch, batch_idx, left=left):
            if next(left, None) is None:
                raise Killed
            return done(self, batch, batch_idx)

        monkeypatch.setattr(StageTwo, "training_step", training_step)
        with pytest.raises(Killed):
            fit(tmp_path / "killed", overrides, resume=calls > 5)
        monkeypatch.undo()
    again = fit(tmp_path / "killed", overrides, resume=True)
    assert_same(again, whole)
    assert again.settings == whole.settings
    errors = {}
    for name, folder in folders.items():
        newest = CheckedCheckpoints().load_checkpoint(sorted(folder.glob("*.ckpt"))[-1])
        (rows,) = [state["rows"] for state in newest["callbacks"].values() if "rows" in state]
        errors[name] = min(row["rollout_error"] for row in rows)
    chosen = min(errors, key=errors.get)
    assert whole.settings.dynamics.horizons == (int(chosen.split("-")[1]),)
    assert min(row["rollout_error"] for row in whole.history["stage_two"]) == errors[chosen]
    alone = fit(tmp_path / "alone", [*overrides, f"model.dynamics.horizons=[{chosen.split('-')[1]}]"])
    assert_same(alone, whole)


def test_a_finished_fit_resumes_to_itself_and_trains_no_step(fit, kill, tmp_path):
    whole = fit(tmp_path, VARIANTS["patience"])
    for stage in (StageOne, StageTwo):
        for step in range(0, 41, 5):
            kill(stage, step)
    assert_same(fit(tmp_path, VARIANTS["patience"], resume=True), whole)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "both", "macrostates", "no macrostates"])
def test_damage_is_mended_by_a_resume_with_a_warning(fit, tmp_path, damage):
    whole = fit(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "damaged")
    older, newer = sorted((tmp_path / "damaged" / "stage_two").glob("*.ckpt"))
    macrostates = tmp_path / "damaged" / "macrostates.safetensors"
    message = f"{newer.name}.*damaged.*{older.name} is tried instead"
    if damage == "truncated":
        newer.write_bytes(newer.read_bytes()[:-100])
    if damage == "flipped":
        content = bytearray(newer.read_bytes())
        content[len(content) // 2] ^= 4
        newer.write_bytes(content)
    if damage == "both":
        older.write_bytes(b"")
        newer.write_bytes(b"")
        message = "this stage starts again"
    if damage == "macrostates":
        macrostates.write_bytes(macrostates.read_bytes()[:-4] + b"\0\0\0\0")
        message = "microstates are encoded again"
    if damage == "no macrostates":
        macrostates.unlink()
        message = "microstates are encoded again"
    with pytest.warns(SetclosureWarning) as record:
        again = fit(tmp_path / "damaged", resume=True)
    assert any(re.search(message, str(w.message)) for w in record)
    assert_same(again, whole)


def test_after_a_new_start_the_new_checkpoints_are_kept(fit, kill, monkeypatch, tmp_path):
    """Damaged checkpoints of later steps must not crowd out whole ones of earlier steps."""
    whole = fit(tmp_path)
    for path in (tmp_path / "stage_two").glob("*.ckpt"):
        path.write_bytes(b"damaged")
    kill(StageTwo, 25)
    with pytest.raises(Killed), pytest.warns(SetclosureWarning):
        fit(tmp_path, resume=True)
    assert [p.name for p in sorted((tmp_path / "stage_two").glob("*"))] == [
        "step-000000010.ckpt",
        "step-000000020.ckpt",
    ]
    monkeypatch.undo()
    kill(StageTwo, 0)  # it goes on from step 20
    assert_same(fit(tmp_path, resume=True), whole)


def test_other_data_seed_or_settings_are_refused_with_the_difference(fit, tmp_path, tiny_data, tiny_config):
    fit(tmp_path)
    with pytest.raises(RunError, match=r"holds a fit already\. Resume it \(resume=True, --resume\), or choose"):
        fit(tmp_path)
    with pytest.raises(RunError, match="seed: was 0, is now 1"):
        fit(tmp_path, seed=1, resume=True)
    with pytest.raises(RunError, match=r"stage_two\.learning_rate: was 0\.\d+, is now 0\.5"):
        fit(tmp_path, ["training.stage_two.learning_rate=0.5"], resume=True)
    with pytest.raises(RunError, match=r"model\.closure_dim: was 3, is now 4"):
        fit(tmp_path, ["model.closure_dim=4"], resume=True)
    study = load_study(tiny_config, SHORT)
    other, validation = (TrajectoryDataset.open(tiny_data / f"{split}.zarr") for split in ("in_dst", "validation"))
    with pytest.raises(RunError, match=r"training: was '\w{64}', is now '\w{64}'"):
        ClosureEstimator(settings=study.model, training=study.training).fit(
            other, validation, folder=tmp_path, resume=True
        )


def test_memory_and_devices_may_change_between_kill_and_resume(fit, kill, monkeypatch, tmp_path):
    whole = fit(tmp_path / "whole")
    kill(StageTwo, 15)
    with pytest.raises(Killed):
        fit(tmp_path / "killed")
    monkeypatch.undo()
    changes = ["training.memory_gib=1e-9", "training.trainer={accelerator: cpu, loggers: [csv]}"]
    assert_same(fit(tmp_path / "killed", changes, resume=True), whole)


def test_the_newest_two_checkpoints_are_kept_and_nothing_else(fit, tmp_path):
    fit(tmp_path)
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert files == [
        "encode.json",
        "fit.json",
        "macrostates.safetensors",
        "stage_one/step-000000015.ckpt",
        "stage_one/step-000000020.ckpt",
        "stage_two/step-000000030.ckpt",
        "stage_two/step-000000040.ckpt",
    ]


@pytest.mark.parametrize(
    ("steps", "rows"), [(17, [5, 10, 15, 17]), (15, [5, 10, 15]), (5, [5]), (3, [3]), (1, [1]), (6, [5, 6])]
)
def test_the_last_step_is_validated_and_kept_whatever_the_epochs(fit, tmp_path, steps, rows):
    """A budget need not be a multiple of the steps between two validations."""
    model = fit(tmp_path, [f"training.{stage}={{steps: {steps}, steps_per_epoch: 5}}" for stage in STAGES])
    for stage in STAGES:
        assert [row["step"] for row in model.history[stage]] == rows
        kept = sorted((tmp_path / stage).glob("*.ckpt"))
        assert [int(path.stem.split("-")[1]) for path in kept] == rows[-2:]
        assert all(np.isfinite(row["validation_loss"]) for row in model.history[stage])


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 4, 5, 14, 15, 16])
def test_killed_at_any_step_around_a_shorter_last_epoch_it_resumes_to_the_same_bits(
    fit, kill, monkeypatch, tmp_path, step
):
    overrides = [f"training.{stage}={{steps: 17, steps_per_epoch: 5}}" for stage in STAGES]
    whole = fit(tmp_path / "whole", overrides)
    for stage, resume in ((StageOne, False), (StageTwo, True)):
        kill(stage, step)
        with pytest.raises(Killed):
            fit(tmp_path / "killed", overrides, resume=resume)
        monkeypatch.undo()
    assert_same(fit(tmp_path / "killed", overrides, resume=True), whole)
