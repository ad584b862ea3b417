"""The Zarr group of an ensemble: how it is made, and how its description is read and checked."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from setclosure.trajectories.layout import Layout
from setclosure.errors import DamagedFileError, EnsembleError, SchemaVersionError
from setclosure.files import storage_errors

SCHEMAS = (1, 2)
"""Versions of the layout on disk that can be read: 2 has coordinates in 16 bits, all others are written as 1."""

_RESTORE = "Restore it from a copy, or make the ensemble again at another path."


def make(path: Path, layout: Layout, n_trajectories: int, provenance: dict[str, Any]) -> None:
    """Make the group of an ensemble without trajectories; see :meth:`setclosure.Ensemble.create`."""
    if n_trajectories < 1:
        raise EnsembleError(f"an ensemble has at least one trajectory; got {n_trajectories}.")
    with storage_errors(path):
        there = path.exists()
    if there:
        raise EnsembleError(f"{path} exists already. Open it with Ensemble.open, or choose another path.")
    facts = {
        "schema": layout.schema,
        "layout": layout.to_json(),
        "n_trajectories": n_trajectories,
        "provenance": {"setclosure": version("setclosure")} | provenance,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # made elsewhere and renamed, so that a killed process leaves no half-made group under the name
    unfinished = path.with_name(f".{path.name}.unfinished")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        group = zarr.create_group(unfinished, attributes={"setclosure": facts})
        for name, (shape, dtype) in _stored(layout, n_trajectories).items():
            group.create_array(
                name,
                shape=shape,
                chunks=(1, *shape[1:]),
                dtype=dtype,
                # a digest does not compress, and reading all of them must be fast
                compressors=None if name == "digest" else ZstdCodec(level=1),
                fill_value=0,
            )
        unfinished.rename(path)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes and the arrays of an ensemble; see :meth:`setclosure.Ensemble.open` for what it raises."""
    if not os.path.exists(path):  # pathlib's raises where a folder above may not be read
        raise EnsembleError(
            f"there is no ensemble at {path}. Make one with 'setclosure simulate' or Ensemble.from_arrays."
        )
    if not os.path.isfile(path / "zarr.json"):
        raise EnsembleError(
            f"{path} is not an ensemble: a folder with a zarr.json that setclosure wrote is expected. "
            "A data folder holds one such folder for each split, DATA/train.zarr for instance."
        )
    try:
        group = zarr.open_group(path, mode="r+")
        facts: Any = group.attrs.get("setclosure")
    except Exception as error:  # zarr raises many kinds for a description that it cannot read
        raise DamagedFileError(f"the description {path}/zarr.json is damaged ({error}). {_RESTORE}") from error
    if not isinstance(facts, dict) or "schema" not in facts:
        raise EnsembleError(f"{path} is a Zarr group, but not an ensemble that setclosure wrote.")
    if facts["schema"] not in SCHEMAS:
        raise SchemaVersionError(
            f"{path} has schema {facts['schema']!r}; this version of setclosure reads "
            f"{' and '.join(map(str, SCHEMAS))}. "
            "Install the version that wrote it "
            f"({facts.get('provenance', {}).get('setclosure', 'unknown')}) or a newer one, or make the data again."
        )
    try:
        layout = Layout.from_json(facts["layout"])
        expected = _stored(layout, facts["n_trajectories"])
        arrays: dict[str, Any] = {name: group[name] for name in expected}
        different = [
            n
            for n, (shape, dtype) in expected.items()
            if (arrays[n].shape, arrays[n].dtype) != (shape, np.dtype(dtype))
        ]
    except Exception as error:
        raise DamagedFileError(f"the description of {path} is damaged ({error!r}). {_RESTORE}") from error
    if different:
        raise DamagedFileError(f"{path}: shape or dtype of {', '.join(different)} was changed. {_RESTORE}")
    return facts, arrays


def _stored(layout: Layout, n_trajectories: int) -> dict[str, tuple[tuple[int, ...], str]]:
    return layout.arrays(n_trajectories) | {"digest": ((n_trajectories, 32), "uint8")}
