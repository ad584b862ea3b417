"""The published polymer trajectories are read from Hugging Face into data sets (A.5; Chen et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.claims import claim
from setclosure.errors import DatasetError, MicrostateError, MissingExtraError
from setclosure.paper.images.trajectories import (
    MOST_PIXELS,
    bead_layout,
    bead_trajectory,
    image_layout,
    image_trajectory,
)
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Array, Layout

DATASET = "MLDS-NUS/polymer-dynamics"
"""The name of the published dataset on Hugging Face, which has 300 beads and 1001 frames."""

SPLITS = {
    "train": "train",
    "validation": "valid",
    "fast": "test_fast",
    "medium": "test_medium",
    "slow": "test_slow",
}
"""Each split of the polymer study has a name in the published dataset.

They have 610, 110 and three times 100 trajectories."""

_SAVED = ("dataset_dict.json", "state.json")
"""A folder that ``save_to_disk`` wrote holds one of these files."""


def read_polymers(
    path: str | Path,
    split: str,
    images: bool = False,
    source: str | Path = DATASET,
    n_trajectories: int | None = None,
    most_pixels: int = MOST_PIXELS,
    progress: Callable[[int, int], None] | None = None,
) -> TrajectoryDataset:
    """Make the data set of a split of the published polymers, or go on with one that was not finished.

    One trajectory at a time is in memory. Positions stay as they are published, in bead diameters.

    Parameters
    ----------
    path : path
        The folder of the data set.
    split : str
        A key of :data:`SPLITS`.
    images : bool
        Whether microstates are the pixel sets of images (A.5) instead of beads.
    source : str or path
        A name on Hugging Face, or a folder that ``save_to_disk`` wrote or that has a copy of the dataset's files.
    n_trajectories : int, optional
        The number of trajectories, from the first on; all by default.
    most_pixels : int
        The number of pixels for which every frame has room; see
        :func:`~setclosure.paper.images.trajectories.image_layout`.
    progress : callable, optional
        A function that is called with the number of finished trajectories and of all.

    Raises
    ------
    MissingExtraError
        If the package ``datasets`` is not installed, with the command that installs it.
    DatasetError
        If the dataset cannot be loaded or has other splits, columns or shapes, or if ``path`` holds other data.
    MicrostateError
        If a number is NaN or infinite, or if beads leave an image or a frame has more than ``most_pixels``.
    StorageError
        If the disk is full or the folder may not be written; committed trajectories stay.
    """
    if split not in SPLITS:
        raise DatasetError(f"there is no split '{split}'; expected one of {', '.join(SPLITS)}.")
    rows = _rows(_load(str(source)), split, str(source))
    M = len(rows) if n_trajectories is None else n_trajectories
    if not 1 <= M <= len(rows):
        raise DatasetError(f"{source} has {len(rows)} trajectories in split '{SPLITS[split]}'; {M} were asked for.")
    times, beads = _trajectory(rows[0], 0)
    name = "polymers, images" if images else "polymers, beads"
    layout = (
        image_layout(name, len(times), most_pixels)
        if images
        else bead_layout(name, len(times), beads.shape[1], "published")
    )
    data = _claim(Path(path), layout, M, {"source": str(source), "split": SPLITS[split]})
    todo = np.setdiff1d(np.arange(M), np.setdiff1d(np.flatnonzero(data.committed), data.verify()))
    for done, i in enumerate(todo.tolist(), M - len(todo) + 1):
        times, beads = _trajectory(rows[i], i)
        try:
            made = image_trajectory(beads, times, most_pixels) if images else bead_trajectory(beads, times)
            data.commit(i, made)
        except MicrostateError as error:
            raise MicrostateError(f"{source}, split '{SPLITS[split]}', trajectory {i}: {error}") from error
        if progress is not None:
            progress(done, M)
    return data


def _claim(path: Path, layout: Layout, M: int, provenance: dict[str, Any]) -> TrajectoryDataset:
    """Give the data set at ``path``, which is new or not finished."""
    now = {"layout": layout.to_json(), "trajectories": M, **provenance}
    data = TrajectoryDataset.open(path) if path.exists() else None
    before = None
    if data is not None:
        there = {key: data.provenance.get(key) for key in provenance}
        before = {"layout": data.layout.to_json(), "trajectories": data.n_trajectories, **there}
    if claim(f"{path} holds published polymers", before, now, remedy="Choose another path.", error=DatasetError):
        return TrajectoryDataset.create(path, layout, M, provenance)
    made = data or TrajectoryDataset.open(path)
    made.clear_leftovers()
    return made


def _load(source: str) -> Any:
    """Load all splits of a dataset as memory-mapped tables."""
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        raise MissingExtraError(
            "reading from Hugging Face needs the package 'datasets', which is not installed. "
            "Install it: pip install 'setclosure[huggingface]'"
        ) from error
    try:
        if any((Path(source) / name).is_file() for name in _SAVED):
            return datasets.load_from_disk(source)
        return datasets.load_dataset(source)
    except Exception as error:  # the network, the hub and the file formats raise many kinds of errors
        raise DatasetError(
            f"the dataset '{source}' cannot be loaded ({type(error).__name__}: {error}). A name needs a connection to "
            f"huggingface.co. Without one, download it elsewhere (hf download {DATASET} --repo-type dataset "
            "--local-dir FOLDER), copy the folder, and give its path instead of the name. Or simulate polymers "
            "yourself."
        ) from error


def _rows(found: Any, split: str, source: str) -> Any:
    """Give the columns of one split that are needed, as arrays."""
    splits = list(found) if isinstance(found, dict) else []
    if SPLITS[split] not in splits:
        raise DatasetError(
            f"{source} has {'the splits ' + ', '.join(splits) if splits else 'no splits'}; expected "
            f"{', '.join(SPLITS.values())}, as in {DATASET}."
        )
    rows = found[SPLITS[split]]
    if not {"t", "x"} <= set(rows.column_names):
        raise DatasetError(
            f"{source} has the columns {', '.join(rows.column_names)}; expected t and x (and args), as in {DATASET}."
        )
    return rows.select_columns(["t", "x"]).with_format("numpy", dtype=np.float64)


def _trajectory(row: dict[str, Any], index: int) -> tuple[Array, Array]:
    """Read times ``(T,)`` and beads ``(T, N, 3)`` from a row."""
    t, x = np.asarray(row["t"]), np.asarray(row["x"])
    numbers = t.dtype.kind == x.dtype.kind == "f"  # texts, and lists of different lengths, are of another kind
    if not numbers or x.ndim != 2 or x.shape[1] % 3 or 0 in x.shape or t.shape not in ((len(x),), (len(x), 1)):
        raise DatasetError(
            f"trajectory {index} has t of shape {t.shape} and x of shape {x.shape}; expected (T, 1) and (T, 3 N), "
            "x, y, z of one bead after the other: (1001, 1) and (1001, 900) in the published data."
        )
    return t.ravel(), x.reshape(len(x), -1, 3)
