"""Ensembles on disk: M trajectories of T frames in one Zarr group, each trajectory its own chunk and checksum."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.trajectories import from_arrays as arrays_in
from setclosure.trajectories.assemble import assemble
from setclosure.trajectories.checksums import digest_of, read_digests
from setclosure.trajectories.description import make, read
from setclosure.trajectories.layout import Array, Layout, Trajectory
from setclosure.errors import DamagedFileError, EnsembleError, SetclosureWarning
from setclosure.files import storage_errors
from setclosure.sets.microstates import MicrostateBatch
from setclosure.observables.registered import Function, Observable

READERS = 4
"""Threads that read and check trajectories side by side."""


class Ensemble:
    """An ensemble on disk; make one with :meth:`create` or :meth:`from_arrays`, read one with :meth:`open`.

    The group holds ``points`` (M, T, N, d) float32 (uint16 in a :class:`~setclosure.trajectories.layout.Layout` with a
    box), ``observables`` (M, T, o) float64 and, where they vary, ``counts`` (M, T) int32, ``species`` (M, N) uint8 and
    ``masses`` (M, T, N) float32. A chunk never holds more than one trajectory, so several processes can write
    different trajectories at once. The SHA-256 of a trajectory in ``digest`` (M, 32) is written after everything else
    of it: a trajectory without one was never finished.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> points = np.random.default_rng(0).normal(size=(4, 10, 20, 2))
    >>> folder = tempfile.TemporaryDirectory()
    >>> ensemble = Ensemble.from_arrays(f"{folder.name}/mine.zarr", points, observables="extension", times=range(10))
    >>> ensemble.n_trajectories, ensemble.observables().shape, len(ensemble.trajectory(0))
    (4, (4, 10, 1), 10)
    """

    def __init__(self, path: Path, facts: dict[str, Any], arrays: dict[str, Any]) -> None:
        self.path = path
        self._facts, self._arrays = facts, arrays
        self.layout = Layout.from_json(facts["layout"])
        self._lock = threading.Lock()

    # ── making and opening ────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def create(
        cls, path: str | Path, layout: Layout, n_trajectories: int, provenance: dict[str, Any] | None = None
    ) -> Ensemble:
        """Make an ensemble without trajectories; :meth:`commit` adds them.

        Parameters
        ----------
        path : path
            Of the new group, by custom ``DIR/<split>.zarr``.
        layout : Layout
            What the trajectories have in common.
        n_trajectories : int
            M.
        provenance : dict, optional
            Where the data come from, as JSON values.

        Raises
        ------
        EnsembleError
            If there is something at ``path`` already.
        StorageError
            If the folder may not be written or the disk is full.
        """
        make(Path(path), layout, n_trajectories, provenance or {})
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> Ensemble:
        """Open an ensemble for reading, or to :meth:`commit` to it.

        Raises
        ------
        EnsembleError
            If nothing is there, or it is no ensemble.
        SchemaVersionError
            If a newer version of setclosure wrote it.
        DamagedFileError
            If its description is damaged.
        """
        return cls(Path(path), *read(Path(path)))

    @classmethod
    def from_arrays(
        cls,
        path: str | Path,
        points: Any,
        observables: Array | Function | Observable | str,
        *,
        times: Iterable[float],
        species: Any = None,
        masses: Any = None,
        observable_names: tuple[str, ...] | str | None = None,
        species_names: tuple[str, ...] | str | None = None,
        name: str = "user data",
        units: str = "as given",
    ) -> Ensemble:
        """Make an ensemble from your own trajectories.

        Parameters
        ----------
        path : path
            Of the new group.
        points : array or nested sequences
            ``(M, T, N, d)``, or for sets that vary in size M sequences of T arrays ``(N_mt, d)``.
        observables : array, function or str
            ``(M, T, o)`` or ``(M, T)`` values; or a function from a :class:`~setclosure.MicrostateBatch` to
            ``(B, o)``; or the name of a registered observable.
        times : sequence of float
            Times of the T frames.
        species : array, optional
            Species 0 … S−1 of each particle, ``(N,)`` for all trajectories or ``(M, N)``.
        masses : array or nested sequences, optional
            Positive weights of the particles in the shape of ``points`` without d, or ``(M, N)``, or ``(N,)`` for all.
        observable_names, species_names : tuple of str, optional
            Names of the o observables and the S species, all different.
        name, units : str
            For people.

        Raises
        ------
        MicrostateError
            If shapes do not fit, a set is empty or a number is NaN or infinite, with the trajectory and the frame.
        EnsembleError
            If a trajectory has one frame only, or ``path`` exists.

        Warns
        -----
        SetclosureWarning
            If single precision, in which coordinates are kept, is coarse for the particles of a set.
        """
        layout, trajectories = arrays_in.read(
            points,
            observables,
            times=times,
            species=species,
            masses=masses,
            observable_names=observable_names,
            species_names=species_names,
            name=name,
            units=units,
        )
        for i, trajectory in enumerate(trajectories):
            trajectory.packed(layout, i)  # everything is checked before anything is written
        ensemble = cls.create(path, layout, len(trajectories), {"source": "arrays"})
        for i, trajectory in enumerate(trajectories):
            ensemble.commit(i, trajectory)
        return ensemble

    def commit(self, index: int, trajectory: Trajectory) -> None:
        """Write trajectory ``index``; it counts as written only when its digest is there.

        Raises
        ------
        MicrostateError
            If it does not fit the layout, or holds NaN or infinite numbers.
        EnsembleError
            If there is no such index.
        StorageError
            If the disk is full or the folder may not be written.
        """
        self._require("trajectories", self.n_trajectories, np.array([index]))
        content = trajectory.packed(self.layout, index)
        digest = np.frombuffer(digest_of(content), np.uint8)
        with storage_errors(self.path):
            if self._digests[index].any():
                self._arrays["digest"][index] = 0  # of a damaged trajectory that is written again
            for name, array in content.items():
                self._arrays[name][index] = array
            self._arrays["digest"][index] = digest
        with self._lock:
            self._digests[index] = digest
            self.__dict__.pop("usable", None)

    # ── what it says about itself ─────────────────────────────────────────────────────────────────────────────

    @property
    def n_trajectories(self) -> int:
        """M, committed or not."""
        return int(self._facts["n_trajectories"])

    @property
    def n_frames(self) -> int:
        """T."""
        return self.layout.n_frames

    @property
    def max_particles(self) -> int:
        """N, the most particles of a microstate."""
        return self.layout.max_particles

    @property
    def largest_set(self) -> int:
        """The most particles of any usable microstate."""
        if not self.layout.ragged:
            return self.max_particles
        return max((int(self._read("counts", int(i)).max()) for i in self.usable), default=self.max_particles)

    @property
    def n_features(self) -> int:
        """Features of a particle, d."""
        return self.layout.n_features

    @property
    def n_species(self) -> int:
        """S."""
        return self.layout.n_species

    @property
    def species_names(self) -> tuple[str, ...]:
        """Names of the S species."""
        return self.layout.species_names

    @property
    def times(self) -> Array:
        """Times of the frames, ``(T,)``."""
        return np.array(self.layout.times)

    @property
    def time_step(self) -> float:
        """Time from one frame to the next (the mean one)."""
        return (self.layout.times[-1] - self.layout.times[0]) / (self.n_frames - 1)

    @property
    def observable(self) -> str:
        """Registered name of the observable."""
        return self.layout.observable

    @property
    def observable_names(self) -> tuple[str, ...]:
        """Names of the o observables."""
        return self.layout.observable_names

    @property
    def units(self) -> str:
        """Units, for people."""
        return self.layout.units

    @property
    def created(self) -> str:
        """When it was made, in ISO 8601."""
        return str(self._facts["created"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the data come from: configuration, seed, split and version of the package."""
        return dict(self._facts["provenance"])

    @functools.cached_property
    def _digests(self) -> Array:
        """``(M, 32)``; all ones where the digest cannot be read."""
        return read_digests(self._arrays["digest"])

    @property
    def committed(self) -> Array:
        """Which trajectories were written completely, ``(M,)`` boolean."""
        return np.asarray(self._digests.any(axis=1))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over layout and digests: equal for equal data, wherever they are and whoever wrote them when."""
        head = json.dumps({"schema": self.layout.schema, "layout": self.layout.to_json()}, sort_keys=True).encode()
        return hashlib.sha256(head + self._digests.tobytes()).hexdigest()

    @functools.cached_property
    def usable(self) -> Array:
        """Indices of the committed and undamaged trajectories; the first use reads and checks all of them.

        Warns
        -----
        SetclosureWarning
            Naming the damaged trajectories, if there are any.
        """
        damaged = self.verify()
        if damaged:
            warnings.warn(
                f"{self.path}: {len(damaged)} of {self.n_trajectories} trajectories are damaged and are left out: "
                f"{_listed(damaged)}. Simulate again with the same configuration to redo just these, or restore "
                "the files.",
                SetclosureWarning,
                stacklevel=2,
            )
        return np.setdiff1d(np.flatnonzero(self.committed), damaged)

    def verify(self) -> list[int]:
        """Indices of the damaged trajectories: committed, but not readable or with another checksum."""

        def is_damaged(i: int) -> bool:
            try:
                self._content(i)
            except DamagedFileError:
                return True
            return False

        indices = [int(i) for i in np.flatnonzero(self.committed)]
        with ThreadPoolExecutor(READERS) as pool:
            return [i for i, bad in zip(indices, pool.map(is_damaged, indices), strict=True) if bad]

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

    def observables(self, indices: Array | None = None) -> Array:
        """Observables of some trajectories (the usable ones by default), ``(M', T, o)`` float64.

        Raises
        ------
        DamagedFileError
            If a trajectory cannot be read.
        EnsembleError
            If one does not exist.
        """
        wanted = self.usable if indices is None else np.atleast_1d(indices)
        self._require("trajectories", self.n_trajectories, wanted)
        shape = (len(wanted), self.n_frames, len(self.observable_names))
        out = np.empty(shape)
        with ThreadPoolExecutor(READERS) as pool:
            for k, row in enumerate(pool.map(lambda i: self._read("observables", int(i)), wanted)):
                out[k] = row
        return out

    def microstates(self, trajectories: Array, frames: Array) -> MicrostateBatch:
        """Microstates of any trajectories ``(B,)`` and frames ``(B,)``; one number stands for all B of the other.

        A trajectory is read once per call.

        Raises
        ------
        DamagedFileError
            If a trajectory cannot be read.
        EnsembleError
            If one was never committed, or there is no such trajectory or frame.
        """
        try:
            trajectories, frames = np.broadcast_arrays(*np.atleast_1d(trajectories, frames))
        except ValueError as error:
            raise EnsembleError(
                f"there are {np.size(trajectories)} trajectories and {np.size(frames)} frames; expected a frame for "
                "each."
            ) from error
        self._require("trajectories", self.n_trajectories, trajectories)
        self._require("frames", self.n_frames, frames)
        B, N, d = len(trajectories), self.max_particles, self.n_features
        rows: dict[str, Array] = {}
        for i in np.unique(trajectories):
            of_i = trajectories == i
            for name, array in self.arrays(int(i)).items():
                part = array[frames[of_i]] if name != "species" else array[None]
                rows.setdefault(name, np.empty((B, *part.shape[1:]), part.dtype))[of_i] = part
        if not rows:
            raise EnsembleError("no microstates were asked for; give at least one trajectory and frame.")
        points = self.layout.restored(rows["points"].reshape(B, N, d))
        return assemble(points, rows.get("counts"), rows.get("species"), rows.get("masses"), self.n_species)

    def trajectory(self, index: int) -> MicrostateBatch:
        """The T microstates of one trajectory."""
        return self.microstates(np.full(self.n_frames, index), np.arange(self.n_frames))

    def arrays(self, index: int) -> dict[str, Array]:
        """The arrays of the microstates of one trajectory as they are stored, without its observables.

        Raises
        ------
        DamagedFileError
            If they cannot be read.
        EnsembleError
            If the trajectory was never committed or does not exist.
        """
        if not 0 <= index < self.n_trajectories or not self.committed[index]:
            raise EnsembleError(
                f"{self.path} has no trajectory {index}: {int(self.committed.sum())} of {self.n_trajectories} "
                "are there. Simulate again with the same configuration to complete it."
            )
        return {name: self._read(name, index) for name in self._arrays if name not in ("digest", "observables")}

    def _require(self, what: str, n: int, indices: Array) -> None:
        wrong = [i for i in indices.tolist() if not (isinstance(i, int) and 0 <= i < n)]
        if wrong:
            raise EnsembleError(f"{self.path} has {what} 0 to {n - 1}; got {_listed(wrong)}.")

    def _read(self, name: str, index: int) -> Array:
        try:
            return np.asarray(self._arrays[name][index])
        except Exception as error:  # Zarr and its codecs raise many kinds for bytes that they cannot decode
            raise DamagedFileError(
                f"{self.path}: '{name}' of trajectory {index} cannot be read ({error}). Simulate again with the same "
                "configuration to redo just this trajectory, or restore the file."
            ) from error

    def _content(self, index: int) -> dict[str, Array]:
        """All arrays of one trajectory, checked against its digest."""
        content = {name: self._read(name, index) for name in self._arrays if name != "digest"}
        if digest_of(content) != self._digests[index].tobytes():
            raise DamagedFileError(f"{self.path}: the content of trajectory {index} does not have its checksum.")
        return content


def _listed(indices: list[Any], most: int = 20) -> str:
    text = ", ".join(map(str, indices[:most]))
    return text if len(indices) <= most else f"{text} … ({len(indices)} in all)"
