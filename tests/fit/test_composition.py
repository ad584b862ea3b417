"""The number of particles and their species decide the future, where the model is told of them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.model.fits import small

from setclosure.model.closure_model import ClosureModel
from setclosure.model.composition import of_batch, of_trajectories
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.dataset import TrajectoryDataset

T = 12
RNG = np.random.default_rng(0)
BUDGET = {"stage_two": {"steps": 600, "steps_per_epoch": 200, "batch_pairs": 128}}


def by_number(path, numbers=(4, 8, 16, 32) * 3):
    """Trajectories whose observable grows by its number of particles / 32 a frame; the sets look alike."""
    points = [np.repeat(RNG.normal(size=(1, n, 2)), T, axis=0) + RNG.normal(size=(T, n, 2)) for n in numbers]
    z = [np.arange(T) * n / 32 for n in numbers]
    return TrajectoryDataset.from_arrays(path, points, z, times=range(T))


def by_loss(path, M=8):
    """Trajectories that lose particles, those of species B faster, and whose observable is their number."""
    sets, kinds, z = [], [], []
    for _ in range(M):
        frames = [(30 - t, 30 - 2 * t) for t in range(T)]
        sets.append([RNG.normal(size=(a + b, 2)) for a, b in frames])
        kinds.append([np.repeat([0, 1], pair) for pair in frames])
        z.append([float(sum(pair)) for pair in frames])
    options = {"species": kinds, "species_names": ["A", "B"]}
    return TrajectoryDataset.from_arrays(path, sets, z, times=range(T), **options)


def growth(model, n):
    return model.predict(RNG.normal(size=(n, 2)), steps=T - 1, observables=[[0.0]]).observables[0, 0, -1, 0]


@pytest.mark.slow
def test_a_number_that_stays_is_context_and_decides_the_future(tmp_path):
    data = by_number(tmp_path / "a.zarr")
    model = small(composition=True, training=BUDGET).fit(data, progress=False)
    assert model.facts.composition.columns == []
    assert model.parts.dynamics.dim == 1 + 2
    assert model.parts.dynamics.context_dim == 1
    few, many = (growth(model, n) for n in (4, 32))
    assert many - few == pytest.approx((T - 1) * 28 / 32, rel=0.4)
    untold = small(training=BUDGET).fit(data, progress=False)
    assert abs(growth(untold, 32) - growth(untold, 4)) < 0.5 * (many - few)
    assert model.predict(RNG.normal(size=(8, 2)), steps=2, observables=[[0.0]]).composition is None


def test_check_compares_the_composition_with_training(tmp_path):
    data = by_number(tmp_path / "a.zarr")
    told, untold = (small(composition=known).fit(data, progress=False) for known in (True, False))
    x = RNG.normal(size=(400, 2))
    check = told.check(x, [[1.0]])
    assert not check.inside[0]
    assert "OUTSIDE the training range: " in check.message(0)
    assert "400 particles, in training 4 to 32" in check.message(0)
    assert "particles" not in untold.check(x, [[1.0]]).message(0)
    assert "particles" not in told.check(x[:12], [[1.0]]).message(0)


@pytest.mark.slow
@pytest.mark.parametrize("dynamics", ["ode", "euler_maruyama"])
def test_numbers_that_change_are_predicted(tmp_path, dynamics):
    data = by_loss(tmp_path / "a.zarr")
    model = small(composition=True, dynamics=dynamics, training=BUDGET).fit(data, progress=False)
    assert model.facts.composition.names == ("log N", "share of A")
    assert model.facts.composition.columns == [0, 1]
    x0 = data.first(np.array([0]))
    p = model.predict(x0, steps=T - 1, observables=[[60.0]])
    assert p.composition_names == ("log N", "share of A")
    assert p.closure.shape[-1] == 4
    truth = of_trajectories(data, np.array([0]))[0]
    assert p.composition.shape == (1, 1, T, 2)
    assert np.allclose(p.composition[0, 0, 0], truth[0], rtol=1e-6)
    assert np.allclose(p.composition[0, 0], truth, atol=0.15)
    model.save(tmp_path / "model")
    again = ClosureModel.load(tmp_path / "model").predict(x0, steps=T - 1, observables=[[60.0]])
    assert np.array_equal(again.composition, p.composition)


def test_the_composition_of_a_data_set_is_that_of_its_microstates(tmp_path):
    for data in (by_number(tmp_path / "a.zarr", (3, 5)), by_loss(tmp_path / "b.zarr", 2)):
        rows = of_trajectories(data, np.arange(2))
        for m in range(2):
            assert np.allclose(rows[m], of_batch(data.trajectory(m)))
    empty = MicrostateBatch.from_arrays([np.zeros((0, 2))], n_species=2)
    assert of_batch(empty).tolist() == [[np.log(0.5), 0.0]]


def test_the_joint_objective_and_context_go_with_it(tmp_path):
    data = by_loss(tmp_path / "a.zarr")
    model = small(composition=True, dynamics_weight=0.5).fit(data, progress=False)
    p = model.predict(data.first(np.array([0])), steps=3, observables=[[60.0]])
    assert np.isfinite(p.observables).all()
    x = RNG.normal(size=(4, T, 6, 2))
    options = {"times": range(T), "context": {"T": [1.0, 2.0, 3.0, 4.0]}}
    with_context = TrajectoryDataset.from_arrays(tmp_path / "b.zarr", x, RNG.normal(size=(4, T)), **options)
    model = small(composition=True).fit(with_context, progress=False)
    assert model.parts.dynamics.context_dim == 2
    assert np.isfinite(model.predict(x[0, 0], steps=2, observables=[[1.0]], context={"T": 2.0}).observables).all()
