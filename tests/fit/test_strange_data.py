"""Data that are odd and allowed give finite numbers and sensible words, from the arrays to the prediction."""

from __future__ import annotations

import numpy as np
import pytest
from tests.model.fits import own_data, small, spread

from setclosure.errors import DatasetError, ModelError
from setclosure.trajectories.dataset import TrajectoryDataset

RNG = np.random.default_rng(0)


def data_of(path, points, observables=spread, **options):
    T = len(points[0])
    return TrajectoryDataset.from_arrays(path, points, observables, times=range(T), **options)


def finite(model, x0):
    prediction = model.predict(x0, steps=4, observables=None if model.can_observe else [[1.0]])
    return np.isfinite(prediction.observables).all() and np.isfinite(prediction.closure).all()


def losses(model):
    return [row[kind] for stage in model.history.values() for row in stage for kind in row if kind.endswith("loss")]


# ── constant features ────────────────────────────────────────────────────────────────────────────────────────────


def with_a_tenth():
    x = RNG.normal(size=(4, 6, 8, 3))
    x[..., 2] = 0.1
    return x


def test_a_constant_feature_is_refused_by_name_before_anything_is_trained(tmp_path):
    data = data_of(tmp_path / "a.zarr", with_a_tenth())
    with pytest.raises(ModelError, match=r"feature\(s\) z of the particles never change"):
        small().fit(data, progress=False)


def test_a_model_without_a_constant_feature_learns_from_the_others(tmp_path):
    x = with_a_tenth()
    model = small(ignore_constant_features=True).fit(data_of(tmp_path / "a.zarr", x), observable=spread, progress=False)
    assert max(map(abs, losses(model))) < 100
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model", observable=spread)
    other = x[0, 0].copy()
    other[:, 2] = 7.0
    assert np.array_equal(loaded.encode(x[0, 0]), model.encode(other))
    assert finite(loaded, x[0, 0])


# ── coincident particles ─────────────────────────────────────────────────────────────────────────────────────────


def test_sets_some_of_which_collapse_to_a_point_are_learned(tmp_path):
    x = RNG.normal(size=(4, 6, 8, 2))
    x[:, 3:] = x[:, 3:, :1]  # all particles at the place of the first
    model = small(symmetry="translation").fit(data_of(tmp_path / "a.zarr", x), observable=spread, progress=False)
    assert np.isfinite(losses(model)).all()
    assert max(map(abs, losses(model))) < 1e3
    assert np.isfinite(model.check(x[0]).kl).all()
    assert finite(model, x[0, -1])


def test_sets_all_of_which_are_points_say_so(tmp_path):
    x = np.repeat(RNG.normal(size=(4, 6, 1, 2)), 8, axis=2)
    data = data_of(tmp_path / "a.zarr", x, np.zeros((4, 6)))
    with pytest.raises(ModelError, match=r"particles of every training microstate coincide in x, y"):
        small(symmetry="translation").fit(data, progress=False)
    model = small().fit(data, progress=False)  # their common place can be learned
    assert np.isfinite(losses(model)).all()


def test_particles_that_coincide_up_to_rounding_are_not_told_to_subtract_an_offset(tmp_path):
    x = np.repeat(RNG.normal(size=(4, 6, 1, 2)), 8, axis=2) * (1 + 1e-16 * RNG.normal(size=(4, 6, 8, 2)))
    data_of(tmp_path / "a.zarr", x, np.zeros((4, 6)))  # a warning would be an error here


# ── empty sets ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoder", ["deep_set", "set_transformer"])
def test_frames_that_all_particles_have_left_are_learned_where_the_observable_is_given(tmp_path, encoder):
    sets = [[RNG.normal(size=(n, 2)) for n in (8, 5, 2, 0, 0, 0)] for _ in range(4)]
    counts = np.array([[len(x) for x in of_m] for of_m in sets], dtype=float)
    model = small(encoder={"name": encoder, "width": 8}).fit(data_of(tmp_path / "a.zarr", sets, counts), progress=False)
    assert np.isfinite(losses(model)).all()
    empty = np.zeros((0, 2))
    closures = model.encode([empty, sets[0][0], empty])
    assert np.isfinite(closures).all()
    assert np.allclose(closures[0], closures[2], rtol=1e-5)
    assert np.allclose(closures[:1], model.encode([empty]), rtol=1e-4, atol=1e-6)
    assert finite(model, [empty])
    assert np.isfinite(model.check([empty], [[0.0]]).kl).all()


def test_the_closure_of_no_particle_is_the_same_after_saving(tmp_path):
    model = small().fit(own_data(tmp_path / "a.zarr"), observable=spread, progress=False)
    model.save(tmp_path / "model")
    empty = [np.zeros((0, 2))]
    assert np.array_equal(type(model).load(tmp_path / "model").encode(empty), model.encode(empty))
    assert np.isfinite(model.encode(empty)).all()


def test_validation_data_that_share_frames_with_the_training_data_are_refused(tmp_path):
    data = own_data(tmp_path / "a.zarr", T=8)
    copy = own_data(tmp_path / "b.zarr", T=8, M=1)
    for validation in (data, copy, data.between(3, 8)):
        with pytest.raises(DatasetError, match=r"trajectory 0 of 'validation' .* is trajectory 0 of 'training'"):
            small().fit(data, validation, observable=spread, progress=False)
    small().fit(data.between(0, 4), data.between(4, 8), observable=spread, progress=False)
