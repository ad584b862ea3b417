from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import setclosure
from setclosure.model.closure_model import ClosureModel, _worst
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.dynamics.rollout import RolloutStatus
from setclosure.errors import ConfigurationError, DatasetError, MicrostateError, ModelError, RunError
from setclosure.sets.microstates import MicrostateBatch
from setclosure.experiments import pipeline
from setclosure.experiments.configuration import load_study

SMALL = [
    "training.stage_one={steps: 10, steps_per_epoch: 5, batch_sets: 6, validation_sets: 4}",
    "training.stage_two={steps: 20, steps_per_epoch: 10, batch_pairs: 32, views: 2}",
]


def x0(seed=0, n=(24, 24, 24)):
    stream = np.random.default_rng(seed)
    return [stream.normal(size=(size, 2)) * 0.3 for size in n]


def weights(model):
    return {key: value.nan_to_num(7.5) for key, value in model.parts.state_dict().items()}


def equal(a, b, but=()):
    a, b = weights(a), weights(b)
    return all(torch.equal(a[key], b[key]) for key in a if not key.startswith(tuple(but) or "\0"))


def spread(microstates):
    return microstates.points.std(dim=1).mean(dim=1)


@pytest.fixture
def fit(tiny_config, tiny_data):
    train, validation = (pipeline.open_split(tiny_data, split) for split in ("train", "validation"))

    def run(overrides=(), data=train, validation=validation, **options):
        study = load_study(tiny_config, [*SMALL, *overrides])
        return ClosureModel(study.model).fit(data, validation, training=study.training, **options)

    return run


def own_ensemble(path, M=4, T=5, N=6, d=2, observables=spread, **options):
    points = np.random.default_rng(0).normal(size=(M, T, N, d))
    return TrajectoryDataset.from_arrays(path, points, observables, times=range(T), **options)


# ── what it accepts ───────────────────────────────────────────────────────────────────────────────────────────


def test_arrays_lists_tensors_and_batches_are_one(tiny_model):
    sets = x0()
    expected = tiny_model.predict(np.stack(sets), 6)
    assert expected.observables.shape == (3, 1, 7, 1)
    assert expected.closure.shape == (3, 1, 7, 3)
    for same in (sets, torch.tensor(np.stack(sets)), MicrostateBatch.from_arrays(sets), [s.tolist() for s in sets]):
        again = tiny_model.predict(same, 6)
        assert np.array_equal(again.observables, expected.observables)
        assert np.array_equal(tiny_model.encode(same), tiny_model.encode(np.stack(sets)))
    one = tiny_model.predict(sets[0], 6)
    assert np.allclose(one.observables[0], expected.observables[0], rtol=1e-4)


def test_sets_of_different_sizes_are_predicted_as_if_alone(tiny_model):
    sets = x0(n=(20, 24, 31))
    together = tiny_model.predict(sets, 6)
    for b, one in enumerate(sets):
        alone = tiny_model.predict(one, 6)
        assert np.allclose(together.observables[b], alone.observables[0], rtol=1e-4)
        assert np.allclose(together.closure[b], alone.closure[0], rtol=1e-3, atol=1e-4)


@given(seed=st.integers(0, 10_000))
def test_no_permutation_changes_a_prediction_beyond_rounding(tiny_model, seed):
    x = x0(seed)[0]
    shuffled = np.random.default_rng(seed + 1).permutation(x)
    a, b = tiny_model.predict(x, 10), tiny_model.predict(shuffled, 10)
    assert np.allclose(a.observables, b.observables, rtol=1e-4, atol=1e-5)
    assert np.allclose(a.closure[:, :, 0], b.closure[:, :, 0], rtol=1e-4, atol=1e-5)


def test_times_start_at_zero_and_the_first_frame_is_the_observable(tiny_model):
    prediction = tiny_model.predict(x0(), 4)
    assert np.allclose(prediction.times, [0, 0.2, 0.4, 0.6, 0.8])
    assert np.allclose(prediction.observables[:, 0, 0], tiny_model.observe(x0()), rtol=1e-6)


# ── mistakes ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("use", ["encode", "check", "predict", "save"])
def test_before_fit_nothing_works_and_it_says_so(use, tmp_path):
    arguments = {"predict": (x0(), 3), "save": (tmp_path / "m",)}.get(use, (x0(),))
    with pytest.raises(ModelError, match="has not been trained: call fit"):
        getattr(ClosureModel(), use)(*arguments)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((5, 3)), ModelError, "d = 3 features .* made for d = 2"),
        (MicrostateBatch.from_arrays(np.zeros((2, 2)), species=[0, 1]), ModelError, "2 species.*1 species"),
        (np.full((5, 2), np.nan), MicrostateError, "microstate 0, particle 0 .*NaN"),
        ([np.zeros((5, 2)), np.full((5, 2), np.inf)], MicrostateError, "microstate 1, particle 0"),
        (np.full((5, 2), 1e300), MicrostateError, "microstate 0, particle 0"),
        (np.zeros((0, 2)), MicrostateError, "empty"),
        ([], MicrostateError, "no microstates"),
        (np.zeros(5), MicrostateError, r"\(N, d\)"),
        ("x0.npy", MicrostateError, "must be an array of real numbers: got str"),
    ],
)
@pytest.mark.parametrize("use", ["encode", "predict", "check"])
def test_wrong_microstates_are_named(tiny_model, x, error, message, use):
    with pytest.raises(error, match=message):
        getattr(tiny_model, use)(*((x, 3) if use == "predict" else (x,)))


def test_far_microstates_are_an_error_or_carry_a_status_but_never_nan(tiny_model):
    for size in (1e2, 1e5, 1e10, 1e25):
        try:
            prediction = tiny_model.predict(size * np.stack(x0()), 20)
        except (ModelError, MicrostateError) as error:
            assert "not finite" in str(error)  # noqa: PT017
        else:
            assert np.isfinite(prediction.observables).all()
            assert np.isfinite(prediction.closure).all()
            assert (prediction.status != setclosure.RolloutStatus.OK).all()
            assert not prediction.check.inside.any()


@pytest.mark.parametrize(("steps", "samples"), [(0, 1), (-3, 1), (3.5, 1), (3, 0), (3, 2)])
def test_wrong_numbers_of_steps_and_samples_are_named(tiny_model, steps, samples):
    with pytest.raises((ModelError, ConfigurationError), match=r"(steps|samples) is a whole number|no noise"):
        tiny_model.predict(x0(), steps, samples=samples)


def test_wrong_settings_are_named():
    with pytest.raises(ConfigurationError, match="did you mean 'closure_dim'"):
        ClosureModel(closure_dims=3)
    with pytest.raises(ModelError, match="not both"):
        ClosureModel(setclosure.ModelSettings(), closure_dim=3)


# ── observables ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_observable_that_is_not_registered_can_be_given(fit, tmp_path):
    data = own_ensemble(tmp_path / "own.zarr", observables=np.random.default_rng(0).normal(size=(4, 5)))
    model = fit(data=data, validation=None)
    model.save(tmp_path / "model")
    x = np.zeros((2, 6, 2)) + np.arange(6)[:, None]
    loaded = ClosureModel.load(tmp_path / "model")
    with pytest.raises(ModelError, match=r"trained on given values of observable_0, .* pass observables= of"):
        loaded.predict(x, 3)
    given = loaded.predict(x, 3, observables=loaded_values(x))
    function = ClosureModel.load(tmp_path / "model", observable=spread).predict(x, 3)
    assert np.allclose(given.observables, function.observables)
    assert loaded.encode(x).shape == (2, 3)  # needs no observable
    with pytest.raises(ModelError, match=r"shape \(3,\); expected \(2, 1\)|shape \(3, 1\); expected \(2, 1\)"):
        loaded.predict(x, 3, observables=[1.0, 2.0, 3.0])
    flat = loaded.predict(x, 3, observables=loaded_values(x)[:, 0])  # one number for each microstate will do
    assert np.array_equal(flat.observables, given.observables)
    one = loaded.predict(x[0], 3, observables=loaded_values(x)[0, 0])  # and a number for one
    assert np.allclose(one.observables, given.observables[:1])


def loaded_values(x):
    return spread(MicrostateBatch.from_arrays(x)).numpy()[:, None]


@pytest.mark.parametrize(
    "function",
    [
        lambda batch: torch.zeros(len(batch), 2),
        lambda batch: 0.0,
        lambda batch: torch.zeros(2, len(batch)),
        lambda batch: torch.full((len(batch),), torch.nan),
    ],
)
def test_an_observable_of_another_shape_or_without_a_value_is_named(tiny_run, function):
    model = ClosureModel.load(tiny_run / "seed-0" / "model", observable=function)
    with pytest.raises(MicrostateError, match="observable"):
        model.predict(x0(), 3)


# ── fitting ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_seed_fixes_every_number_and_another_seed_gives_others(fit):
    first, again, other = fit(seed=3), fit(seed=3), fit(seed=4)
    assert equal(first, again)
    assert not any(
        torch.equal(a, b)
        for (key, a), b in zip(weights(first).items(), weights(other).values(), strict=True)
        if key.endswith("weight") and a.ndim == 2
    )


def test_fit_without_a_folder_leaves_nothing_behind(fit, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    fit()
    assert list((tmp_path / "here").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_microstates_from_disk_give_the_same_weights_as_from_memory(fit):
    assert equal(fit(), fit(["training.memory_gib=1e-9"]))


def test_validation_data_change_no_weight_and_no_statistic(fit, tiny_data):
    other = pipeline.open_split(tiny_data, "diff_init")
    a, b = fit(), fit(validation=other)
    assert equal(a, b)
    assert a.history["stage_one"][0]["train_loss"] == b.history["stage_one"][0]["train_loss"]
    assert a.history["stage_one"][0]["validation_loss"] != b.history["stage_one"][0]["validation_loss"]


def test_a_single_ensemble_is_split_by_trajectory(fit, tmp_path):
    model = fit(data=own_ensemble(tmp_path / "own.zarr", M=5, observables="extension"), validation=None)
    assert len(model.history["stage_two"]) == 2
    from setclosure.fit.training import _splits

    parts = _splits(own_ensemble(tmp_path / "b.zarr", M=5), None, 0, 1.0)
    assert sorted(np.concatenate([part.trajectories for part in parts])) == [0, 1, 2, 3, 4]
    assert [len(part.trajectories) for part in parts] == [4, 1]


def test_data_that_cannot_be_fitted_are_named(fit, tmp_path):
    with pytest.raises(DatasetError, match="1 usable trajectories; training needs at least two"):
        fit(data=own_ensemble(tmp_path / "one.zarr", M=1), validation=None)
    with pytest.raises(DatasetError, match="at least two frames"):
        own_ensemble(tmp_path / "frame.zarr", T=1)


@pytest.mark.parametrize("options", [{"d": 3}, {"observables": spread}, {"T": 5, "species": [0, 0, 0, 1, 1, 1]}])
def test_a_validation_ensemble_of_another_kind_is_named(fit, tmp_path, options):
    other = own_ensemble(tmp_path / "other.zarr", **{"observables": "pair_energy"} | options)
    with pytest.raises(DatasetError, match="validation"):
        fit(validation=other)


def test_arguments_of_fit_are_checked(tmp_path):
    data = own_ensemble(tmp_path / "own.zarr")
    for changes, message in (
        ({"data set": np.zeros((4, 5, 6, 2))}, r"data set is a ndarray; fit takes an TrajectoryDataset: TrajectoryDataset\.from_arrays"),
        ({"validation": np.zeros(3)}, "validation is a ndarray; fit takes an TrajectoryDataset"),
        ({"seed": -1}, "seed is a whole number of at least 0; got -1"),
        ({"resume": True}, "give folder="),
    ):
        with pytest.raises(ModelError, match=message):
            ClosureModel().fit(**{"data set": data} | changes)
    with pytest.raises(ConfigurationError, match=r"stage_one\.stepps: unknown key; did you mean 'steps'"):
        ClosureModel().fit(data, training={"stage_one": {"stepps": 3}})


def test_a_dict_says_how_to_train(tmp_path):
    data = own_ensemble(tmp_path / "own.zarr")
    training = {"stage_one": {"steps": 2, "batch_sets": 4}, "stage_two": {"steps": 3, "batch_pairs": 8}}
    model = ClosureModel(closure_dim=2, observable=spread).fit(data, training=training)
    assert [rows[-1]["step"] for rows in model.history.values()] == [2, 3]


def test_a_folder_of_another_fit_is_refused(fit, tmp_path):
    fit(folder=tmp_path)
    with pytest.raises(RunError, match="resume=True"):
        fit(folder=tmp_path)


def test_the_worst_view_and_its_first_frame_stand_for_all():
    ok, diverged, outside = (int(s) for s in (RolloutStatus.OK, RolloutStatus.DIVERGED, RolloutStatus.OUTSIDE))
    status = np.array([[ok, outside, outside], [outside, diverged, diverged], [ok, ok, ok]])
    step = np.array([[-1, 7, 3], [1, 9, 8], [-1, -1, -1]])
    worst, first = _worst(status, step)
    assert worst[:, 0].tolist() == [outside, diverged, ok]
    assert first[:, 0].tolist() == [3, 8, -1]
