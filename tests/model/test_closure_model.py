"""A trained model is used: what it accepts, what it predicts, and what it says of mistakes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.model.fits import own_data, small, spread

import setclosure
from setclosure.dynamics.rollout import RolloutStatus
from setclosure.errors import MicrostateError, ModelError
from setclosure.model.closure_model import ClosureModel
from setclosure.model.prediction import worst_of
from setclosure.sets.microstates import MicrostateBatch


def x0(seed=0, n=(24, 24, 24)):
    stream = np.random.default_rng(seed)
    return [stream.normal(size=(size, 2)) * 0.3 for size in n]


# ── what it accepts ───────────────────────────────────────────────────────────────────────────────────────────


def test_arrays_lists_tensors_and_batches_are_one(tiny_model):
    sets = x0()
    expected = tiny_model.predict(np.stack(sets), 6)
    assert expected.observables.shape == (3, 1, 7, 1)
    assert expected.closure.shape[:3] == (3, 1, 7)
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


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((5, 3)), ModelError, "d = 3 features .* made for d = 2"),
        (MicrostateBatch.from_arrays(np.zeros((2, 2)), species=[0, 1]), ModelError, "2 species.*1 species"),
        (np.full((5, 2), np.nan), MicrostateError, "microstate 0, particle 0 .*NaN"),
        ([np.zeros((5, 2)), np.full((5, 2), np.inf)], MicrostateError, "microstate 1, particle 0"),
        (np.full((5, 2), 1e300), MicrostateError, "microstate 0, particle 0"),
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
    with pytest.raises(ModelError, match=r"(steps|samples) is a whole number|no noise"):
        tiny_model.predict(x0(), steps, samples=samples)


# ── observables ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_observable_that_is_not_registered_can_be_given(tmp_path):
    data = own_data(tmp_path / "own.zarr", observables=np.random.default_rng(0).normal(size=(4, 5)))
    small().fit(data).save(tmp_path / "model")
    x = np.zeros((2, 6, 2)) + np.arange(6)[:, None]
    loaded = ClosureModel.load(tmp_path / "model")
    assert not loaded.can_observe
    with pytest.raises(ModelError, match=r"trained on given values of observable_0, .* pass observables= of"):
        loaded.predict(x, 3)
    given = loaded.predict(x, 3, observables=loaded_values(x))
    function = ClosureModel.load(tmp_path / "model", observable=spread).predict(x, 3)
    assert np.allclose(given.observables, function.observables)
    assert loaded.encode(x).shape == (2, 2)  # needs no observable
    with pytest.raises(ModelError, match=r"shape \(3,\); expected \(2, 1\)|shape \(3, 1\); expected \(2, 1\)"):
        loaded.predict(x, 3, observables=[1.0, 2.0, 3.0])
    with pytest.raises(ModelError, match="observables cannot be read as an array of numbers"):
        loaded.predict(x, 3, observables=["high", "low"])
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


def test_the_worst_view_and_its_first_frame_stand_for_all():
    ok, diverged, outside = (int(s) for s in (RolloutStatus.OK, RolloutStatus.DIVERGED, RolloutStatus.OUTSIDE))
    status = np.array([[ok, outside, outside], [outside, diverged, diverged], [ok, ok, ok]])
    step = np.array([[-1, 7, 3], [1, 9, 8], [-1, -1, -1]])
    worst, first = worst_of(status, step)
    assert worst[:, 0].tolist() == [outside, diverged, ok]
    assert first[:, 0].tolist() == [3, 8, -1]


# ── times, context, check ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """A model of noisy trajectories at several temperatures, under a field that changes."""
    stream = np.random.default_rng(0)
    context = {"temperature": stream.uniform(1, 2, 6), "field": stream.normal(size=(6, 8))}
    data = own_data(
        tmp_path_factory.mktemp("driven") / "data.zarr",
        M=6,
        T=8,
        times=0.5 * np.arange(8),
        time_unit="ps",
        context=context,
        context_units={"temperature": "K"},
        observables="extension",
        name="a driven gas",
    )
    return small().fit(data)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    data = own_data(tmp_path_factory.mktemp("noisy") / "data.zarr", observables="pair_energy")
    return small(dynamics="euler_maruyama", symmetry="euclidean").fit(data)


@pytest.fixture
def starts():
    return np.random.default_rng(1).normal(size=(3, 6, 2))


CONTEXT = {"temperature": 1.5, "field": 0.2}


def test_steps_are_times_one_time_step_apart(tiny_model, starts):
    by_steps = tiny_model.predict(starts, 4)
    for first in (0.0, 17.0, -3.1):
        by_times = tiny_model.predict(starts, times=first + 0.2 * np.arange(5))
        assert np.array_equal(by_times.observables, by_steps.observables)
        assert np.allclose(by_times.times, by_steps.times, atol=1e-12)
        assert by_times.times[0] == 0


def test_times_between_frames_are_those_that_are_asked_for(tiny_model, starts):
    """Without substeps a frame costs one Euler step of the size that is asked for."""
    model = tiny_model
    step = model.facts.time_step
    out = model.predict(starts, times=[1.0, 1.0 + 3 * step, 1.0 + 3.5 * step])
    assert np.allclose(out.times, [0, 3 * step, 3.5 * step])
    assert out.observables.shape == (3, 1, 3, 1)
    one, three = (model.predict(starts, times=[0, n * step]).observables[:, 0] for n in (1, 3))
    assert np.allclose(three[:, 1] - three[:, 0], 3 * (one[:, 1] - one[:, 0]), rtol=1e-3, atol=1e-6)
    assert np.array_equal(out.observables[:, 0, 1], three[:, 1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give either steps"),
        ({"steps": 3, "times": [0, 1]}, "give either steps"),
        ({"times": [0.0]}, r"times have shape \(1,\); expected \(H \+ 1,\)"),
        ({"times": [0.0, 1.0, 1.0]}, "numbers that rise"),
        ({"times": [0.0, np.nan]}, "finite numbers"),
        ({"times": [[0.0, 1.0]]}, r"times have shape \(1, 2\)"),
        ({"times": ["soon", "later"]}, "times cannot be read as an array of numbers"),
    ],
)
def test_wrong_times_are_named(tiny_model, starts, options, words):
    with pytest.raises(ModelError, match=words):
        tiny_model.predict(starts, **options)


@pytest.mark.parametrize(
    "same",
    [
        {"temperature": np.full(5, 1.5), "field": np.full((3, 1), 0.2)},
        {"field": np.full((3, 5), 0.2), "temperature": [1.5] * 5},
        [1.5, 0.2],
        np.broadcast_to([1.5, 0.2], (5, 2)),
        np.broadcast_to([1.5, 0.2], (3, 1, 2)),
        np.broadcast_to([1.5, 0.2], (3, 5, 2)),
    ],
)
def test_a_context_may_be_given_as_numbers_schedules_and_arrays(driven, starts, same):
    expected = driven.predict(starts, 4, context=CONTEXT)
    assert np.array_equal(driven.predict(starts, 4, context=same).observables, expected.observables)


def test_each_start_and_each_frame_has_its_own_context(driven, starts):
    schedule = np.array([[0.0, 0, 0, 0, 0], [0.0, 0, 5, 0, 0], [5.0, 5, 5, 5, 5]])
    together = driven.predict(starts, 4, context={"temperature": 1.5, "field": schedule})
    for b in range(3):
        alone = driven.predict(starts[b], 4, context={"temperature": 1.5, "field": schedule[b]})
        assert np.allclose(alone.observables[0], together.observables[b], rtol=1e-5)
    zero = driven.predict(starts[1], 4, context={"temperature": 1.5, "field": 0.0}).observables[0]
    changed = ~np.isclose(together.observables[1, 0, :, 0], zero[0, :, 0], rtol=1e-5)
    assert changed.tolist() == [False, False, False, True, True]  # that of frame 2 holds from there to frame 3


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (None, r"trained with the context temperature, field: pass context=\{'temperature': …\}"),
        ({"temperature": 1.0}, r"the context has \['temperature'\]; this model was trained with \['field', 'temp"),
        (CONTEXT | {"colour": 1.0}, "colour"),
        (CONTEXT | {"field": np.zeros(4)}, r"context 'field' has shape \(4,\); .* \(5,\) for all starts, \(3, 1\) or"),
        (CONTEXT | {"field": np.nan}, "NaN or infinite"),
        (CONTEXT | {"field": "strong"}, "the context 'field' cannot be read as an array of numbers"),
        ([1.0], r"the context has shape \(1,\); expected \(2,\), \(5, 2\), \(3, 1, 2\) or \(3, 5, 2\)"),
        (np.zeros((4, 2)), r"shape \(4, 2\)"),
        (["hot", "strong"], "the context cannot be read as an array of numbers"),
    ],
)
def test_a_context_that_does_not_fit_is_named(driven, starts, context, words):
    with pytest.raises(ModelError, match=words):
        driven.predict(starts, 4, context=context)


def test_a_model_without_context_takes_none(tiny_model, starts):
    with pytest.raises(ModelError, match="trained without context; leave context= out"):
        tiny_model.predict(starts, 2, context={"temperature": 1.0})
    assert np.array_equal(tiny_model.predict(starts, 2, context={}).times, tiny_model.predict(starts, 2).times)


def test_without_the_check_the_same_is_predicted_and_nothing_is_compared(tiny_model, starts, monkeypatch):
    whole = tiny_model.predict(starts, 4)
    monkeypatch.setattr(type(tiny_model.parts.autoencoder), "score", lambda *_: pytest.fail("the start was scored"))
    fast = tiny_model.predict(starts, 4, check=False)
    assert np.array_equal(fast.observables, whole.observables)
    assert fast.check is None
    assert "X_0 was not compared with the training range" in fast.message(0)


def test_samples_belong_to_the_seed_and_start_in_one_view_each(noisy, starts):
    first = noisy.predict(starts, 4, samples=5, seed=1)
    assert first.observables.shape == (3, 5, 5, 1)
    assert np.array_equal(noisy.predict(starts, 4, samples=5, seed=1).observables, first.observables)
    assert not np.array_equal(noisy.predict(starts, 4, samples=5, seed=2).observables, first.observables)
    assert len(np.unique(first.observables[0, :, -1])) == 5
    assert len(np.unique(first.closure[0, :, 0, 0].round(6))) == 5  # five of the eight views
    nine = noisy.predict(starts, 4, samples=9).closure[0, :, 0]
    assert np.array_equal(nine[0], nine[8])


# ── what it says about itself ─────────────────────────────────────────────────────────────────────────────────


def test_repr_of_a_model_names_method_observables_context_and_particles(driven, noisy):
    lines = repr(driven).splitlines()
    assert re.fullmatch(r"ClosureModel of a driven gas: method 'density', [12] numbers of closure", lines[0])
    assert lines[1:3] == [
        "  predicts extension, given temperature, field, every 0.5 ps, without noise",
        "  reads particles with features x, y",
    ]
    assert re.fullmatch(r"  skill -?\d+\.\d\d in validation", lines[3])
    assert "every 1, with noise" in repr(noisy)


def test_repr_of_the_data_says_what_is_in_them(tmp_path):
    data = own_data(
        tmp_path / "gas.zarr",
        M=3,
        T=4,
        times=0.5 * np.arange(4),
        time_unit="ps",
        observables="extension",
        name="a gas",
        species=[0, 0, 0, 1, 1, 1],
        species_names=("A", "B"),
        context={"temperature": 300.0},
        context_units={"temperature": "K"},
    )
    assert repr(data) == (
        f"TrajectoryDataset {tmp_path / 'gas.zarr'}: a gas\n"
        "  3 trajectories of 4 frames\n"
        "  6 particles of A, B; features x, y\n"
        "  observables extension\n"
        "  context temperature (K)"
    )


def test_repr_of_a_prediction_counts_starts_by_their_worst_path(driven, noisy, starts):
    text = repr(driven.predict(starts, 4, context=CONTEXT))
    assert text.startswith("Prediction of extension from 3 starts: 4 frames, to time 2 ps\n")
    prediction = noisy.predict(starts, 4, samples=2)
    ok, diverged, outside = (int(s) for s in (RolloutStatus.OK, RolloutStatus.DIVERGED, RolloutStatus.OUTSIDE))
    prediction.status[:] = [[ok, ok], [outside, diverged], [ok, outside]]
    text = repr(prediction)
    assert "from 3 starts, 2 samples each: 4 frames, to time 4\n" in text
    assert "  1 ok, 1 outside the training range, 1 diverged\n" in text
    assert f"{int((~prediction.check.inside).sum())} of the starts are outside the training range" in text
    assert len(prediction) == 3


def test_the_first_frames_of_a_prediction_carry_names_and_units(driven, starts):
    prediction = driven.predict(starts, 4, context=CONTEXT)
    assert prediction.observable_names == ("extension",)
    assert prediction.time_unit == "ps"
