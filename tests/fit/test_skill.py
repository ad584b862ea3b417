"""After a fit the model is set beside naive predictions, and a model that does not pay is warned of."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from setclosure.errors import SkillWarning
from setclosure.fit.estimator import ClosureEstimator
from setclosure.fit.judging import warnings_of
from setclosure.fit.settings import StageTwoSettings
from setclosure.model.closure_model import ClosureModel
from setclosure.model.skill import Skill
from setclosure.trajectories.dataset import TrajectoryDataset


def decays(path, M, seed, noise=0.0):
    """Write trajectories whose observable decays at a rate that the particles show and its first value does not."""
    rng = np.random.default_rng(seed)
    width = rng.uniform(0.5, 2.0, M)
    points = width[:, None, None, None] * np.sort(rng.normal(size=(1, 1, 20, 1)), axis=2) * np.ones((M, 15, 1, 1))
    points = points + np.arange(15)[:, None, None]  # all move on together, which says nothing
    z = np.exp(-0.1 * width[:, None] * np.arange(15)) + noise * rng.normal(size=(M, 15))
    return TrajectoryDataset.from_arrays(path, points, z, times=range(15), observable_units="K")


def fitted(data, steps=400, **options):
    training = {"stage_two": {"steps": steps, "steps_per_epoch": steps // 4}}
    return ClosureEstimator("pooled", closure_dim=1, training=training, **options).fit(data, progress=False)


@pytest.mark.slow
def test_a_model_that_pays_has_a_skill_that_is_kept(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkillWarning)
        model = fitted(decays(tmp_path / "a.zarr", 30, 0))
    skill = model.skill
    assert list(skill.rmse) == ["model", "persistence", "mean path", "linear fit"]
    assert skill.trajectories == 6
    assert skill.unit == "K"
    assert skill.value > 0.9
    assert f"skill {skill.value:.2f} in validation" in repr(model)
    model.save(tmp_path / "model")
    assert ClosureModel.load(tmp_path / "model").skill == skill


def test_a_model_that_is_worse_than_naive_is_warned_of_in_words(tmp_path):
    with pytest.warns(SkillWarning, match=r"worse than the best naive prediction .* of the mean path .*compare"):
        model = fitted(decays(tmp_path / "a.zarr", 30, 0, noise=5.0), steps=4)
    assert model.skill.value < 0


@pytest.mark.slow
def test_a_drift_that_has_learned_nothing_is_named(tmp_path):
    model = fitted(decays(tmp_path / "a.zarr", 30, 0))
    assert warnings_of(model, StageTwoSettings()) == []
    rows = [{"validation_loss": loss, "rollout_error": error} for loss, error in ((0.9, 2.0), (1.1, 1.0))]
    model.history["stage_two"] = rows
    (said,) = warnings_of(model, StageTwoSettings())
    assert "its validation loss is 1.1, where 1 is no change at all" in said
    assert "horizons: auto" in said


def test_several_observables_count_alike_in_units_of_their_spread(tmp_path):
    rng = np.random.default_rng(0)
    z = np.cumsum(rng.normal(size=(10, 8, 2)), axis=1) * [1.0, 1e6]
    data = TrajectoryDataset.from_arrays(tmp_path / "a.zarr", rng.normal(size=(10, 8, 9, 1)), z, times=range(8))
    skill = fitted(data, steps=4).skill
    assert skill.unit == "training sd"
    assert skill.rmse["persistence"] < 5


def test_words_of_a_skill():
    perfect = Skill({"model": 0.0, "persistence": 0.0}, "", 1)
    assert perfect.value == 0
    assert perfect.warning() is None
    worse = Skill({"model": 0.2, "persistence": 0.1, "mean path": 0.3}, "nm", 4)
    assert worse.value == pytest.approx(-3)
    assert "RMSE 0.2 against 0.1 of the persistence" in worse.warning()
    with pytest.raises(ValueError, match="expected errors of the model"):
        Skill.from_json({"rmse": {"persistence": 1.0}, "unit": "", "trajectories": 1})
