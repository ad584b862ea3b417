"""The store of a data set: one Zarr group whose trajectories are committed one by one.

A trajectory is first a file of its own in the folder ``pending``, written whole or not at all. When all trajectories
of a shard are there, they are packed into it, and their files go. So a killed writer loses only what it was writing,
and many trajectories are few files. A chunk holds a few frames, so that reading a frame does not read a trajectory.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
import threading
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import zarr
from safetensors import SafetensorError
from zarr.codecs import ZstdCodec

from setclosure.errors import DamagedFileError, DatasetError, SchemaVersionError
from setclosure.files import storage_errors, write_bytes
from setclosure.trajectories.layout import Array, Layout

SCHEMA = 3
"""Version of the layout on disk."""

CHUNK_BYTES = 2**16
"""Bytes of the frames that are read at once, before compression."""

SHARD_BYTES = 2**26
"""Bytes of the trajectories that share a file, before compression."""

_RESTORE = "Restore it from a copy, or make the data set again at another path."
_UNREADABLE = np.full(32, 255, np.uint8)


class Store:
    """Trajectories on disk, by index.

    Parameters
    ----------
    path : Path
        The group.
    facts : dict
        Its attributes.
    arrays : dict
        Its Zarr arrays.
    """

    def __init__(self, path: Path, facts: dict[str, Any], arrays: dict[str, Any]) -> None:
        self.path, self.facts, self._arrays = path, facts, arrays
        self.layout = Layout.from_json(facts["layout"])
        self.n_trajectories = int(facts["n_trajectories"])
        self._shard = shard_of(self.layout, self.n_trajectories)
        self._lock = threading.Lock()
        self._digests = _read_rows(arrays["digest"])
        self._lengths = np.asarray(_read_rows(arrays["length"]), dtype=np.int64)
        for file in sorted((path / "pending").glob("*.safetensors")):
            self._note(int(file.stem), file.read_bytes())

    # ── making and opening ────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def create(cls, path: Path, layout: Layout, n_trajectories: int, provenance: dict[str, Any]) -> Store:
        """Make the group of a data set without trajectories; see :meth:`setclosure.TrajectoryDataset.create`."""
        if n_trajectories < 1:
            raise DatasetError(f"a data set has at least one trajectory; got {n_trajectories}.")
        with storage_errors(path):
            there = path.exists()
        if there:
            raise DatasetError(f"{path} exists already. Open it with TrajectoryDataset.open, or choose another path.")
        facts = {
            "schema": SCHEMA,
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
            for name, array in _stored(layout, n_trajectories).items():
                group.create_array(name, compressors=ZstdCodec(level=1), fill_value=0, **array)
            unfinished.rename(path)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open the store at ``path``; see :meth:`setclosure.TrajectoryDataset.open` for what it raises."""
        if not os.path.exists(path):  # pathlib's raises where a folder above may not be read
            raise DatasetError(
                f"there is no data set at {path}. Make one with TrajectoryDataset.from_arrays or 'setclosure simulate'."
            )
        if not os.path.isfile(path / "zarr.json"):
            raise DatasetError(
                f"{path} is not a data set: a folder with a zarr.json that setclosure wrote is expected. "
                "A data folder holds one such folder for each split, DATA/train.zarr for instance."
            )
        try:
            group = zarr.open_group(path, mode="r+")
            facts: Any = group.attrs.get("setclosure")
        except Exception as error:  # zarr raises many kinds for a description that it cannot read
            raise DamagedFileError(f"the description {path}/zarr.json is damaged ({error}). {_RESTORE}") from error
        if not isinstance(facts, dict) or "schema" not in facts:
            raise DatasetError(f"{path} is a Zarr group, but not a data set that setclosure wrote.")
        if facts["schema"] != SCHEMA:
            raise SchemaVersionError(
                f"{path} has schema {facts['schema']!r}; this version of setclosure reads {SCHEMA}. Make the data "
                "again: 'setclosure simulate' with the same configuration gives the same trajectories, and "
                "TrajectoryDataset.from_arrays takes your own. (It was written by setclosure "
                f"{facts.get('provenance', {}).get('setclosure', 'unknown')}.)"
            )
        try:
            layout = Layout.from_json(facts["layout"])
            expected = _stored(layout, facts["n_trajectories"])
            arrays: dict[str, Any] = {name: group[name] for name in expected}
            different = [
                name
                for name, array in expected.items()
                if (arrays[name].shape, arrays[name].dtype) != (array["shape"], np.dtype(array["dtype"]))
            ]
        except Exception as error:
            raise DamagedFileError(f"the description of {path} is damaged ({error!r}). {_RESTORE}") from error
        if different:
            raise DamagedFileError(f"{path}: shape or dtype of {', '.join(different)} was changed. {_RESTORE}")
        return cls(path, facts, arrays)

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────

    def commit(self, index: int, content: dict[str, Array]) -> None:
        """Write the arrays of trajectory ``index``; it is there when its file is."""
        raw = safetensors.numpy.save({"digest": np.frombuffer(digest_of(content), np.uint8), **content})
        write_bytes(self._pending(index), raw)
        with self._lock:
            self._note(index, raw)
            self._pack(index // self._shard)

    def _pack(self, group: int) -> None:
        """Move the trajectories of a shard from their files into it, if all of them are there."""
        rows = range(group * self._shard, min((group + 1) * self._shard, self.n_trajectories))
        if not all(self._digests[i].any() for i in rows):
            return
        try:
            content = [self.content(i) for i in rows]
        except DamagedFileError:
            return  # it cannot be packed before its damaged trajectory has been written again
        with storage_errors(self.path):
            where = slice(rows.start, rows.stop)
            for name, (shape, dtype) in self.layout.arrays().items():
                block = np.zeros((len(rows), self.layout.max_frames, *shape), dtype)
                for k, arrays in enumerate(content):
                    block[k, : len(arrays[name])] = arrays[name]
                self._arrays[name][where] = block
            self._arrays["length"][where] = self._lengths[where]
            self._arrays["digest"][where] = self._digests[where]
            for i in rows:
                self._pending(i).unlink(missing_ok=True)

    def clear_leftovers(self) -> None:
        """Remove the temporary files of a writer that was killed."""
        for pattern in ("*.partial", ".*.tmp"):
            for leftover in self.path.rglob(pattern):
                leftover.unlink(missing_ok=True)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def digests(self) -> Array:
        """SHA-256 of each trajectory, ``(M, 32)``; zeros where none was committed."""
        return self._digests

    @property
    def committed(self) -> Array:
        """Which trajectories were written completely, ``(M,)`` boolean."""
        return np.asarray(self._digests.any(axis=1))

    @property
    def lengths(self) -> Array:
        """Frames of each trajectory, ``(M,)``; zero where none was committed."""
        return self._lengths

    def read(self, name: str, index: int, frames: Array | slice = slice(None)) -> Array:
        """Read some frames of one array of a trajectory, all by default.

        Raises
        ------
        DamagedFileError
            If it cannot be read.
        """
        try:
            if self._pending(index).is_file():
                with contextlib.suppress(FileNotFoundError):  # packed by another process just now
                    return np.asarray(safetensors.numpy.load(self._pending(index).read_bytes())[name][frames])
            T = int(self._lengths[index])
            if isinstance(frames, slice):
                first, last, _ = frames.indices(T)
                return np.asarray(self._arrays[name][index, first:last])
            return np.asarray(self._arrays[name].oindex[index, frames])
        except Exception as error:  # Zarr and its codecs raise many kinds for bytes that they cannot decode
            raise DamagedFileError(
                f"{self.path}: '{name}' of trajectory {index} cannot be read ({error}). Simulate again with the same "
                "configuration to redo just this trajectory, or restore the file."
            ) from error

    def content(self, index: int) -> dict[str, Array]:
        """Read all arrays of one trajectory, checked against its digest.

        Raises
        ------
        DamagedFileError
            If one cannot be read, or is not what was written.
        """
        content = {name: self.read(name, index) for name in self.layout.arrays()}
        if digest_of(content) != self._digests[index].tobytes():
            raise DamagedFileError(f"{self.path}: the content of trajectory {index} does not have its checksum.")
        return content

    def _pending(self, index: int) -> Path:
        return self.path / "pending" / f"{index:06d}.safetensors"

    def _note(self, index: int, raw: bytes) -> None:
        """Remember length and digest of a trajectory that has a file of its own."""
        try:
            content = safetensors.numpy.load(raw)
            self._digests[index], self._lengths[index] = content["digest"], len(content["times"])
        except (SafetensorError, KeyError, IndexError):
            self._digests[index] = _UNREADABLE  # damaged: its content will not have this digest


def digest_of(content: dict[str, Array]) -> bytes:
    """Give the SHA-256 of the arrays of a trajectory, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(content):
        total.update(name.encode())
        total.update(np.ascontiguousarray(content[name]).data)
    return total.digest()


def shard_of(layout: Layout, n_trajectories: int) -> int:
    """Give the number of trajectories that share a file."""
    trajectory = layout.max_frames * sum(_bytes(shape, dtype) for shape, dtype in layout.arrays().values())
    return max(1, min(n_trajectories, SHARD_BYTES // trajectory))


def _stored(layout: Layout, M: int) -> dict[str, dict[str, Any]]:
    """Shape, dtype, chunks and shards of every Zarr array of a data set."""
    k, T = shard_of(layout, M), layout.max_frames
    arrays: dict[str, dict[str, Any]] = {}
    for name, (shape, dtype) in layout.arrays().items():
        frames = max(1, min(T, CHUNK_BYTES // max(1, _bytes(shape, dtype))))
        whole = max(1, SHARD_BYTES // (frames * max(1, _bytes(shape, dtype))))  # chunks of a shard along the frames
        arrays[name] = {
            "shape": (M, T, *shape),
            "dtype": dtype,
            "chunks": (1, frames, *shape),
            "shards": (k, frames * min(math.ceil(T / frames), whole), *shape),
        }
    return arrays | {
        "length": {"shape": (M,), "dtype": "int64", "chunks": (k,)},
        "digest": {"shape": (M, 32), "dtype": "uint8", "chunks": (k, 32)},
    }


def _bytes(shape: tuple[int, ...], dtype: str) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _read_rows(stored: Any) -> Array:
    """Read a Zarr array of one row for each trajectory; 255 in every byte of those that cannot be read."""
    try:
        return np.array(stored[:])
    except Exception:  # one chunk of it is damaged: find out which
        rows = np.full(stored.shape, 255, stored.dtype)
        for i in range(len(rows)):
            with contextlib.suppress(Exception):
                rows[i] = stored[i]
        return rows
