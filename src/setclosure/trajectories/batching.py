"""Microstates of a data set for training: from memory where they fit, else from disk, with the same numbers."""

from __future__ import annotations

import numpy as np

from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.assemble import assemble
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Array


class MicrostateSource:
    """Random access to the usable microstates of a data set.

    Parameters
    ----------
    data : TrajectoryDataset
        Its damaged trajectories are left out with a warning (see :attr:`TrajectoryDataset.usable`).
    limit_bytes : int
        The microstates are held in memory if they take no more than this. Sets of different sizes take the room of
        the largest that there is, not of the largest that there may be.
    """

    def __init__(self, data: TrajectoryDataset, limit_bytes: int) -> None:
        self.data, self.limit_bytes = data, limit_bytes
        usable, lengths = data.usable, data.lengths
        n_frames = int(lengths[usable].sum())
        sizes = {"points": data.largest_set, "species": data.largest_set, "masses": data.largest_set}
        arrays = {
            name: ((n_frames, *((sizes[name], *shape[1:]) if name in sizes else shape)), dtype)
            for name, (shape, dtype) in data.layout.arrays().items()
            if name not in ("observables", "times", "context")
        }
        size = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in arrays.values())
        self.in_memory = size <= limit_bytes
        """Whether the microstates are held in memory."""
        if not self.in_memory:
            return
        self._held: dict[str, Array] = {k: np.empty(shape, dtype) for k, (shape, dtype) in arrays.items()}
        self._first = np.full(data.n_trajectories, -1)  # the row of each trajectory's first frame
        self._first[usable] = np.cumsum(lengths[usable]) - lengths[usable]

        for name, held in self._held.items():
            for m, array in data.each(name, usable):
                held[self._first[m] : self._first[m] + lengths[m]] = array[
                    (slice(None), *(slice(n) for n in held.shape[1:]))
                ]

    def of(self, data: TrajectoryDataset) -> MicrostateSource:
        """Give a source of another data set with the same limit."""
        return MicrostateSource(data, self.limit_bytes)

    def batch(self, trajectories: Array, frames: Array) -> MicrostateBatch:
        """Give microstates of trajectories ``(B,)`` at frames ``(B,)``, as :meth:`TrajectoryDataset.microstates`."""
        trajectories = np.asarray(trajectories)
        if not self.in_memory or (self._first[trajectories] < 0).any():
            return self.data.microstates(trajectories, frames)
        rows = self._first[trajectories] + frames
        return assemble(self.data.layout, {name: array[rows] for name, array in self._held.items()})
