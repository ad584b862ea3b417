"""Observables of a large offset keep their changes, and transforms keep predictions where they belong."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.model.fits import small

from setclosure.errors import ConfigurationError, DamagedFileError, ModelError, SetclosureWarning
from setclosure.evaluation.evaluate import evaluate
from setclosure.evaluation.naive import NaivePredictions
from setclosure.files import read_json, write_json
from setclosure.model.closure_model import ClosureModel
from setclosure.model.observable_map import ObservableMap
from setclosure.model.specification import ModelSettings
from setclosure.trajectories.dataset import TrajectoryDataset

M, T, N = 6, 20, 8
TIME = np.arange(T)
RATES = np.linspace(0.05, 0.15, M)
DECAY = np.exp(-RATES[:, None] * TIME)  # (M, T), from 1 to about 0.1
POINTS = np.random.default_rng(0).normal(size=(M, 1, N, 2)) * (0.5 + DECAY[..., None, None])
EPOCHS = {"stage_two": {"steps": 200, "steps_per_epoch": 100, "batch_pairs": 64}}


def data_of(path, z, names=("energy",), **options):
    z = np.asarray(z).reshape(M, T, -1)
    return TrajectoryDataset.from_arrays(path, POINTS, z, times=TIME, observable_names=names, **options)


def fitted(*observables, **chosen):
    names = ("energy", "share")[: np.shape(observables[0])[-1]]
    return ObservableMap.fitted(names, chosen, observables, range(len(observables)))


# ── offsets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_large_offset_nothing_is_shifted_and_no_bit_is_changed():
    z = 3 + DECAY[:, :, None]
    seen = fitted(*z)
    assert seen.is_plain
    assert seen.forward(z) is z


def test_an_offset_is_taken_off_in_double_precision():
    z = 1e8 + DECAY[:, :, None]
    seen = fitted(*z)
    assert seen.offsets[0] == pytest.approx(1e8, abs=2)
    y = seen.forward(z).astype(np.float32)
    assert np.allclose(seen.inverse(y.astype(np.float64)) - 1e8, DECAY[:, :, None], atol=1e-6)


def test_a_model_of_a_large_offset_learns_and_predicts_as_without(tmp_path):
    offset = 2.0**27  # in steps of single precision of 16
    x0 = POINTS[0, 0]
    plain = small(training=EPOCHS).fit(data_of(tmp_path / "a.zarr", DECAY), progress=False)
    data = data_of(tmp_path / "b.zarr", offset + DECAY)
    shifted = small(training=EPOCHS).fit(data, progress=False)
    losses = [m.history["stage_two"][-1]["validation_loss"] for m in (plain, shifted)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    a = plain.predict(x0, steps=T - 1, observables=[[1.0]]).observables
    b = shifted.predict(x0, steps=T - 1, observables=[[offset + 1.0]]).observables
    assert b.dtype == np.float64
    assert np.allclose(b - offset, a, atol=0.02)
    shifted.save(tmp_path / "model")
    again = ClosureModel.load(tmp_path / "model").predict(x0, steps=T - 1, observables=[[offset + 1.0]])
    assert np.array_equal(again.observables, b)
    metrics, naive = evaluate(shifted, data, NaivePredictions.of(data), tmp_path / "curves.npz")
    assert metrics["rmse"] < 1
    assert naive["persistence"]["rmse"] == pytest.approx(np.sqrt(np.mean((DECAY - 1)[:, 1:] ** 2)), rel=0.05)


@pytest.mark.parametrize(
    ("z", "words"),
    [
        (1e16 + 30 * DECAY, "double precision have steps of 2"),
        ((1e8 + 30 * DECAY).astype(np.float32), "single precision have steps of 8.*in double precision"),
    ],
)
def test_what_is_rounded_before_it_comes_is_warned_of(z, words):
    with pytest.warns(SetclosureWarning, match=rf"'energy' reaches 1e\+.*{words}"):
        fitted(*z[..., None].astype(np.float64))


def test_a_long_way_in_small_steps_is_warned_of():
    z = np.concatenate([np.linspace(0, 1e-6, 100), [1e3]]) + np.pi * 1e-8
    steps = [np.linspace(a, a + 1e-3, 50) + 1e-9 for a in (0.1, 7e4, 1.4e5)]
    with pytest.warns(SetclosureWarning, match="further apart"):
        fitted(*[z[:, None] for z in steps])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(z[:, None])


@pytest.mark.parametrize("z", [np.full(T, 1e8), np.arange(T) % 3.0, np.zeros(T), 1e-8 * DECAY[0], 1e3 + DECAY[0]])
def test_constants_whole_numbers_and_small_numbers_are_silent(z):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = fitted(z[:, None])
    assert np.allclose(seen.inverse(seen.forward(z[:, None])), z[:, None], rtol=1e-12)


# ── transforms ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.floats(1e-8, 1e3), min_size=2, max_size=20))
def test_the_logarithm_is_inverted(values):
    z = np.array(values)[:, None]
    seen = ObservableMap(("a",), ("log",), (1.5,), (1.0,))
    assert np.allclose(seen.inverse(seen.forward(z)), z, rtol=1e-12)


@given(st.lists(st.floats(1e-12, 1 - 1e-12), min_size=2, max_size=20))
def test_the_logit_is_inverted(values):
    z = np.array(values)[:, None]
    seen = ObservableMap(("a",), ("logit",), (0.0,), (1.0,))
    assert np.allclose(seen.inverse(seen.forward(z)), z, rtol=1e-9)


@given(st.floats(allow_nan=False, width=32))
def test_every_state_becomes_a_finite_number_in_its_bounds(y):
    seen = ObservableMap(("a", "b"), ("log", "logit"), (0.0, 0.0), (1.0, 1.0))
    a, b = seen.inverse(np.array([y, y]))
    assert 0 <= a < np.inf
    assert 0 <= b <= 1


def test_predictions_stay_positive_and_below_one(tmp_path):
    positive = 10.0 ** (3 - 11 * TIME / (T - 1)) * RATES[:, None]  # from 100 to 1e-9
    share = 1 - DECAY * 0.999
    z = np.stack([positive, share], axis=-1)
    data = data_of(tmp_path / "a.zarr", z, ("energy", "share"))
    chosen = {"energy": "log", "share": "logit"}
    model = small(observables=chosen, training=EPOCHS).fit(data, progress=False)
    p = model.predict(POINTS[:, 0], steps=5 * T, observables=z[:, 0]).observables
    assert (p[..., 0] > 0).all()
    assert ((p[..., 1] > 0) & (p[..., 1] < 1)).all()
    assert np.allclose(p[:, 0, 0], z[:, 0], rtol=1e-5)
    error = np.abs(np.log10(p[:, 0, 1:T, 0]) - np.log10(positive[:, 1:]))
    assert error.max() < 4  # over eleven decades
    plain = small(training=EPOCHS).fit(data, progress=False)
    below = plain.predict(POINTS[:, 0], steps=5 * T, observables=z[:, 0]).observables[..., 0]
    assert (below <= 0).any()  # what the transform is for
    metrics, _ = evaluate(model, data, NaivePredictions.of(data), tmp_path / "curves.npz")
    assert np.isfinite(list(metrics.values())).all()


def test_wrong_transforms_are_refused(tmp_path):
    data = data_of(tmp_path / "a.zarr", DECAY - 0.5)
    with pytest.raises(ModelError, match=r"trajectory \d, frame \d+: the observable 'energy' is -.*positive"):
        small(observables={"energy": "log"}).fit(data, progress=False)
    with pytest.raises(ModelError, match=r"model.observables names energie, and the data have the observables energy"):
        small(observables={"energie": "log"}).fit(data, progress=False)
    with pytest.raises(ConfigurationError, match=r"observables.energy: .*'none', 'log' or 'logit'; got 'sqrt'"):
        ModelSettings.parse({"observables": {"energy": "sqrt"}})


def test_a_start_outside_the_domain_is_refused(tmp_path):
    model = small(observables={"energy": "log"}).fit(data_of(tmp_path / "a.zarr", DECAY), progress=False)
    with pytest.raises(ModelError, match="microstate 1: the observable 'energy' is -1"):
        model.predict(POINTS[:2, 0], steps=3, observables=[[1.0], [-1.0]])


def test_a_damaged_map_is_refused_and_a_missing_one_changes_nothing(tmp_path):
    model = small().fit(data_of(tmp_path / "a.zarr", DECAY), progress=False)
    model.save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    manifest = read_json(path)
    write_json(path, manifest | {"facts": manifest["facts"] | {"observable_map": {"transforms": ["exp"]}}})
    with pytest.raises(DamagedFileError, match="facts cannot be read"):
        ClosureModel.load(tmp_path / "model")
    write_json(path, manifest | {"facts": {k: v for k, v in manifest["facts"].items() if k != "observable_map"}})
    assert ClosureModel.load(tmp_path / "model").facts.observable_map.is_plain
