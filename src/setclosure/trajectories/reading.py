"""Reading of a data set: times, context, observables, transitions and microstates."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from setclosure.errors import DatasetError
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.assemble import assemble
from setclosure.trajectories.description import Description, listed
from setclosure.trajectories.layout import Array
from setclosure.trajectories.transitions import Transitions, longest_step, time_step, transitions


class Readable(Description):
    """A data set, or a part of one in time, from which trajectories and single microstates are read."""

    # ── times ─────────────────────────────────────────────────────────────────────────────────────────────────

    @functools.cached_property
    def time_step(self) -> float:
        """Usual time from one frame to the next, over all usable trajectories."""
        return time_step(self._all_times())

    @functools.cached_property
    def longest_step(self) -> float:
        """The longest time between successive frames that is no gap."""
        return longest_step(self._all_times()) if self.layout.max_step is None else self.layout.max_step

    def _all_times(self) -> list[Array]:
        sound = self._sound()
        if not len(sound):
            raise DatasetError(f"{self.path} has no trajectory yet: none was committed, or all are damaged.")
        return self._read_many("times", sound)

    def times(self, index: int) -> Array:
        """Read the times of the frames of one trajectory, ``(T_m,)``."""
        self._require_there(index)
        return self._read("times", index)

    def transitions(self, indices: Array, step: float | None = None) -> Transitions:
        """List the pairs of successive frames of some trajectories from which dynamics may be learned.

        Parameters
        ----------
        indices : array
            Trajectories; the result counts them from zero in this order.
        step : float, optional
            The time step in whose units times between frames are given; this data set's own by default.
        """
        self._require("trajectories", self.n_trajectories, np.asarray(indices))
        return transitions(self._read_many("times", indices), step or self.time_step, self.longest_step)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────

    @functools.cached_property
    def largest_set(self) -> int:
        """The most particles of any usable microstate."""
        if not self.layout.ragged:
            return self.max_particles
        return max((int(n.max()) for n in self._read_many("counts", self._sound())), default=self.max_particles)

    def context(self, index: int) -> Array:
        """Read what is known from outside along one trajectory, ``(T_m, p)``; no columns if there is none."""
        self._require_there(index)
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
        return self._read_many("observables", wanted)

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
            _, first, last = self._stretch(int(i))
            self._require(f"frames of trajectory {i}", last - first, frames[of_i])
            needed, place = np.unique(frames[of_i], return_inverse=True)
            for name, array in self.arrays(int(i), needed).items():
                rows.setdefault(name, np.empty((len(frames), *array.shape[1:]), array.dtype))[of_i] = array[place]
        return assemble(self.layout, rows)

    def trajectory(self, index: int) -> MicrostateBatch:
        """Read all microstates of one trajectory."""
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

    def each(self, name: str, indices: Array) -> Iterator[tuple[int, Array]]:
        """Read one array of several trajectories as it is stored, all frames, those that share a file at once.

        Yields
        ------
        int, array
            A trajectory and its array; in the order of the files.

        Raises
        ------
        DamagedFileError
            If one cannot be read.
        """
        files: dict[int, list[int]] = {}
        for m in map(int, indices):
            files.setdefault(self._stretch(m)[0] // self._store.shard, []).append(m)
        for of_file in files.values():
            rows = {m: self._stretch(m) for m in of_file}
            found = self._store.read_many(name, sorted({stored for stored, _, _ in rows.values()}))
            for m, (stored, first, last) in rows.items():
                yield m, found[stored][first:last]

    def _require_there(self, index: int) -> None:
        self._require("trajectories", self.n_trajectories, np.array([index]))
        if not self._store.digests[self._stretch(index)[0]].any():
            raise DatasetError(
                f"{self.path} has no trajectory {index}: {int(self.committed.sum())} of {self.n_trajectories} "
                "are there. Make it again with the same configuration to complete it."
            )

    def _require(self, what: str, n: int, indices: Array) -> None:
        wrong = [i for i in indices.tolist() if not (isinstance(i, int) and 0 <= i < n)]
        if wrong:
            raise DatasetError(f"{self.path} has {what} 0 to {n - 1}; got {listed(wrong)}.")

    def _read(self, name: str, index: int, frames: Array | None = None) -> Array:
        stored, first, last = self._stretch(index)
        return self._store.read(name, stored, slice(first, last) if frames is None else frames + first)

    def _read_many(self, name: str, indices: Array) -> list[Array]:
        found = dict(self.each(name, indices))
        return [found[int(m)] for m in indices]
