"""The weights of the best epoch are kept, whatever comes after it, and through any kill."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.fit.known import macrostates

from setclosure.dynamics.ode import ODEConfig
from setclosure.fit.rollout_error import rollout_error
from setclosure.fit.sampling import Steps
from setclosure.fit.settings import StageOneSettings, StageTwoSettings, TrainerSettings
from setclosure.fit.stage_two import StageTwo, train_dynamics
from setclosure.fit.trainer import Stage, kept_epoch, train
from setclosure.seeds import seeded

CPU = TrainerSettings(accelerator="cpu")


class Killed(BaseException):
    """Not an error that anything would handle."""


class Passing(Stage):
    """One weight, which training moves from 0 to 1, past the 0.35 at which the validation loss is least."""

    def __init__(self, settings):
        super().__init__(settings)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.register_buffer("steps_seen", torch.zeros(1))

    def training_step(self, batch, batch_idx):
        self.steps_seen += 1
        return (self.weight - 1).square().mean()

    def validation_loss(self, batch):
        return (self.weight - 0.35).square().mean()


def passed(folder, stage=Passing, **options):
    steps = {"steps": 20, "steps_per_epoch": 2, "learning_rate": 0.05, "weight_decay": 0.0, "warmup": 0.0}
    settings = StageOneSettings(**steps | {"final_learning_rate": 1.0} | options)
    made = stage(settings)
    batches = Steps(lambda stream: torch.zeros(1), settings.steps, 0, "test")
    return made, train(made, batches, torch.zeros(1), folder, "test", CPU)


def test_the_best_and_not_the_last_weights_are_kept_buffers_included(tmp_path):
    best, history = passed(tmp_path / "best")
    last, same = passed(tmp_path / "last", keep="last")
    losses = [row["validation_loss"] for row in history]
    assert losses == [row["validation_loss"] for row in same]
    at = int(np.argmin(losses))
    assert 0 < at < len(losses) - 1
    assert best.validation_loss(None).item() == losses[at]
    assert best.steps_seen.item() == history[at]["step"]
    assert last.validation_loss(None).item() == losses[-1]


def test_patience_counts_from_the_best_epoch(tmp_path):
    _, whole = passed(tmp_path / "whole")
    at = int(np.argmin([row["validation_loss"] for row in whole]))
    best, history = passed(tmp_path / "patient", patience=2)
    assert len(history) == at + 3
    assert best.validation_loss(None).item() == whole[at]["validation_loss"]


def growing(M=8, rate=0.05, seed=0):
    x = np.random.default_rng(seed).uniform(1, 2, (M, 1, 1)) * np.exp(rate * np.arange(12))[:, None]
    return macrostates(list(x))


def learned(folder, resume=False, horizons=(1, 4), **options):
    """Learn growth, while the validation trajectories decay: the longer it trains, the worse their rollouts are."""
    with seeded(0, "weights"):
        dynamics = ODEConfig(drift={"hidden": [8]}, horizons=horizons).build(1, 1)
        for parameter in dynamics.parameters():
            torch.nn.init.normal_(parameter, std=1e-2)
    settings = {"steps": 16, "steps_per_epoch": 4, "batch_pairs": 64, "learning_rate": 2e-2}
    validation = growing(rate=-0.05)
    history = train_dynamics(
        dynamics, growing(), validation, StageTwoSettings(**settings | options), 0, folder, CPU, resume
    )
    return dynamics, history, rollout_error(dynamics, validation)[0]


def test_stage_two_keeps_the_weights_whose_validation_rollouts_are_best(tmp_path):
    _, history, error = learned(tmp_path / "best")
    errors = [row["rollout_error"] for row in history]
    assert errors[0] < errors[-1]
    kept = kept_epoch(history, "rollout_error")
    assert error == errors[kept]
    assert error <= min(errors) + history[int(np.argmin(errors))]["rollout_error_uncertainty"]
    assert kept < len(history) - 1
    assert learned(tmp_path / "last", keep="last")[2] == errors[-1]
    assert len(learned(tmp_path / "patient", patience=1)[1]) == int(np.argmin(errors)) + 2


def killed_at(monkeypatch, step):
    whole = StageTwo.training_step

    def training_step(self, batch, batch_idx):
        if self.global_step == step:
            raise Killed
        return whole(self, batch, batch_idx)

    monkeypatch.setattr(StageTwo, "training_step", training_step)


def test_killed_in_every_epoch_it_ends_with_the_same_best_weights(monkeypatch, tmp_path):
    dynamics, history, error = learned(tmp_path / "whole")
    for i, step in enumerate((2, 7, 9, 15)):
        killed_at(monkeypatch, step)
        with pytest.raises(Killed):
            learned(tmp_path / "killed", resume=i > 0)
        monkeypatch.undo()
    again, history_again, error_again = learned(tmp_path / "killed", resume=True)
    assert error_again == error
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in dynamics.state_dict().items())
    for row, other in zip(history, history_again, strict=True):
        assert {k: v for k, v in row.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


def test_validation_trajectories_shorter_than_the_horizon_are_enough(tmp_path):
    short = macrostates([np.linspace(1, 2, 3)[:, None]] * 2)
    with seeded(0, "weights"):
        dynamics = ODEConfig(drift={"hidden": [8]}, horizons=(10,)).build(1, 1)
    history = train_dynamics(dynamics, growing(), short, StageTwoSettings(steps=3), 0, tmp_path, CPU)
    assert np.isfinite([history[0]["validation_loss"], history[0]["rollout_error"]]).all()


def noisy_decay(M, seed):
    """Give x' = −0.1 x, frames 0.1 apart, with white noise of 0.2 on the observable; truth ``(M, 60)`` first."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 2, (M, 1)) * np.exp(-0.01 * np.arange(60))
    return truth, macrostates(list((truth + 0.2 * rng.normal(size=truth.shape))[..., None]))


@pytest.mark.slow
def test_noise_of_the_observable_looks_like_decay_over_one_step_and_not_over_many(tmp_path):
    (_, training), (_, validation), (truth, test) = (noisy_decay(M, seed) for M, seed in ((80, 0), (20, 1), (50, 2)))
    mean, error = {}, {}
    for H in (1, 59):
        with seeded(0, "weights"):
            dynamics = ODEConfig(horizons=(H,)).build(1, 1)
        settings = StageTwoSettings(steps=200, steps_per_epoch=50)
        train_dynamics(dynamics, training, validation, settings, 0, tmp_path / str(H), CPU)
        first = test.z.view(50, 60, 1)[:, 0]
        paths = dynamics.simulate(first, first.new_zeros(50, 60, 0), torch.ones(59)).observables[:, 0, :, 0].numpy()
        mean[H] = paths.mean(axis=0)[[10, 30, 59]]
        error[H] = np.sqrt(np.mean((paths - truth)[:, 1:] ** 2))
    assert np.ptp(mean[1]) < 0.1  # the same everywhere
    assert np.abs(mean[59] - truth.mean(axis=0)[[10, 30, 59]]).max() < 0.15
    assert error[59] < 0.7 * error[1]
