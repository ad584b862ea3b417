"""The store of a data set: one Zarr group whose trajectories are committed one by one.

A trajectory is first a file of its own in the folder ``pending``, written whole or not at all. When all trajectories
of a shard are there, they are packed into it, and their files go. So a killed writer loses only what it was writing,
and many trajectories are few files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import zarr
from safetensors import SafetensorError, safe_open
from zarr.codecs import ZstdCodec

from setclosure.errors import DamagedFileError, DatasetError, SchemaVersionError
from setclosure.files import flush, storage_errors, write_bytes
from setclosure.trajectories.chunks import frame_bytes, shard_of, stored_arrays
from setclosure.trajectories.layout import Array, Layout

SCHEMA = 3
"""Version of the layout on disk."""

READERS = 4
"""Threads that read and check trajectories side by side."""

READ_BYTES = 2**24
"""Bytes of a long trajectory that are checked at a time."""

_RESTORE = "Restore it from a copy, or make the data set again at another path."
_UNREADABLE = np.full(32, 255, np.uint8)
"""The digest of a trajectory whose file cannot be read; its content will not have it."""


class Store:
    """Trajectories on disk, by index.

    It knows what was committed before it was opened, or through it; several processes may commit different
    trajectories of one data set at the same time.

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
        self.shard = shard_of(self.layout, self.n_trajectories)
        """Trajectories that share a file."""
        self._lock = threading.Lock()
        self._digests = _read_rows(arrays["digest"])
        self._lengths = np.asarray(_read_rows(arrays["length"]), dtype=np.int64)
        wrong = self.committed & ((self._lengths < 2) | (self._lengths > self.layout.max_frames))
        self._lengths[wrong] = self.layout.max_frames  # damaged: the checksum will tell
        self._pending: set[int] = set()  # what has a file of its own
        self._awaited: dict[int, set[int]] = {}  # what a shard still waits for, if that is known
        self._damaged: list[int] | None = None
        for file in (path / "pending").glob("*.safetensors"):
            with contextlib.suppress(FileNotFoundError):  # packed by another process just now
                self._note(int(file.stem))

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
            for name, array in stored_arrays(layout, n_trajectories).items():
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
            expected = stored_arrays(layout, facts["n_trajectories"])
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
        digest = digest_of(content)
        raw = safetensors.numpy.save({"digest": np.frombuffer(digest, np.uint8), **content})
        write_bytes(self._file(index), raw)
        with self._lock:
            self._remember(index, np.frombuffer(digest, np.uint8), len(content["times"]))
            self._pack(index // self.shard)

    def clear_leftovers(self) -> None:
        """Finish what a killed writer has left: remove its temporary files, and pack the shards that are complete."""
        for pattern in ("*.partial", ".*.tmp"):
            for leftover in self.path.rglob(pattern):
                leftover.unlink(missing_ok=True)
        with self._lock:
            for group in sorted({i // self.shard for i in self._pending}):
                self._pack(group)

    def _rows(self, group: int) -> range:
        """Give the trajectories of a shard."""
        return range(group * self.shard, min((group + 1) * self.shard, self.n_trajectories))

    def _pack(self, group: int) -> None:
        """Move the trajectories of a shard from their files into it, if all of them are there."""
        rows = self._rows(group)
        awaited = self._awaited.get(group)
        if awaited is None:
            awaited = self._awaited[group] = {i for i in rows if not self._digests[i].any()}
        for i in list(awaited):
            if self._digests[i].any():
                return  # damaged: it has to be written again
            try:
                self._note(i)  # another process may have written it
            except FileNotFoundError:
                return
        content: dict[int, dict[str, Array]] = {}
        for i in rows:
            try:
                content[i] = self.content(i)
            except DamagedFileError:
                awaited.add(i)
        if awaited:
            return
        with storage_errors(self.path):
            where = slice(rows.start, rows.stop)
            for name, (shape, dtype) in self.layout.arrays().items():
                block = np.zeros((len(rows), self.layout.max_frames, *shape), dtype)
                for k, arrays in enumerate(content.values()):
                    block[k, : len(arrays[name])] = arrays[name]
                self._write(name, where, block)
            self._write("length", where, self._lengths[where])
            self._write("digest", where, self._digests[where])
            self._flush(group)
            for i in rows:
                with contextlib.suppress(PermissionError):  # Windows: someone reads it; it may stay, it is the same
                    self._file(i).unlink(missing_ok=True)
                    self._pending.discard(i)

    def _write(self, name: str, where: slice, block: Array) -> None:
        """Write the rows of a shard, also if what is there cannot be read."""
        try:
            self._arrays[name][where] = block
        except OSError:
            raise
        except Exception:  # Zarr reads the last shard first, which is not full, and it is damaged
            for file in self._files(name, where.start // self.shard):
                file.unlink(missing_ok=True)
            self._arrays[name][where] = block

    def _flush(self, group: int) -> None:
        """Wait until a shard would survive a power cut, for its trajectories' own files go now."""
        for name in self._arrays:
            for file in self._files(name, group):
                flush(file)

    def _files(self, name: str, group: int) -> list[Path]:
        """List the files of one array of a shard."""
        place = self.path / name / "c" / str(group)
        return [file for file in (place, *place.rglob("*")) if file.is_file()]  # none, if all its numbers are zero

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def digests(self) -> Array:
        """SHA-256 of each trajectory, ``(M, 32)``; zeros where none was committed."""
        return self._digests

    @property
    def committed(self) -> Array:
        """The trajectories that were written completely, ``(M,)`` boolean."""
        return np.asarray(self._digests.any(axis=1))

    @property
    def lengths(self) -> Array:
        """Frames of each trajectory, ``(M,)``; zero where none was committed."""
        return self._lengths

    def read(self, name: str, index: int, frames: Array | slice = slice(None)) -> Array:
        """Read some rising frames of one array of a trajectory, all by default; only their chunks are read.

        Raises
        ------
        DamagedFileError
            If it cannot be read.
        """
        if not isinstance(frames, slice) and len(frames) and frames[-1] - frames[0] + 1 == len(frames):
            frames = slice(int(frames[0]), int(frames[-1]) + 1)  # faster
        if isinstance(frames, slice):
            frames = slice(*frames.indices(int(self._lengths[index])))
        try:
            if index in self._pending:
                with contextlib.suppress(FileNotFoundError), safe_open(self._file(index), "np") as file:
                    whole = file.get_slice(name)
                    return np.asarray(whole[frames] if isinstance(frames, slice) else whole[:][frames])
            if isinstance(frames, slice):  # or packed by another process just now
                return np.asarray(self._arrays[name][index, frames])
            return np.asarray(self._arrays[name].oindex[index, frames])
        except Exception as error:  # Zarr and its codecs raise many kinds for bytes that they cannot decode
            raise DamagedFileError(
                f"{self.path}: '{name}' of trajectory {index} cannot be read ({error}). Simulate again with the same "
                "configuration to redo just this trajectory, or restore the file."
            ) from error

    def read_many(self, name: str, indices: Sequence[int]) -> dict[int, Array]:
        """Read all frames of one array of several trajectories of a shard; the result is by index.

        Raises
        ------
        DamagedFileError
            If one cannot be read.
        """
        found = self._at_once(name, indices)
        return {i: found[i] if i in found else self.read(name, i) for i in indices}

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

    def damaged(self, again: bool = False) -> list[int]:
        """List the committed trajectories that cannot be read or have another checksum.

        All of them are read at the first call, after a commit, and if it is asked for with ``again``.
        """
        if self._damaged is None or again:
            groups = range(-(-self.n_trajectories // self.shard))
            with ThreadPoolExecutor(READERS) as pool:
                self._damaged = [i for bad in pool.map(self._damaged_of, groups) for i in bad]
        return self._damaged

    def _damaged_of(self, group: int) -> list[int]:
        rows = [i for i in self._rows(group) if self._digests[i].any()]
        at_once = {name: self._at_once(name, rows) for name in self.layout.arrays()}
        return [i for i in rows if self._sum(i, at_once) != self._digests[i].tobytes()]

    def _sum(self, index: int, at_once: dict[str, dict[int, Array]]) -> bytes | None:
        """Give the digest of what is on the disk, or None if it cannot be read; a long trajectory is read in parts."""
        total = hashlib.sha256()
        try:
            for name, (shape, dtype) in sorted(self.layout.arrays().items()):
                total.update(name.encode())
                if index in at_once[name]:
                    total.update(np.ascontiguousarray(at_once[name][index]).data)
                    continue
                step = max(1, READ_BYTES // frame_bytes(shape, dtype))
                for first in range(0, int(self._lengths[index]), step):
                    total.update(np.ascontiguousarray(self.read(name, index, slice(first, first + step))).data)
        except DamagedFileError:
            return None
        return total.digest()

    def _at_once(self, name: str, rows: Sequence[int]) -> dict[int, Array]:
        """Read what lies side by side in a shard; nothing if that fails or would read much more than is wanted."""
        packed = [i for i in rows if i not in self._pending]
        if len(packed) < 2:
            return {}
        first, last = min(packed), max(packed) + 1
        if last - first > 2 * len(packed):
            return {}
        try:
            block = np.asarray(self._arrays[name][first:last])
        except Exception:  # a part is damaged; each trajectory by itself tells which
            return {}
        return {i: block[i - first, : self._lengths[i]] for i in packed}

    def _file(self, index: int) -> Path:
        return self.path / "pending" / f"{index:06d}.safetensors"

    def _note(self, index: int) -> None:
        """Remember a trajectory that has a file of its own, which may be damaged."""
        try:
            with safe_open(self._file(index), "np") as file:
                digest, length = file.get_tensor("digest"), file.get_slice("times").get_shape()[0]
                self._remember(index, digest, length)
        except (SafetensorError, ValueError, IndexError):
            self._remember(index, _UNREADABLE, self.layout.max_frames)

    def _remember(self, index: int, digest: Array, length: int) -> None:
        self._digests[index], self._lengths[index] = digest, length
        self._pending.add(index)
        self._awaited.get(index // self.shard, set()).discard(index)
        self._damaged = None


def digest_of(content: dict[str, Array]) -> bytes:
    """Give the SHA-256 of the arrays of a trajectory, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(content):
        total.update(name.encode())
        total.update(np.ascontiguousarray(content[name]).data)
    return total.digest()


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
