"""Save a tiny trained model (``make FOLDER``), or predict with it in a base installation (``use FOLDER``)."""

import sys
from pathlib import Path

import numpy as np

import setclosure


def make(folder: Path) -> None:
    """Train for a few steps on random walks, and save the model."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, 1, 20, 2)) + np.cumsum(0.1 * rng.normal(size=(6, 9, 20, 2)), axis=1)
    data = setclosure.TrajectoryDataset.from_arrays(folder / "walks.zarr", points, "extension", times=range(9))
    budget = {"stage_one": {"steps": 5, "batch_sets": 4}, "stage_two": {"steps": 5, "batch_pairs": 8}}
    setclosure.ClosureEstimator(closure_dim=2, training=budget).fit(data, progress=False).save(folder / "model")


def use(folder: Path) -> None:
    """Predict from the data that the model was made with."""
    model = setclosure.ClosureModel.load(folder / "model")
    data = setclosure.TrajectoryDataset.open(folder / "walks.zarr")
    prediction = model.predict(data.first(data.usable), steps=8)
    heavy = sorted({name.partition(".")[0] for name in sys.modules} & {"lightning", "plotly", "matplotlib", "typer"})
    if heavy or not np.isfinite(prediction.observables).all():
        sys.exit(f"the base installation loaded {heavy}, or its prediction is not finite")
    print(prediction)


{"make": make, "use": use}[sys.argv[1]](Path(sys.argv[2]))
