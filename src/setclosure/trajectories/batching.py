"""Microstates of an ensemble for training: from memory where they fit, else from disk, with the same numbers."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from setclosure.trajectories.assemble import assemble
from setclosure.trajectories.dataset import READERS, Ensemble
from setclosure.trajectories.layout import Array
from setclosure.sets.microstates import MicrostateBatch


class MicrostateSource:
    """Random access to the usable microstates of an ensemble.

    Parameters
    ----------
    ensemble : Ensemble
        Its damaged trajectories are left out with a warning (see :attr:`Ensemble.usable`).
    limit_bytes : int
        The microstates are held in memory if they take no more than this. Sets of different sizes take the room of
        the largest that there is, not of the largest that there may be.
    """

    def __init__(self, ensemble: Ensemble, limit_bytes: int) -> None:
        self.ensemble = ensemble
        usable = ensemble.usable
        room = dataclasses.replace(ensemble.layout, max_particles=ensemble.largest_set)
        arrays = {k: v for k, v in room.arrays(len(usable)).items() if k != "observables"}
        size = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in arrays.values())
        self.in_memory = size <= limit_bytes
        """Whether the microstates are held in memory."""
        if not self.in_memory:
            return
        self._held: dict[str, Array] = {k: np.empty(shape, dtype) for k, (shape, dtype) in arrays.items()}
        self._row = np.full(ensemble.n_trajectories, -1)
        self._row[usable] = np.arange(len(usable))

        def load(row: int) -> None:
            for name, array in ensemble.arrays(int(usable[row])).items():
                held = self._held[name][row]
                held[...] = array[tuple(slice(n) for n in held.shape)]

        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(load, range(len(usable))))

    def batch(self, trajectories: Array, frames: Array) -> MicrostateBatch:
        """Microstates of trajectories ``(B,)`` at frames ``(B,)``, as :meth:`Ensemble.microstates`."""
        trajectories = np.asarray(trajectories)
        if not self.in_memory or (self._row[trajectories] < 0).any():
            return self.ensemble.microstates(trajectories, frames)
        rows = self._row[trajectories]
        held = {name: array[rows] if name == "species" else array[rows, frames] for name, array in self._held.items()}
        points = self.ensemble.layout.restored(held["points"])
        return assemble(points, held.get("counts"), held.get("species"), held.get("masses"), self.ensemble.n_species)
