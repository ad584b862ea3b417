"""Tracks of particles as several tests write them into files."""

from __future__ import annotations

import numpy as np
import pandas as pd

from setclosure.trajectories.readers.base import Source
from setclosure.trajectories.readers.spec import ImportSpec

TABLE = {"name": "table", "frame": "frame", "particle": "particle"}


def tracks(seed=0, T=8, N=6, start=0, kinds="AB"):
    """A table of random walks, in order, with a number of the frame, a kind and a weight."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 2)) + np.cumsum(0.1 * rng.normal(size=(T, N, 2)), axis=0)
    frame, particle = np.divmod(np.arange(T * N), N)
    return pd.DataFrame(
        {
            "frame": frame + start,
            "particle": particle,
            "x": x[..., 0].ravel(),
            "y": x[..., 1].ravel(),
            "kind": [kinds[i % len(kinds)] for i in particle],
            "weight": 1.0 + particle,
            "energy": np.repeat(rng.normal(size=T), N),
        }
    )


def specification(**changes):
    """The specification of such tables."""
    values = {
        "files": "run_{seed}.csv",
        "reader": TABLE,
        "features": {"position": ["x", "y"]},
        "observables": [{"registered": "extension"}],
        "splits": {"all": 1.0},
    }
    return ImportSpec.parse(values | changes)


def source(path, **values):
    return Source((path,), values)


def frames(reader, path, *range_):
    return list(reader.frames(source(path), *range_))
