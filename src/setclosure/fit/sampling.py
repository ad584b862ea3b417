"""Draws of training examples depend on (seed, step, rank) alone, never on the draws before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from setclosure.errors import TrainingError
from setclosure.fit.macrostates import Macrostates
from setclosure.seeds import numpy_stream
from setclosure.trajectories.transitions import Transitions

T_co = TypeVar("T_co", covariant=True)

Window = tuple[Tensor, Tensor, Tensor]
"""Examples of stage two: macrostates ``(B, L, D)``, context ``(B, L, p)``, times between them ``(B, L − 1)``."""

Windows = tuple[Window, ...]
"""A batch of stage two, the examples of each horizon."""

FEWEST_WINDOWS = 32
"""The number of windows that a batch has of each horizon at least."""


class FrameSampler:
    """A sampler of (trajectory, frame) pairs, a share of them where the observable changes fast.

    With probability ``1 - transient_share`` a frame is uniform among those that may be drawn. Else the probability of
    its number is proportional to the root-mean-square change of the observables to the next frame, over the training
    trajectories. Systems that relax spend most frames near their end state, and the others teach most.

    Parameters
    ----------
    observables : sequence of array
        Observables of the training trajectories, ``(T_m, o)`` each.
    transient_share : float
        The share that is drawn where the observable changes fast, 0 to 1.
    pairs : Transitions, optional
        The pairs of frames that may be drawn, where the next frame is needed, too. By default every frame may be.

    Examples
    --------
    >>> sampler = FrameSampler([np.zeros((5, 1)), np.zeros((3, 1))], transient_share=0.5)
    >>> trajectories, frames = sampler(100, np.random.default_rng(0))
    >>> int(trajectories.max()), int(frames[trajectories == 1].max())
    (1, 2)
    """

    def __init__(
        self, observables: Sequence[np.ndarray], transient_share: float, pairs: Transitions | None = None
    ) -> None:
        lengths = np.array([len(z) for z in observables])
        T = int(lengths.max())
        if pairs is None:
            trajectory, frame = np.repeat(np.arange(len(lengths)), lengths), np.concatenate([*map(np.arange, lengths)])
        else:
            trajectory, frame = pairs.trajectory, pairs.frame
        order = np.lexsort((trajectory, frame))
        self._members = trajectory[order]  # the trajectories of each frame number in turn
        self._counts = np.bincount(frame, minlength=T)
        self._first = np.cumsum(self._counts) - self._counts
        change = _changes(observables, T)
        active = change * self._counts
        share = active / active.sum() if active.sum() > 0 else self._counts / self._counts.sum()
        self.probability = (1 - transient_share) * self._counts / self._counts.sum() + transient_share * share
        self.cumulative = np.cumsum(self.probability)
        self._last = int(np.flatnonzero(self._counts)[-1])

    def __call__(self, n: int, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw ``n`` trajectory indices and frame indices, ``(n,)`` each."""
        frames = np.searchsorted(self.cumulative, stream.random(n) * self.cumulative[-1], side="right")
        frames = np.minimum(frames, self._last)
        member = stream.integers(self._counts[frames])
        return self._members[self._first[frames] + member], frames


def _changes(observables: Sequence[np.ndarray], T: int) -> np.ndarray:
    """Give the root-mean-square change of the observables after each frame, ``(T,)``, over trajectories that go on."""
    scale = np.concatenate(observables).astype(np.float64).std(axis=0) + 1e-300
    total, count = np.zeros(T), np.zeros(T)
    for z in observables:
        change = np.mean((np.diff(z.astype(np.float64), axis=0) / scale) ** 2, axis=1)
        change = np.append(change, change[-1:])  # the last frame has no next one
        total[: len(change)] += change
        count[: len(change)] += 1
    return np.asarray(np.sqrt(total / np.maximum(count, 1)))


class BatchOfStep(Protocol[T_co]):
    """A function that makes the batch of a training step from that step's own stream."""

    def __call__(self, stream: np.random.Generator) -> T_co:
        """Draw the batch."""
        ...


class Steps(Dataset[T_co], Generic[T_co]):
    """The batches of a training as a data set whose index is the step.

    Parameters
    ----------
    draw : callable
        Makes a batch from a stream of random numbers.
    n_steps : int
        Steps of the training.
    seed : int
        Root seed; the stream of a step depends on it, on ``stage``, on the step and on the rank.
    stage : str
        Name of the stage.
    """

    def __init__(self, draw: BatchOfStep[T_co], n_steps: int, seed: int, stage: str) -> None:
        self.draw, self.n_steps, self.seed, self.stage = draw, n_steps, seed, stage
        self.rank = 0

    def __len__(self) -> int:
        return self.n_steps

    def __getitem__(self, step: int) -> T_co:
        return self.draw(numpy_stream(self.seed, self.stage, "batch", step, self.rank))


class EpochOfSteps(Sampler[int]):
    """The indices of the steps from those that are done to the next validation; the last epoch may be shorter.

    An epoch begins after the optimiser steps that are done, and not by a count of epochs, because Lightning's own count
    is off by one after a resume.

    Parameters
    ----------
    n_steps : int
        Steps of the training.
    steps_per_epoch : int
        Steps between two validations.
    done : callable
        Gives the number of steps that are done.

    Examples
    --------
    >>> list(EpochOfSteps(n_steps=7, steps_per_epoch=5, done=lambda: 5))
    [5, 6]
    """

    def __init__(self, n_steps: int, steps_per_epoch: int, done: Callable[[], int]) -> None:
        self.n_steps, self.steps_per_epoch, self.done = n_steps, steps_per_epoch, done

    def __iter__(self) -> Iterator[int]:
        first = self.done()
        return iter(range(first, min(first + self.steps_per_epoch, self.n_steps)))

    def __len__(self) -> int:
        return min(self.steps_per_epoch, self.n_steps)


def step_loader(
    steps: Steps[T_co], steps_per_epoch: int, done: Callable[[], int], workers: int = 0
) -> DataLoader[T_co]:
    """Make a loader over the steps, one epoch at a time, which begins after the steps that are ``done``.

    Its batches do not depend on the number of worker processes, ``workers``.
    """
    sampler = EpochOfSteps(len(steps), steps_per_epoch, done)
    own = torch.Generator()  # so that the user's global stream is left alone
    return DataLoader(steps, batch_size=None, sampler=sampler, num_workers=workers, generator=own)


class WindowBatches:
    """A source of training examples of stage two, successive macrostates that a :class:`FrameSampler` draws.

    A window has as many steps as one of the horizons, and crosses neither a gap nor the end of a trajectory. A horizon
    beyond the longest stretch of the macrostates without a gap is cut to that stretch. Trajectories that are shorter
    than a horizon take no part in it, and in shorter ones they do.

    Parameters
    ----------
    macrostates : Macrostates
        The macrostates that may be drawn.
    transient_share : float
        The share that is drawn where the observable changes fast; see :class:`FrameSampler`.
    n_pairs : int
        Pairs of successive frames in a batch. Each horizon has an equal share, and a window of H steps counts as H
        pairs; there are at least :data:`FEWEST_WINDOWS` of each, or ``n_pairs`` if that is less.
    n_observables : int
        Columns whose change guides the sampler.
    horizons : sequence of int
        The steps of windows.

    Raises
    ------
    TrainingError
        If no two frames follow each other.
    """

    def __init__(
        self,
        macrostates: Macrostates,
        transient_share: float,
        n_pairs: int,
        n_observables: int,
        horizons: Sequence[int] = (1,),
    ) -> None:
        if len(macrostates.transitions) == 0:
            raise TrainingError(
                "no two frames of the training or validation data follow each other, so there is no step to learn or "
                "to validate. Look at the gaps between the times of the frames."
            )
        self.macrostates = macrostates
        V, M = macrostates.n_views, len(macrostates.lengths)
        observables, longest = macrostates.observables(n_observables), int(macrostates.stretches.max())
        self.horizons = tuple(sorted({min(h, longest) for h in horizons}))
        self.samplers: list[FrameSampler] = []
        for h in self.horizons:
            first = macrostates.starts(h)
            all_views = Transitions(
                (np.arange(V)[:, None] * M + first.trajectory).ravel(),
                np.tile(first.frame, V),
                np.tile(first.ratio, V),
                first.n_gaps,
            )
            self.samplers.append(FrameSampler(observables, transient_share, all_views))
        share = n_pairs // len(self.horizons)
        self.n_windows = [max(min(FEWEST_WINDOWS, n_pairs), share // h) for h in self.horizons]
        self._first = np.concatenate([macrostates.first_rows + v * macrostates.n_frames for v in range(V)])
        rows, ratio = macrostates.pairs
        self._ratio = torch.ones(len(macrostates.z))
        self._ratio[rows] = ratio

    def __call__(self, stream: np.random.Generator) -> Windows:
        """Draw the windows of each horizon."""
        drawn = []
        for h, n, sampler in zip(self.horizons, self.n_windows, self.samplers, strict=True):
            trajectories, frames = sampler(n, stream)
            first = torch.from_numpy(self._first[trajectories] + frames)
            rows = first[:, None] + torch.arange(h + 1)
            drawn.append((self.macrostates.z[rows], self.macrostates.context[rows], self._ratio[rows[:, :-1]]))
        return tuple(drawn)
