"""The described particles of a data set are a data set of their own, beside it, made once and found by fingerprint."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from setclosure.descriptors.joined import Descriptors
from setclosure.errors import SetclosureError
from setclosure.files import sha256
from setclosure.progress import progress
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import GIVEN, Layout, Trajectory

_log = logging.getLogger(__name__)

VERSION = 1
"""The version of the numbers that descriptors give; another one makes what was kept be made again."""


def described(data: TrajectoryDataset, descriptors: Descriptors, elsewhere: Path) -> TrajectoryDataset:
    """Give the data set whose particles are those of ``data`` as the descriptors describe them.

    It is kept in ``<data>.descriptors/`` beside the data, under a name made from the fingerprint of the data and the
    options of the descriptors. Trajectories that cannot be used are not described.

    Parameters
    ----------
    data : TrajectoryDataset
        Trajectories.
    descriptors : Descriptors
        The descriptors, with numbers in the place of what is chosen from training microstates.
    elsewhere : Path
        A folder for it where the place beside the data may not be written.

    Raises
    ------
    MicrostateError
        If a microstate cannot be described; the message names its trajectory.
    """
    if descriptors.plain:
        return data
    options = [part.model_dump(mode="json") for part in descriptors.parts]
    facts = {"data": data.fingerprint, "descriptors": options, "version": VERSION}
    name = f"{sha256(json.dumps(facts, sort_keys=True).encode())[:16]}.zarr"
    beside = data.path.with_name(f"{data.path.name}.descriptors")
    for folder in (beside, elsewhere):
        if (folder / name).exists():
            return TrajectoryDataset.open(folder / name, allow_unfinished=True)
    folder = beside if os.access(data.path.parent, os.W_OK) else elsewhere
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=".unfinished") as unfinished:
        made = Path(unfinished) / name
        _describe(data, descriptors, made, facts)
        try:
            made.rename(folder / name)
        except OSError:
            if not (folder / name).exists():  # else another process was faster, and made the same
                raise
            shutil.rmtree(made, ignore_errors=True)
    return TrajectoryDataset.open(folder / name, allow_unfinished=True)


def _describe(data: TrajectoryDataset, descriptors: Descriptors, path: Path, facts: dict[str, object]) -> None:
    features = descriptors.described.features
    layout = replace(
        data.layout,
        features=features,
        bounds=None,
        has_cell=data.layout.has_cell and features.position > 0,
        max_frames=max(2, data.max_frames),
        observable=GIVEN,
    )
    out = TrajectoryDataset.create(path, layout, data.n_trajectories, dict(facts))
    usable = data.usable
    with progress("describe particles", len(usable), "trajectories") as advance:
        for done, m in enumerate(map(int, usable)):
            try:
                out.commit(m, _trajectory(data, descriptors, m, layout))
            except SetclosureError as error:
                raise type(error)(f"{data.path}, trajectory {m}: {error}") from error
            advance(done + 1, "")
    _log.info("described the particles of %d trajectories by %d numbers each", len(usable), features.d)


def _trajectory(data: TrajectoryDataset, descriptors: Descriptors, m: int, layout: Layout) -> Trajectory:
    batch = data.trajectory(m)
    stored = data.arrays(m)
    points = descriptors(batch).points.numpy()
    N = layout.max_particles
    padded = np.zeros((len(points), N, points.shape[2]), np.float32)
    padded[:, : points.shape[1]] = points
    return Trajectory(
        padded,
        data.observables(np.array([m]))[0],
        data.times(m),
        stored.get("counts"),
        stored.get("species"),
        stored.get("masses"),
        stored["cell"] if layout.has_cell else None,
        data.context(m) if data.context_names else None,
    )
