"""A model of periodic data: fitted, saved, loaded, and the same for any shift and wrapping of its microstates."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.model.fits import small
from tests.sets.cells import moved

from setclosure.errors import ConfigurationError, DatasetError, ModelError, SetclosureWarning
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.closure_model import ClosureModel
from setclosure.model.specification import ModelSettings
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.trajectories.dataset import TrajectoryDataset

CELLS = {
    "orthorhombic": [[6.0, 0.0], [0.0, 5.0]],
    "square": [[6.0, 0.0], [0.0, 6.0]],
    "triclinic": [[6.0, 0.0], [1.5, 5.0]],
    "channel": [[6.0, 0.0], [0.0, 0.0]],
}


def periodic_data(path, cell, M=4, T=5, N=10, observable="mixing_ratio(radius=1.0)", seed=0, **options):
    """Write random trajectories of two species in a cell, wrapped somewhere."""
    rng = np.random.default_rng(seed)
    matrix = np.diag(cell) if np.ndim(cell) == 1 else np.asarray(cell)
    points = rng.uniform(0, 1, (M, T, N, 2)) @ np.where(matrix.any(axis=1)[:, None], matrix, np.eye(2))
    return TrajectoryDataset.from_arrays(
        path, points, observable, times=range(T), cell=cell, species=np.arange(N) % 2, **options
    )


@pytest.fixture(scope="module", params=CELLS)
def fitted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    data = periodic_data(folder / "data.zarr", CELLS[request.param])
    along = ["x"] if request.param == "channel" else "all"
    symmetry = {"translation": along, "rotation": "reflections" if request.param != "triclinic" else "proper"}
    return data, small(symmetry=symmetry, bandwidth=0.2).fit(data, progress=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_no_closure_score_or_prediction_changes_with_shift_and_wrapping(fitted, seed):
    """Promise 11 of a trained model: the same closure, score, density and prediction."""
    data, model = fitted
    batch = data.trajectory(0).to(torch.float64)
    other = moved(batch, seed)
    if model.facts.kind.periodic != (True, True):
        other.points[..., 1] = batch.points[..., 1]  # walls: no shift along y
    exact = model.parts.autoencoder.double()
    try:
        torch.testing.assert_close(exact.encode(other), exact.encode(batch), rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(exact.score(other), exact.score(batch), rtol=1e-6, atol=1e-8)
    finally:
        model.parts.autoencoder.float()
    a, b = (model.predict(x[:1].to(torch.float32), 3).observables for x in (batch, other))
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_a_saved_model_knows_its_cell(fitted, tmp_path):
    data, model = fitted
    model.save(tmp_path / "model")
    again = ClosureModel.load(tmp_path / "model")
    assert again.facts == model.facts
    assert json.loads((tmp_path / "model" / "model.json").read_text())["facts"]["kind"]["periodic"] == list(
        model.facts.kind.periodic
    )
    batch = data.trajectory(0)
    assert (again.encode(batch) == model.encode(batch)).all()
    assert (again.predict(batch[:2], 3).observables == model.predict(batch[:2], 3).observables).all()


def test_a_prediction_without_the_cell_is_refused_by_name(fitted):
    data, model = fitted
    batch = data.trajectory(0)[:1]
    bare = MicrostateBatch(batch.points, batch.weights)
    for use in (model.encode, lambda x: model.predict(x, 3), model.check):
        with pytest.raises(ModelError, match=r"the microstates have no cell, and this model was trained in one"):
            use(bare)


def test_the_density_of_a_model_integrates_to_one_in_the_units_of_the_data(fitted):
    data, model = fitted
    batch = data.trajectory(0)[:1]
    f = (torch.arange(200) + 0.5) / 200
    cell = batch.cell[0].clone()
    units = torch.cartesian_prod(f, f)
    if not bool(cell[1].any()):
        cell[1, 1], units = 40.0, torch.cartesian_prod(f, f - 0.5)
    with torch.inference_mode():
        density = model.parts.autoencoder.log_density((units @ cell)[None], batch).exp()
    volume = torch.linalg.det(cell).abs()
    torch.testing.assert_close(density.mean(dim=2) * volume, torch.ones(1, 2), rtol=2e-2, atol=0)
    drawn = model.parts.autoencoder.sample(batch, 2000, torch.Generator().manual_seed(0))
    fractions = drawn @ torch.linalg.inv(cell)
    assert (fractions[..., 0] >= -1e-5).all()
    assert (fractions[..., 0] <= 1 + 1e-5).all()


def test_data_without_a_cell_are_refused_where_the_model_has_one_and_the_other_way(fitted, tmp_path):
    _, model = fitted
    points = np.random.default_rng(0).uniform(0, 5, (4, 5, 10, 2))
    open_ = TrajectoryDataset.from_arrays(
        tmp_path / "open.zarr", points, "mixing_ratio(radius=1.0)", times=range(5), species=np.arange(10) % 2
    )
    without = small(bandwidth=0.2).fit(open_, progress=False)
    inside = MicrostateBatch.from_arrays(points[0, 0], np.arange(10) % 2, cell=[6.0, 5.0])
    with pytest.raises(ModelError, match="have a periodic cell, and this model was trained without one"):
        without.encode(inside)
    assert model.facts.kind.periodic
    assert without.facts.kind.periodic == ()


def test_a_cell_that_changes_in_time_is_read_with_every_frame(tmp_path):
    sizes = np.linspace(5.0, 7.0, 5)
    cell = np.zeros((4, 5, 2, 2))
    cell[..., 0, 0] = cell[..., 1, 1] = sizes
    points = np.random.default_rng(0).uniform(0, 1, (4, 1, 10, 2)) * sizes[:, None, None]
    data = TrajectoryDataset.from_arrays(
        tmp_path / "data.zarr", points, "pair_energy", times=range(5), cell=cell, species=np.arange(10) % 2
    )
    model = small(symmetry="euclidean", bandwidth=0.2).fit(data, progress=False)
    closures = model.encode(data.trajectory(0))
    np.testing.assert_allclose(closures, np.broadcast_to(closures[:1], closures.shape), atol=1e-4)  # fractions stay


def test_cells_that_are_periodic_now_and_then_are_refused(tmp_path):
    cell = np.tile(np.diag([6.0, 5.0]), (4, 5, 1, 1))
    cell[2, 3, 1] = 0.0
    points = np.random.default_rng(0).uniform(0, 5, (4, 5, 10, 2))
    data = TrajectoryDataset.from_arrays(tmp_path / "data.zarr", points, points.mean((2, 3)), times=range(5), cell=cell)
    with pytest.raises(DatasetError, match=r"the cell of trajectory 2, frame 3 is periodic along \[True, False\]"):
        small().fit(data, progress=False)


def test_decoders_that_know_no_angles_are_refused_in_a_cell():
    kind = MicrostateKind(2, periodic=(True, True))
    with pytest.raises(ModelError, match="decoder 'gaussian_mixture' cannot be used in a periodic cell"):
        Autoencoder(ModelSettings(method="density-mixture"), kind)
    assert (
        Autoencoder(ModelSettings(method="density-set-transformer", harmonics=3), kind).encoder.embed.in_features == 12
    )


# ── symmetry that is true ─────────────────────────────────────────────────────────────────────────────────────────────


def polar_data(path, roles, M=4, T=5, N=12):
    """Write places and headings, whose mean is the observable."""
    rng = np.random.default_rng(0)
    angle = rng.normal(size=(M, T, N, 1)) + np.linspace(0, 2, T)[:, None, None]
    points = np.concatenate([rng.normal(size=(M, T, N, 2)), np.cos(angle), np.sin(angle)], axis=-1)

    def order(microstates):
        return microstates.mean()[:, 2:].norm(dim=1)

    names = ("x", "y", "cos", "sin")
    return TrajectoryDataset.from_arrays(path, points, order, times=range(T), features=names, roles=roles), order


def test_a_translation_of_headings_is_refused_and_the_feature_named(tmp_path):
    """With headings as places, translation took the order parameter away in silence."""
    data, order = polar_data(tmp_path / "wrong.zarr", None)
    with pytest.raises(ModelError, match=r"a shift of 'cos' changes the observable 'order'"):
        small(symmetry="translation", bandwidth=0.1).fit(data, observable=order, progress=False)
    data, order = polar_data(tmp_path / "right.zarr", ("position", "position", "vector", "vector"))
    small(symmetry="euclidean", bandwidth=0.1).fit(data, observable=order, progress=False)


def handed(microstates):
    """Give a number that a mirror turns round: the mean of x³y − xy³, weighted, about the centre, cubed by radius."""
    x = microstates.points - microstates.mean()[:, None]
    angle = torch.atan2(x[..., 1], x[..., 0])
    weights = microstates.particle_weights * x.norm(dim=-1)
    third = (weights * torch.exp(3j * angle)).sum(1)
    sixth = (weights * torch.exp(6j * angle)).sum(1)
    return (third.square().conj() * sixth).imag


@pytest.mark.parametrize(
    ("observable", "symmetry", "message"),
    [
        (lambda m: m.mean()[:, 0], "translation", r"a shift of 'x' changes the observable 'z'"),
        (lambda m: m.mean()[:, 1], {"translation": ["x"]}, None),
        (lambda m: m.mean()[:, 1], {"translation": ["x", "y"]}, r"a shift of 'y' .* \(translation: \[x\]\)"),
        (lambda m: m.standard_deviation()[:, 0], "translation", None),
        (lambda m: m.standard_deviation()[:, 0], "euclidean", r"a rotation of 'x' and 'y' changes"),
        (lambda m: m.standard_deviation().square().sum(1), "euclidean", None),
        (handed, {"translation": "all", "rotation": "proper"}, None),
        (handed, "euclidean", r"mirroring 'x' changes .* \(rotation: proper, or none\)"),
        (lambda m: m.mean()[:, 1].square(), {"translation": ["x"], "rotation": "reflections"}, None),
        (lambda m: m.mean()[:, 1], {"translation": ["x"], "rotation": "reflections"}, r"mirroring 'y' changes"),
        (lambda m: m.mean()[:, 1], {"translation": ["x"], "rotation": "proper"}, r"turning over 'x' and 'y' changes"),
    ],
)
def test_the_declared_symmetry_is_checked_on_training_microstates(observable, symmetry, message, tmp_path):
    """Promise 10: what turns, shifts or mirrors changes nothing, or the fit says which does."""
    points = np.random.default_rng(0).normal(size=(4, 5, 8, 2)) + np.array([0.0, 1.0])

    def z(microstates):
        return observable(microstates)

    data = TrajectoryDataset.from_arrays(tmp_path / "data.zarr", points, z, times=range(5))
    estimator = small(symmetry=symmetry)
    if message is None:
        estimator.fit(data, observable=z, progress=False)
    else:
        with pytest.raises(ModelError, match=message):
            estimator.fit(data, observable=z, progress=False)


def test_in_a_cell_the_point_group_is_checked(tmp_path):
    def width(microstates):
        angle = 2 * torch.pi * microstates.points[..., 0] / 6.0
        return (microstates.weights * torch.exp(1j * angle)[:, None]).sum(dim=2).mean(dim=1).abs()

    data = periodic_data(tmp_path / "data.zarr", [6.0, 6.0], observable=width)
    with pytest.raises(ModelError, match="a rotation of the cell's own point group of x, y changes"):
        small(symmetry="euclidean", bandwidth=0.2).fit(data, observable=width, progress=False)
    oblong = periodic_data(tmp_path / "oblong.zarr", [6.0, 5.0], observable=width)
    small(symmetry="euclidean", bandwidth=0.2).fit(oblong, observable=width, progress=False)


def test_given_observables_are_said_to_be_unchecked_once(tmp_path, caplog):
    points = np.random.default_rng(0).normal(size=(4, 5, 8, 2))
    z = np.random.default_rng(1).normal(size=(4, 5, 1))
    data = TrajectoryDataset.from_arrays(tmp_path / "data.zarr", points, z, times=range(5))
    with caplog.at_level(logging.WARNING, logger="setclosure"):
        small(symmetry="translation").fit(data, progress=False)
        assert sum("the declared symmetry cannot be checked" in r.message for r in caplog.records) == 1
        small(symmetry="none").fit(data, progress=False)
    assert sum("the declared symmetry cannot be checked" in r.message for r in caplog.records) == 1


def test_a_translation_along_no_coordinate_of_a_position_is_refused():
    with pytest.raises(ModelError, match=r"translation along q; expected coordinates of the position, which are x, y"):
        Autoencoder(ModelSettings.parse({"symmetry": {"translation": ["q"]}}), MicrostateKind(2))
    with pytest.raises(ConfigurationError, match="rotation"):
        ModelSettings.parse({"symmetry": {"rotation": "some"}})


@pytest.mark.parametrize(("views", "used"), [(None, 8), (3, 3), (1, 1)])
def test_the_number_of_views_is_a_setting(views, used, tmp_path):
    points = np.random.default_rng(0).normal(size=(4, 5, 8, 3))
    data = TrajectoryDataset.from_arrays(tmp_path / "data.zarr", points, "pair_energy", times=range(5))
    options = {} if views is None else {"views": views}
    model = small(symmetry="euclidean", **options).fit(data, progress=False)
    seen = []
    encode = model.parts.autoencoder.encode
    model.parts.autoencoder.encode = lambda batch: seen.append(len(batch)) or encode(batch)
    model.predict(points[0, 0], 2, check=False)
    assert len(seen) == used


# ── bandwidth ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_bandwidth_may_be_a_number_for_each_feature_or_chosen_from_neighbours(tmp_path):
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), -1).reshape(-1, 2)
    points = grid + rng.normal(size=(4, 5, 36, 2)) * 1e-3
    data = TrajectoryDataset.from_arrays(tmp_path / "data.zarr", points, "pair_energy", times=range(5), cell=[6.0, 6.0])
    model = small(bandwidth="auto").fit(data, progress=False)
    assert model.settings.bandwidth == pytest.approx((0.5, 0.5), rel=0.02)
    given_ = small(bandwidth=[0.2, 0.4]).fit(data, progress=False)
    assert given_.settings.bandwidth == (0.2, 0.4)
    with pytest.raises(ModelError, match="bandwidth has 3 numbers, and particles are described by x, y"):
        small(bandwidth=[0.2, 0.4, 0.1]).fit(data, progress=False)
    with pytest.raises(ConfigurationError, match="bandwidth"):
        small(bandwidth=[0.2, -0.4])


def test_a_bandwidth_far_from_spread_or_spacing_is_warned_of(tmp_path):
    points = np.random.default_rng(0).normal(size=(4, 5, 30, 2)) * [1.0, 1000.0]
    data = TrajectoryDataset.from_arrays(tmp_path / "data.zarr", points, "pair_energy", times=range(5))
    with pytest.warns(SetclosureWarning, match=r"above the spread of features \(x: 3 and 1\.0"):
        small(bandwidth=3.0).fit(data, progress=False)
    with pytest.warns(SetclosureWarning, match=r"far below the distance of neighbours of features \(x: 0\.005 and"):
        small(bandwidth=0.005).fit(data, progress=False)
    small(bandwidth=[0.05, 50.0]).fit(data, progress=False)
    small(method="inve", decoder=None, reconstruction=None, dynamics_weight=1.0, bandwidth=1e-9)


def test_auto_needs_neighbours(tmp_path):
    points = np.repeat(np.random.default_rng(0).normal(size=(4, 5, 4, 2)), 2, axis=2)
    data = TrajectoryDataset.from_arrays(tmp_path / "data.zarr", points, "pair_energy", times=range(5))
    with pytest.raises(ModelError, match="most particles lie on another one, or are alone"):
        small(bandwidth="auto").fit(data, progress=False)
