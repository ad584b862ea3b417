"""Trajectory data sets: trajectories of microstates with observables, cells and context, on disk."""

from __future__ import annotations

import functools
import hashlib
import json
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np

from setclosure.errors import DamagedFileError, DatasetError, SetclosureWarning
from setclosure.observables.registered import Function, Observable
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories import from_arrays as arrays_in
from setclosure.trajectories.assemble import assemble
from setclosure.trajectories.layout import Array, Layout, Trajectory
from setclosure.trajectories.store import SCHEMA, Store
from setclosure.trajectories.transitions import Transitions, longest_step, time_step, transitions

READERS = 4
"""Threads that read and check trajectories side by side."""


class TrajectoryDataset:
    """A data set of trajectories on disk, or a part of one in time.

    Make one with :meth:`create` or :meth:`from_arrays`, read one with :meth:`open`. Trajectories may have different
    numbers of frames, each has its own times, and the number of particles may vary. :meth:`between` and :meth:`blocks`
    give parts in time, whose trajectories are stretches of those on the disk.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> points = [np.random.default_rng(m).normal(size=(T, 20, 2)) for m, T in enumerate((10, 13))]
    >>> folder = tempfile.TemporaryDirectory()
    >>> data = TrajectoryDataset.from_arrays(
    ...     f"{folder.name}/mine.zarr", points, observables="extension", times=[range(10), range(13)]
    ... )
    >>> data.n_trajectories, data.lengths.tolist(), data.observables()[1].shape, len(data.trajectory(0))
    (2, [10, 13], (13, 1), 10)
    """

    def __init__(self, store: Store, stretches: Array | None = None, allow_unfinished: bool = False) -> None:
        self._store, self._stretches = store, stretches  # (M, 3): index on the disk, first and last frame + 1
        self.allow_unfinished = allow_unfinished
        """Whether learning may begin although some trajectories were never committed."""

    # ── making and opening ────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def create(
        cls, path: str | Path, layout: Layout, n_trajectories: int, provenance: dict[str, Any] | None = None
    ) -> TrajectoryDataset:
        """Make a data set without trajectories; :meth:`commit` adds them.

        Parameters
        ----------
        path : path
            The new group, by custom ``DIR/<split>.zarr``.
        layout : Layout
            The facts that all trajectories have in common.
        n_trajectories : int
            M.
        provenance : dict, optional
            Where the data come from, as JSON values.

        Raises
        ------
        DatasetError
            If there is something at ``path`` already.
        StorageError
            If the folder may not be written or the disk is full.
        """
        return cls(Store.create(Path(path), layout, n_trajectories, provenance or {}))

    @classmethod
    def open(cls, path: str | Path, *, allow_unfinished: bool = False) -> TrajectoryDataset:
        """Open a data set for reading, or to :meth:`commit` to it.

        Parameters
        ----------
        path : path
            The group.
        allow_unfinished : bool
            Whether learning and evaluation may use what is there if some trajectories were never committed.

        Raises
        ------
        DatasetError
            If nothing is there, or it is no data set.
        SchemaVersionError
            If it was written under another schema.
        DamagedFileError
            If its description is damaged.
        """
        return cls(Store.open(Path(path)), allow_unfinished=allow_unfinished)

    @classmethod
    def from_arrays(
        cls,
        path: str | Path,
        points: Any,
        observables: Array | Function | Observable | str | Sequence[Array],
        *,
        times: Any,
        features: Features | Sequence[str] | None = None,
        roles: Sequence[str] | None = None,
        species: Any = None,
        masses: Any = None,
        cell: Any = None,
        context: dict[str, Any] | None = None,
        context_units: dict[str, str] | None = None,
        observable_names: Sequence[str] | str | None = None,
        observable_units: Sequence[str] | str | None = None,
        species_names: Sequence[str] | str | None = None,
        name: str = "user data",
        units: str = "",
        time_unit: str = "",
        max_step: float | None = None,
        description: str = "",
    ) -> TrajectoryDataset:
        """Make a data set from your own trajectories.

        Parameters
        ----------
        path : path
            The new group.
        points : array or nested sequences
            ``(M, T, N, d)``; for trajectories of different lengths M arrays ``(T_m, N, d)``; for sets that vary in
            size M sequences of T_m arrays ``(N_mt, d)``, some of which may be empty ``(0, d)``.
        observables : array, sequence of arrays, function or str
            Values ``(M, T, o)`` or ``(M, T)``, or M arrays ``(T_m, o)``; or a function from a
            :class:`~setclosure.MicrostateBatch` to ``(B, o)``; or the name of a registered observable.
        times : sequence
            Times of the frames, ``(T,)`` for all trajectories, or M sequences ``(T_m,)``. A frame that is missing is
            left out with its time: the longer step is a gap, across which nothing is learned.
        features : Features or sequence of str, optional
            The roles of the d features, or their names together with ``roles``; all are positions by default.
        roles : sequence of str, optional
            ``"position"``, ``"vector"`` or ``"scalar"`` for each name in ``features``.
        species : array or nested sequences, optional
            Species 0 … S−1 of each particle: ``(N,)`` for all trajectories, ``(M, N)`` where the particle at a place
            never changes, ``(M, T, N)`` for each frame.
        masses : array or nested sequences, optional
            Positive weights of the particles in the shape of ``points`` without d, or ``(M, N)``, or ``(N,)`` for all.
        cell : array or sequence of arrays, optional
            Lengths ``(k,)`` or lattice vectors ``(k, k)`` for all trajectories, or M of these, or for each frame M
            arrays ``(T_m, k, k)``. A zero length is a direction that is not periodic.
        context : dict, optional
            For each name what is known from outside: one number for all, ``(M,)`` numbers, or for each frame
            ``(M, T)`` or M sequences ``(T_m,)``.
        context_units : dict, optional
            Unit of each name in ``context``.
        observable_names, observable_units, species_names : sequence of str, optional
            Names and units of the o observables, names of the S species.
        name, units, time_unit, description : str
            For people.
        max_step : float, optional
            The longest time between successive frames from which dynamics may be learned; by default 1.5 times what
            nine tenths of all steps keep.

        Raises
        ------
        MicrostateError
            If shapes do not fit, times do not rise or a number is NaN or infinite, with the trajectory and the frame.
        DatasetError
            If a trajectory has one frame only, or ``path`` exists.

        Warns
        -----
        SetclosureWarning
            If single precision, in which coordinates are kept, is coarse for the particles of a set.
        """
        layout, trajectories = arrays_in.read(
            arrays_in.Given(
                points=points,
                observables=observables,
                times=times,
                features=features,
                roles=roles,
                species=species,
                masses=masses,
                cell=cell,
                context=context or {},
            ),
            observable_names=arrays_in.as_names(observable_names),
            observable_units=arrays_in.as_names(observable_units),
            species_names=arrays_in.as_names(species_names),
            context_units=context_units or {},
            name=name,
            units=units,
            time_unit=time_unit,
            max_step=max_step,
            description=description,
        )
        for i, trajectory in enumerate(trajectories):
            trajectory.packed(layout, i)  # everything is checked before anything is written
        data = cls.create(path, layout, len(trajectories), {"source": "arrays"})
        for i, trajectory in enumerate(trajectories):
            data.commit(i, trajectory)
        return data

    def commit(self, index: int, trajectory: Trajectory) -> None:
        """Write trajectory ``index``; it counts as written only when all of it is there.

        Raises
        ------
        MicrostateError
            If it does not fit the layout, or holds NaN or infinite numbers.
        DatasetError
            If there is no such index, or this is a part in time.
        StorageError
            If the disk is full or the folder may not be written.
        """
        if self._stretches is not None:
            raise DatasetError(f"a part in time of {self.path} cannot be written to; open the whole data set.")
        self._require("trajectories", self.n_trajectories, np.array([index]))
        self._store.commit(index, trajectory.packed(self.layout, index))
        self.__dict__.pop("usable", None)

    def clear_leftovers(self) -> None:
        """Remove the temporary files of a writer that was killed."""
        self._store.clear_leftovers()

    # ── parts in time ─────────────────────────────────────────────────────────────────────────────────────────

    def between(self, first: int, last: int) -> TrajectoryDataset:
        """Give the frames ``first`` … ``last`` − 1 of every trajectory, as a data set of its own.

        Raises
        ------
        DatasetError
            If fewer than two frames of every trajectory lie there.
        """
        if not 0 <= first < last:
            raise DatasetError(f"frames {first} to {last} are no stretch; expected 0 ≤ first < last.")
        rows = [(i, a + first, min(a + last, b)) for i, a, b in self._rows() if min(a + last, b) - (a + first) >= 2]
        return self._part(rows, f"between frames {first} and {last}")

    def blocks(self, length: int) -> TrajectoryDataset:
        """Cut every trajectory into blocks of ``length`` frames that share none; a shorter rest is left out.

        Raises
        ------
        DatasetError
            If no trajectory is that long, or ``length`` is below two.
        """
        if length < 2:
            raise DatasetError(f"a block of {length} frames has no step; expected at least two frames.")
        rows = [(i, start, start + length) for i, a, b in self._rows() for start in range(a, b - length + 1, length)]
        return self._part(rows, f"in blocks of {length}")

    def _part(self, rows: list[tuple[int, int, int]], what: str) -> TrajectoryDataset:
        if not rows:
            raise DatasetError(
                f"{self.path} has no two frames {what}: its trajectories have {_range(self.lengths)} frames."
            )
        return type(self)(self._store, np.array(rows, dtype=np.int64), self.allow_unfinished)

    def _rows(self) -> list[tuple[int, int, int]]:
        """Index on the disk, first and last frame + 1 of every trajectory."""
        if self._stretches is None:
            return [(i, 0, int(n)) for i, n in enumerate(self._store.lengths)]
        return [(int(i), int(a), int(b)) for i, a, b in self._stretches]

    # ── what it says about itself ─────────────────────────────────────────────────────────────────────────────

    def __repr__(self) -> str:
        frames, least, most = _range(self.lengths), "up to " if self.layout.ragged else "", self.max_particles
        unit = f" {self.layout.time_unit}" if self.layout.time_unit else ""
        species = "" if self.species_names == ("particles",) else f" of {', '.join(self.species_names)}"
        lines = [
            f"TrajectoryDataset {self.path}: {self.layout.name}",
            f"  {self.n_trajectories} trajectories of {frames} frames, {self.time_step:g}{unit} apart"
            if self.committed.any()
            else f"  {self.n_trajectories} trajectories, none of them committed",
            f"  {least}{most} particles{species}; features {', '.join(self.features.names)}",
            f"  observables {_with_units(self.observable_names, self.observable_units)}",
        ]
        if self.context_names:
            lines.append(f"  context {_with_units(self.context_names, self.layout.context_units)}")
        return "\n".join(line.rstrip() for line in lines)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._store.path

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        return self._store.layout

    @property
    def schema(self) -> int:
        """Version of the layout on disk."""
        return SCHEMA

    @property
    def n_trajectories(self) -> int:
        """M, committed or not."""
        return self._store.n_trajectories if self._stretches is None else len(self._stretches)

    @property
    def lengths(self) -> Array:
        """Frames of each trajectory, ``(M,)``; zero where none was committed."""
        return np.array([last - first for _, first, last in self._rows()])

    @property
    def max_frames(self) -> int:
        """Frames of the longest trajectory."""
        return int(self.lengths.max())

    @property
    def max_particles(self) -> int:
        """N, the most particles of a microstate."""
        return self.layout.max_particles

    @functools.cached_property
    def largest_set(self) -> int:
        """The most particles of any usable microstate."""
        if not self.layout.ragged:
            return self.max_particles
        return max((int(self._read("counts", int(i)).max()) for i in self.usable), default=self.max_particles)

    @property
    def features(self) -> Features:
        """The roles of the d features of a particle."""
        return self.layout.features

    @property
    def n_features(self) -> int:
        """Features of a particle, d."""
        return self.features.d

    @property
    def n_species(self) -> int:
        """S."""
        return self.layout.n_species

    @property
    def species_names(self) -> tuple[str, ...]:
        """Names of the S species."""
        return self.layout.species_names

    @property
    def observable(self) -> str:
        """Registered name of the observable."""
        return self.layout.observable

    @property
    def observable_names(self) -> tuple[str, ...]:
        """Names of the o observables."""
        return self.layout.observable_names

    @property
    def observable_units(self) -> tuple[str, ...]:
        """Units of the o observables."""
        return self.layout.observable_units

    @property
    def context_names(self) -> tuple[str, ...]:
        """Names of the p numbers that are known from outside."""
        return self.layout.context_names

    @functools.cached_property
    def time_step(self) -> float:
        """Usual time from one frame to the next, over all committed trajectories."""
        return time_step([self.times(i) for i in self._there()])

    @functools.cached_property
    def longest_step(self) -> float:
        """The longest time between successive frames that is no gap."""
        if self.layout.max_step is not None:
            return self.layout.max_step
        return longest_step([self.times(i) for i in self._there()])

    @property
    def created(self) -> str:
        """When it was made, in ISO 8601."""
        return str(self._store.facts["created"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the data come from: configuration, seed, split and version of the package."""
        return dict(self._store.facts["provenance"])

    @property
    def committed(self) -> Array:
        """Which trajectories were written completely, ``(M,)`` boolean."""
        there = self._store.committed
        return there if self._stretches is None else there[self._stretches[:, 0]]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over layout and content: equal for equal data, wherever they are and whoever wrote them when."""
        layout = {key: value for key, value in self.layout.to_json().items() if key != "description"}
        head: dict[str, Any] = {"schema": SCHEMA, "layout": layout}
        if self._stretches is not None:
            head["stretches"] = self._stretches.tolist()
        raw = json.dumps(head, sort_keys=True).encode()
        return hashlib.sha256(raw + self._store.digests.tobytes()).hexdigest()

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
        """List the indices of the damaged trajectories: committed, but not readable or with another checksum."""

        def is_damaged(i: int) -> bool:
            try:
                self._store.content(i)
            except DamagedFileError:
                return True
            return False

        indices = [int(i) for i in np.flatnonzero(self._store.committed)]
        with ThreadPoolExecutor(READERS) as pool:
            bad = [i for i, wrong in zip(indices, pool.map(is_damaged, indices), strict=True) if wrong]
        return bad if self._stretches is None else [m for m, (i, _, _) in enumerate(self._rows()) if i in bad]

    def require_finished(self) -> Self:
        """Refuse a data set of which only a part was committed, unless it was opened with ``allow_unfinished``.

        Raises
        ------
        DatasetError
            With the number of trajectories that are missing.
        """
        missing = self.n_trajectories - int(self.committed.sum())
        if missing and not self.allow_unfinished:
            raise DatasetError(
                f"{self.path} lacks {missing} of its {self.n_trajectories} trajectories: making it was stopped. "
                "The same command goes on where it was. To use what is there, open it with "
                "TrajectoryDataset.open(path, allow_unfinished=True), or say allow_unfinished: true in the section "
                "'data' of a configuration."
            )
        return self

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

    def times(self, index: int) -> Array:
        """Read the times of the frames of one trajectory, ``(T_m,)``."""
        return self._read("times", index)

    def context(self, index: int) -> Array:
        """Read what is known from outside along one trajectory, ``(T_m, p)``; no columns if there is none."""
        if not self.context_names:
            return np.zeros((int(self.lengths[index]), 0))
        return self._read("context", index)

    def observables(self, indices: Array | None = None) -> list[Array]:
        """Read the observables of some trajectories (the usable ones by default): arrays ``(T_m, o)`` float64.

        Raises
        ------
        DamagedFileError
            If a trajectory cannot be read.
        DatasetError
            If one does not exist.
        """
        wanted = self.usable if indices is None else np.atleast_1d(indices)
        self._require("trajectories", self.n_trajectories, wanted)
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(lambda i: self._read("observables", int(i)), wanted))

    def transitions(self, indices: Array, step: float | None = None) -> Transitions:
        """List the pairs of successive frames of some trajectories from which dynamics may be learned.

        Parameters
        ----------
        indices : array
            Trajectories; the result counts them from zero in this order.
        step : float, optional
            The time step in whose units times between frames are given; this data set's own by default.
        """
        return transitions([self.times(int(i)) for i in indices], step or self.time_step, self.longest_step)

    def microstates(self, trajectories: Array, frames: Array) -> MicrostateBatch:
        """Read microstates of any trajectories ``(B,)`` and frames ``(B,)``; one number stands for all B of the other.

        Only the frames that are asked for are read.

        Raises
        ------
        DamagedFileError
            If a trajectory cannot be read.
        DatasetError
            If one was never committed, or there is no such trajectory or frame.
        """
        try:
            trajectories, frames = np.broadcast_arrays(*np.atleast_1d(trajectories, frames))
        except ValueError as error:
            raise DatasetError(
                f"there are {np.size(trajectories)} trajectories and {np.size(frames)} frames; expected a frame for "
                "each."
            ) from error
        if not len(trajectories):
            raise DatasetError("no microstates were asked for; give at least one trajectory and frame.")
        self._require("trajectories", self.n_trajectories, trajectories)
        rows: dict[str, Array] = {}
        for i in np.unique(trajectories):
            of_i = trajectories == i
            self._require_there(int(i))
            self._require(f"frames of trajectory {i}", int(self.lengths[i]), frames[of_i])
            needed, place = np.unique(frames[of_i], return_inverse=True)
            for name, array in self.arrays(int(i), needed).items():
                rows.setdefault(name, np.empty((len(frames), *array.shape[1:]), array.dtype))[of_i] = array[place]
        return assemble(self.layout, rows)

    def trajectory(self, index: int) -> MicrostateBatch:
        """Read all microstates of one trajectory."""
        self._require("trajectories", self.n_trajectories, np.array([index]))
        self._require_there(index)
        return self.microstates(np.array([index]), np.arange(self.lengths[index]))

    def first(self, indices: Array) -> MicrostateBatch:
        """Read the first microstates X_0 of some trajectories."""
        return self.microstates(np.asarray(indices), np.zeros(len(indices), dtype=np.int64))

    def arrays(self, index: int, frames: Array | None = None) -> dict[str, Array]:
        """Read the arrays of the microstates of one trajectory as they are stored.

        Parameters
        ----------
        index : int
            The trajectory.
        frames : array, optional
            Rising frames; all by default.

        Raises
        ------
        DamagedFileError
            If they cannot be read.
        DatasetError
            If the trajectory was never committed or does not exist.
        """
        self._require_there(index)
        names = [name for name in self.layout.arrays() if name not in ("observables", "times", "context")]
        return {name: self._read(name, index, frames) for name in names}

    def _there(self) -> list[int]:
        there = [int(i) for i in np.flatnonzero(self.committed)]
        if not there:
            raise DatasetError(f"{self.path} has no committed trajectory yet.")
        return there

    def _require_there(self, index: int) -> None:
        if not 0 <= index < self.n_trajectories or not self.committed[index]:
            raise DatasetError(
                f"{self.path} has no trajectory {index}: {int(self.committed.sum())} of {self.n_trajectories} "
                "are there. Make it again with the same configuration to complete it."
            )

    def _require(self, what: str, n: int, indices: Array) -> None:
        wrong = [i for i in indices.tolist() if not (isinstance(i, int) and 0 <= i < n)]
        if wrong:
            raise DatasetError(f"{self.path} has {what} 0 to {n - 1}; got {_listed(wrong)}.")

    def _read(self, name: str, index: int, frames: Array | None = None) -> Array:
        stored, first, last = self._rows()[index] if self._stretches is not None else (index, 0, None)
        return self._store.read(name, stored, slice(first, last) if frames is None else frames + first)


def _listed(indices: list[Any], most: int = 20) -> str:
    text = ", ".join(map(str, indices[:most]))
    return text if len(indices) <= most else f"{text} … ({len(indices)} in all)"


def _range(numbers: Array) -> str:
    least, most = int(numbers.min()), int(numbers.max())
    return str(most) if least == most else f"{least} to {most}"


def _with_units(names: Sequence[str], units: Sequence[str]) -> str:
    return ", ".join(f"{name} ({unit})" if unit else name for name, unit in zip(names, units, strict=True))
