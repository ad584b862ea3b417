"""Descriptors in a model: joined, kept beside the data, resolved in what is stored, computed again for a start."""

from __future__ import annotations

import numpy as np
import pytest
from tests.model.fits import own_data, small

from setclosure.descriptors.as_they_are import FeaturesConfig
from setclosure.descriptors.environment import EnvironmentConfig
from setclosure.descriptors.joined import Descriptors
from setclosure.descriptors.radial import RadialConfig
from setclosure.errors import ConfigurationError, ModelError
from setclosure.fit.estimator import ClosureEstimator
from setclosure.model.closure_model import ClosureModel
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.trajectories.dataset import TrajectoryDataset

ESTIMATORS = {
    "density": lambda: small(descriptors=["environment"]),
    "pooled": lambda: ClosureEstimator(
        "pooled", closure_dim=2, descriptors=["environment"], training={"stage_two": {"steps": 5}}
    ),
}

RICH = Features(2, vectors=1, scalars=1, names=("x", "y", "vx", "vy", "q"))


def test_columns_are_joined_by_their_roles():
    both = Descriptors([RadialConfig(), FeaturesConfig()], MicrostateKind(RICH))
    assert both.described.features.names[:5] == ("x", "y", "vx", "vy", "distance")
    assert both.described.features.names[-1] == "q"
    points = np.random.default_rng(0).normal(size=(2, 5, 5))
    batch = MicrostateBatch.from_arrays(points, features=RICH)
    described = both(batch)
    assert np.allclose(described.points[..., :4], points[..., :4], atol=1e-6)
    assert np.allclose(described.points[..., -1], points[..., -1], atol=1e-6)
    assert Descriptors([FeaturesConfig()], MicrostateKind(RICH)).plain


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([FeaturesConfig(), FeaturesConfig()], "two descriptors give positions"),
        ([RadialConfig(), RadialConfig()], "columns of one name: distance"),
        ([FeaturesConfig(keep=("x",))], "x, y belong together"),
        ([FeaturesConfig(keep=("vx", "vy"))], "vectors are kept together with the position"),
        ([FeaturesConfig(keep=("charge",))], "was to keep charge; particles have x, y, vx, vy, q"),
    ],
)
def test_descriptors_that_do_not_fit_are_refused(parts, said):
    with pytest.raises(ModelError, match=said):
        Descriptors(parts, MicrostateKind(RICH))


@pytest.mark.parametrize("method", ESTIMATORS)
def test_a_model_describes_particles_as_it_was_told(tmp_path, method):
    data = own_data(tmp_path / "a.zarr", M=5, T=6, N=12)
    model = ESTIMATORS[method]().fit(data, folder=tmp_path / "fit", progress=False)
    radii = model.settings.descriptors[0].radii
    assert len(radii) >= 2
    assert "auto" not in radii
    kept = list((tmp_path / "a.zarr.descriptors").iterdir())
    assert [path.suffix for path in kept] == [".zarr"]
    again = ESTIMATORS[method]().fit(data, progress=False)
    assert list((tmp_path / "a.zarr.descriptors").iterdir()) == kept
    start = data.first(np.array([0, 1]))
    moved = start.with_points(start.points + 3.0)
    assert np.allclose(model.encode(moved), model.encode(start), atol=1e-3)
    assert np.array_equal(again.encode(start), model.encode(start))
    model.save(tmp_path / "model")
    read = ClosureModel.load(tmp_path / "model")
    assert read.settings.descriptors == model.settings.descriptors
    assert np.array_equal(read.encode(start), model.encode(start))


def test_data_that_may_not_be_written_are_described_elsewhere(tmp_path, monkeypatch):
    data = own_data(tmp_path / "a.zarr", M=5, T=6, N=12)
    monkeypatch.setattr("setclosure.trajectories.described.os.access", lambda *_: False)
    small(descriptors=["environment"]).fit(data, folder=tmp_path / "fit", progress=False)
    assert not (tmp_path / "a.zarr.descriptors").exists()
    assert len(list((tmp_path / "fit" / "descriptors").iterdir())) == 1


def test_an_unknown_descriptor_is_named():
    with pytest.raises(ConfigurationError, match=r"no descriptor 'enviroment'\. Did you mean 'environment'"):
        small(descriptors=["enviroment"])


def test_images_are_read_as_they_are():
    with pytest.raises(ConfigurationError, match="descriptors: weight_feature names one of them"):
        small(weight_feature=1, descriptors=[EnvironmentConfig()])


def test_a_column_that_never_changes_is_left_out(tmp_path):
    rng = np.random.default_rng(0)
    angle = rng.uniform(-np.pi, np.pi, (5, 6, 12, 1))
    points = np.concatenate([rng.normal(size=(5, 6, 12, 2)), np.cos(angle), np.sin(angle)], axis=-1)
    data = TrajectoryDataset.from_arrays(
        tmp_path / "a.zarr",
        points,
        rng.normal(size=(5, 6)),
        times=range(6),
        features=Features(2, vectors=1),
    )
    alone = {"name": "environment", "radii": [1e-6]}  # no particle has a neighbour, and all have a speed of one
    model = ClosureEstimator("pooled", descriptors=[alone, "radial"], training={"stage_two": {"steps": 5}}).fit(
        data, progress=False
    )
    start = data.first(np.array([0, 1]))
    assert np.isfinite(model.encode(start)).all()
