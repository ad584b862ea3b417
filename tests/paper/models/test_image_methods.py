"""Methods of images learn from pixel sets by the code that all methods share."""

from __future__ import annotations

import numpy as np
import pytest

from setclosure.fit.estimator import ClosureEstimator
from setclosure.fit.settings import FitSettings
from setclosure.model.closure_model import ClosureModel
from setclosure.observables.registered import get_observable
from setclosure.paper.images.pixel_sets import PIXEL_BOX, pixel_sets
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory

SIZE = {"image_height": 6, "image_width": 24}
OPTIONS = {
    "cnn": (
        {**SIZE, "pool": 2, "channels": [4, 8], "width": 16},
        {**SIZE, "pool": 1, "channels": [8, 4], "hidden": 16},
    ),
    "vit": ({**SIZE, "patch": 6, "width": 16, "heads": 2}, {**SIZE, "patch": 3, "width": 16, "heads": 2}),
    "density": ({"width": 16}, {"layers": 2, "bins": 4, "hidden": 16, "blocks": 1}),
}
BUDGET = FitSettings.parse(
    {
        "stage_one": {"steps": 10, "steps_per_epoch": 5, "batch_sets": 6, "validation_sets": 4},
        "stage_two": {"steps": 20, "steps_per_epoch": 10, "batch_pairs": 16},
    }
)


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    """Trajectories of a dark bar that grows, as pixel sets in 16 bits."""
    layout = Layout("bars", 3, 6, 6 * 24, "extension", ("extension",), ragged=True, bounds=PIXEL_BOX)
    data = TrajectoryDataset.create(tmp_path_factory.mktemp("bars") / "train.zarr", layout, 6)
    for m in range(6):
        frames = np.zeros((6, 6, 24), np.uint8)
        for t in range(6):
            frames[t, m % 4 : m % 4 + 3, 8 - t : 10 + m + t] = 255 - 20 * t
        points, counts = pixel_sets(frames)
        sets = [x[:n] for x, n in zip(points, counts, strict=True)]
        data.commit(m, Trajectory(points, get_observable("extension")(sets), np.arange(6.0), counts))
    return data


@pytest.mark.parametrize("method", OPTIONS)
def test_both_stages_saving_and_prediction(tmp_path, growing, method):
    encoder, decoder = OPTIONS[method]
    estimator = ClosureEstimator(
        method, closure_dim=2, bandwidth=0.5, encoder=encoder, decoder=decoder, training=BUDGET
    )
    model = estimator.fit(growing, progress=False)
    x0 = growing.first(np.arange(3))
    prediction = model.predict(x0, 4)
    assert prediction.observables.shape == (3, 1, 5, 1)
    assert np.allclose(prediction.observables[:, 0, 0], [z[0] for z in growing.observables()[:3]])
    model.save(tmp_path / "model")
    again = ClosureModel.load(tmp_path / "model")
    assert np.array_equal(again.predict(x0.permuted(), 4).status, prediction.status)
    assert np.allclose(again.encode(x0.permuted()), model.encode(x0), rtol=1e-4, atol=1e-5)
