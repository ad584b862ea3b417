from __future__ import annotations

import numpy as np
import pytest
import torch

from setclosure.dynamics.ode import ODEConfig
from setclosure.errors import TrainingError
from setclosure.fit.macrostates import Macrostates
from setclosure.fit.sampling import Steps, WindowBatches
from setclosure.fit.settings import StageTwoSettings, TrainerSettings
from setclosure.fit.stage_two import StageTwo
from setclosure.fit.trainer import train
from setclosure.seeds import seeded
from setclosure.trajectories.transitions import transitions

CPU = TrainerSettings(accelerator="cpu")


def macrostates():
    z = np.random.default_rng(0).normal(size=(6, 12, 3)).cumsum(axis=1)
    rows = torch.from_numpy(z).float().flatten(0, 1)
    known = transitions([np.arange(12)] * 6, 1.0, 1.5)
    return Macrostates(rows, torch.zeros(72, 0), np.full(6, 12), known, [np.ones(11)] * 6)


def trained(folder, workers, seed=0, **options):
    settings = StageTwoSettings(**{"steps": 12, "steps_per_epoch": 4, "batch_pairs": 16} | options)
    known = macrostates()
    with seeded(0, "weights"):
        dynamics = ODEConfig.parse({"drift": {"hidden": [8]}}).build(3, 1)
    dynamics.set_statistics(known.z, known.context, *known.pairs)
    draw = WindowBatches(known, 0.0, settings.batch_pairs, 1)
    steps = Steps(draw, settings.steps, seed, "stage two")
    history = train(
        StageTwo(dynamics, settings, known), steps, draw(np.random.default_rng(1)), folder, "test", CPU, workers=workers
    )
    return dynamics.state_dict(), history


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a)


def test_the_number_of_loader_workers_changes_no_weight(tmp_path):
    alone, history = trained(tmp_path / "0", 0)
    two, history_of_two = trained(tmp_path / "2", 2)
    assert same(alone, two)
    assert [row["train_loss"] for row in history] == [row["train_loss"] for row in history_of_two]
    other, _ = trained(tmp_path / "other", 0, seed=1)
    assert not same(alone, other)


def test_the_history_has_a_row_for_each_validation_with_the_schedule(tmp_path):
    _, history = trained(tmp_path, 0)
    assert [row["step"] for row in history] == [4, 8, 12]
    assert all(np.diff([row["seconds"] for row in history]) > 0)
    rates = [row["learning_rate"] for row in history]
    assert rates[0] > rates[1] > rates[2]
    assert rates[2] < 1e-4


def test_a_loss_that_is_not_finite_stops_with_the_remedy_and_is_never_saved(tmp_path):
    with pytest.raises(TrainingError, match=r"not finite at step 4\. Lower the learning rate"):
        trained(tmp_path, 0, learning_rate=1e30, gradient_clip=None, warmup=0.0)
    assert list(tmp_path.glob("*.ckpt")) == []


def test_a_batch_depends_on_seed_stage_step_and_rank_alone():
    def draw(stream):
        return stream.random()

    steps = Steps(draw, 10, 0, "stage one")
    forward = [steps[i] for i in range(10)]
    assert [steps[i] for i in reversed(range(10))] == forward[::-1]
    others = [Steps(draw, 10, 1, "stage one")[3], Steps(draw, 10, 0, "stage two")[3]]
    steps.rank = 1
    assert len({forward[3], *others, steps[3]}) == 4
