from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.model.fits import own_data, small, spread

from setclosure.dynamics.ode import ODEConfig
from setclosure.model import autoencoder
from setclosure.model.range_check import RangeCheck, TrainingRange
from setclosure.trajectories.dataset import TrajectoryDataset


def usual(tiny_data):
    data = TrajectoryDataset.open(tiny_data / "train.zarr")
    return data.microstates(np.arange(8), np.full(8, 3))


def test_training_microstates_are_inside_and_far_ones_are_not(tiny_model, tiny_data):
    batch = usual(tiny_data)
    known = tiny_model.check(batch)
    assert known.inside.mean() >= 0.8  # one per cent is beyond each quantile, and eight trajectories are few
    x = batch.points.numpy()
    centre = x.mean(axis=1, keepdims=True)
    far = {
        "three times as wide": centre + 3 * (x - centre),
        "two groups far apart": np.concatenate([x[:, :12] - 4, x[:, 12:] + 4], axis=1),
        "on a line": np.stack([np.linspace(-5, 5, 24), np.zeros(24)], axis=1)[None].repeat(8, axis=0),
    }
    for name, points in far.items():
        check = tiny_model.check(points)
        assert not check.inside.any(), name
        assert "OUTSIDE the training range" in check.message(0)


def test_a_prediction_carries_the_check(tiny_model, tiny_data):
    batch = usual(tiny_data)
    x = batch.points.numpy()
    prediction = tiny_model.predict(np.concatenate([x, 10 * x]), 4)
    assert np.array_equal(prediction.check.inside, tiny_model.check(np.concatenate([x, 10 * x])).inside)
    assert not prediction.check.inside[8:].any()
    assert "X_0 is OUTSIDE" in prediction.message(12)
    assert "X_0 is inside" in prediction.message(int(np.argmax(prediction.check.inside)))


def test_a_range_without_a_density_speaks_of_distances_alone():
    check = RangeCheck(np.array([True]), np.array([np.nan]), np.nan, np.array([0.2]), 0.4)
    assert check.message(0) == "inside the training range (distance 0.2, limit 0.4)"


def test_the_check_of_a_microstate_does_not_depend_on_its_batch_mates(tiny_model, tiny_data):
    x = usual(tiny_data).points.numpy()
    together = tiny_model.check(x)
    alone = [tiny_model.check(one) for one in x]
    assert np.allclose(together.kl, np.concatenate([check.kl for check in alone]), rtol=1e-4)
    assert np.allclose(together.distance, np.concatenate([check.distance for check in alone]), atol=1e-3)


@pytest.mark.parametrize("pairs", [1, 1000, 2000])
def test_a_check_in_batches_is_that_of_one_by_one(tiny_model, tiny_data, monkeypatch, pairs):
    """How many microstates are scored at once is a matter of memory alone; sets of different sizes among them."""
    x = list(usual(tiny_data).points.numpy())
    x[1], x[4] = x[1][:7], x[4][:15]
    whole = tiny_model.check(x)
    monkeypatch.setattr(autoencoder, "SCORE_PAIRS", pairs)
    in_batches = tiny_model.check(x)
    alone = [tiny_model.check(one) for one in x]
    for other in (in_batches.kl, np.concatenate([check.kl for check in alone])):
        assert np.allclose(whole.kl, other, rtol=1e-4, atol=1e-4)
    assert np.array_equal(in_batches.inside, whole.inside)


def test_limits_are_quantiles_between_different_trajectories():
    region = TrainingRange(2, 512)
    z = torch.zeros(20, 30, 2)
    z[:, :, 0] = torch.arange(20.0)[:, None]  # trajectory m stays at m, so its neighbours are one apart
    by_view = torch.cat([z, z]).flatten(0, 1)  # views of one trajectory must not count as two trajectories
    trajectory = torch.arange(20).repeat_interleave(30).repeat(2)
    first = (torch.arange(30) == 0).repeat(40)
    region.fit(by_view, trajectory, first, [torch.linspace(0, 1, 101)], np.random.default_rng(0))
    kl_limit, distance_limit = region.limits.tolist()
    assert kl_limit == pytest.approx(0.99)
    assert 9 <= distance_limit <= 10  # trajectories 10 … 19 against 0 … 9
    far = torch.tensor([[5.0, 0.0], [5.0, 11.0], [float("nan"), 0.0]])
    check = region.check(far, torch.tensor([0.5, 0.5, 0.5]))
    assert check.inside.tolist() == [True, False, False]
    assert region.check(far[:1], torch.tensor([2.0])).inside.tolist() == [False]


def test_a_method_without_a_density_is_judged_by_distance_alone():
    region = TrainingRange(1, 64)
    trajectory, first = torch.arange(6).repeat_interleave(5), (torch.arange(5) == 0).repeat(6)
    region.fit(torch.randn(30, 1), trajectory, first, [torch.zeros(0)], np.random.default_rng(0))
    check = region.check(torch.tensor([[0.0], [50.0]]), torch.full((2,), float("nan")))
    assert check.inside.tolist() == [True, False]
    assert np.isnan(check.kl_limit)


def test_a_limit_is_the_larger_of_that_of_first_frames_and_that_of_all():
    """Starts of ten trajectories of different lengths lie far apart, and all end at the same place."""
    lengths = torch.tensor([200 + 10 * m for m in range(10)])
    trajectory = torch.arange(10).repeat_interleave(lengths)
    first = torch.zeros(len(trajectory), dtype=torch.bool)
    first[lengths.cumsum(0) - lengths] = True
    z = torch.where(first, 100.0 * (1 + trajectory), 0.0)[:, None]
    region = TrainingRange(1, 512)
    region.fit(z, trajectory, first, [], np.random.default_rng(0))
    assert 400 <= region.limits[1] <= 500  # starts at 600 … 1000 against 100 … 500
    assert (region.reference > 0).sum() >= 256
    assert region.check(torch.tensor([[0.0], [2000.0]]), torch.zeros(2)).inside.tolist() == [True, False]


def test_one_training_trajectory_is_not_enough_to_say(tmp_path):
    for M, validation in ((2, None), (1, own_data(tmp_path / "v.zarr", M=2, seed=1))):
        data = own_data(tmp_path / f"{M}.zarr", M=M)
        model = small().fit(data, validation, observable=spread, progress=False)
        check = model.check(data.first(np.array([0])))
        assert np.isnan(check.distance_limit)
        assert check.inside.all()  # nothing says that it is outside
        assert "one training trajectory is not enough to say" in check.message(0)
        far = model.check(1e3 * np.random.default_rng(0).normal(size=(6, 2)))
        assert "OUTSIDE" in far.message(0)  # the decoder alone can tell
        assert "nan" not in far.message(0)


def test_two_training_trajectories_have_a_limit(tmp_path):
    model = small().fit(
        own_data(tmp_path / "a.zarr", M=2),
        own_data(tmp_path / "v.zarr", M=2, seed=1),
        observable=spread,
        progress=False,
    )
    check = model.check(np.random.default_rng(0).normal(size=(6, 2)))
    assert check.distance_limit > 0
    assert "limit" in check.message(0)


def test_columns_of_noise_do_not_drown_the_one_that_is_out():
    stream = torch.Generator().manual_seed(0)
    slow = torch.linspace(-1, 1, 40).repeat_interleave(30)[:, None]  # one number for each trajectory
    z = torch.cat([slow, torch.randn(1200, 7, generator=stream)], dim=1)
    trajectory, first = torch.arange(40).repeat_interleave(30), (torch.arange(30) == 0).repeat(40)
    order = torch.randperm(40, generator=stream)
    dynamics = ODEConfig(drift={"hidden": [4]}).build(8, 1)
    dynamics.set_statistics(z, torch.zeros(1200, 0), torch.arange(1199), torch.ones(1199))
    stays = dynamics.persistence()
    assert stays[0] > 0.95
    assert stays[1:].max() < 0.1
    out = torch.cat([torch.full((50, 1), 6.0), torch.randn(50, 7, generator=stream)], dim=1)
    found = {}
    for name, weights in (("weighed", stays), ("alike", None)):
        region = TrainingRange(8, 512)
        region.fit(z, order[trajectory], first, [], np.random.default_rng(0), weights)
        found[name] = region.check(out / 2, torch.full((50,), float("nan"))).inside.mean()
    assert found["weighed"] == 0
    assert found["alike"] > 0.1


def test_every_observable_and_context_is_compared_by_name(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(8, 6, 10, 2))
    z = np.stack([rng.uniform(0.2, 0.9, (8, 6)), rng.uniform(5, 6, (8, 6))], axis=-1)
    data = TrajectoryDataset.from_arrays(
        tmp_path / "a.zarr",
        points,
        z,
        times=range(6),
        observable_names=("energy", "order"),
        context={"T": rng.uniform(1, 2, 8)},
    )
    model = small().fit(data, progress=False)
    start = data.first(np.arange(1))
    usual = {"observables": z[:1, 0], "context": {"T": 1.5}}
    assert "energy" not in model.check(start, **usual).message(0)
    low = model.check(start, observables=[[0.02, 5.5]], context={"T": 1.5})
    assert not low.inside[0]
    assert "OUTSIDE the training range: energy 0.02 is below the training range 0.2" in low.message(0)
    hot = model.check(start, observables=z[:1, 0], context={"T": 9.0})
    assert not hot.inside[0]
    assert "T 9 is above the training range 1" in hot.message(0)
    assert "T 9" not in model.check(start, observables=z[:1, 0]).message(0)  # what is not given is not compared
    prediction = model.predict(start, 3, observables=[[0.02, 9.0]], context={"T": 9.0})
    assert "energy 0.02 is below" in prediction.message(0)
    assert "order 9 is above" in prediction.message(0)
    assert "T 9 is above" in prediction.message(0)
