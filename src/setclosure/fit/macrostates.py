"""Stage two and the range check see the macrostates of whole trajectories in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from setclosure.dynamics.statistics import steps_ahead
from setclosure.trajectories.transitions import Transitions


@dataclass(frozen=True)
class Macrostates:
    """The macrostates z = [z̄, ẑ] of all frames of some trajectories, one trajectory after the other.

    Attributes
    ----------
    z : Tensor
        Macrostates ``(V · F, D)``, V views of the F frames of all trajectories.
    context : Tensor
        Context at each of them, ``(V · F, p)``.
    lengths : array
        Frames of each of the M trajectories, ``(M,)``, with sum F.
    transitions : Transitions
        The pairs of successive frames from which dynamics may be learned; trajectories are counted from zero.
    ratios : sequence of array
        The times between all successive frames of each trajectory, those of gaps, too, in time steps, M arrays
        ``(T_m − 1,)``.
    """

    z: Tensor
    context: Tensor
    lengths: np.ndarray
    transitions: Transitions
    ratios: Sequence[np.ndarray]

    @property
    def n_frames(self) -> int:
        """The number of frames of one view of all trajectories, F."""
        return int(self.lengths.sum())

    @property
    def n_views(self) -> int:
        """The number of views, V."""
        return len(self.z) // self.n_frames

    @property
    def first_rows(self) -> np.ndarray:
        """The row of the first frame of each trajectory in the first view, ``(M,)``."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths)

    @property
    def trajectory(self) -> Tensor:
        """The trajectory of each row, ``(V · F,)``."""
        return torch.from_numpy(np.tile(np.repeat(np.arange(len(self.lengths)), self.lengths), self.n_views))

    @property
    def is_first(self) -> Tensor:
        """Whether each row is the first frame of its trajectory, ``(V · F,)`` boolean."""
        first = np.zeros(self.n_frames, dtype=bool)
        first[self.first_rows] = True
        return torch.from_numpy(np.tile(first, self.n_views))

    @property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """The rows at which a transition begins, in all views, and the times to the next frame, ``(V · n,)`` each.

        Times are in time steps.
        """
        rows = self.first_rows[self.transitions.trajectory] + self.transitions.frame
        all_rows = (np.arange(self.n_views)[:, None] * self.n_frames + rows).ravel()
        ratio = np.tile(self.transitions.ratio, self.n_views)
        return torch.from_numpy(all_rows), torch.as_tensor(ratio, dtype=self.z.dtype)

    @property
    def steps_ahead(self) -> np.ndarray:
        """The number of successive transitions that follow each frame of the first view, ``(F,)``."""
        rows = self.first_rows[self.transitions.trajectory] + self.transitions.frame
        return steps_ahead(torch.from_numpy(rows), self.n_frames).numpy()

    @property
    def stretches(self) -> np.ndarray:
        """The most successive transitions in each trajectory, ``(M,)``."""
        return np.maximum.reduceat(self.steps_ahead, self.first_rows)

    def starts(self, steps: int) -> Transitions:
        """Give the transitions that are the first of so many successive ones.

        Examples
        --------
        >>> from setclosure.trajectories.transitions import transitions
        >>> times = [np.arange(4.0), np.arange(2.0)]
        >>> known = transitions(times, 1.0, 1.5)
        >>> dt = [np.ones(3), np.ones(1)]
        >>> macrostates = Macrostates(torch.zeros(6, 1), torch.zeros(6, 0), np.array([4, 2]), known, dt)
        >>> macrostates.stretches, macrostates.starts(2).frame
        (array([3, 1]), array([0, 1]))
        """
        known = self.transitions
        rows = self.first_rows[known.trajectory] + known.frame
        kept = self.steps_ahead[rows] >= steps
        return Transitions(known.trajectory[kept], known.frame[kept], known.ratio[kept], known.n_gaps)

    def observables(self, n: int) -> list[np.ndarray]:
        """Give the first ``n`` columns of each trajectory of each view, V · M arrays ``(T_m, n)``."""
        columns = self.z[:, :n].numpy()
        return np.split(columns, np.cumsum(np.tile(self.lengths, self.n_views))[:-1])
