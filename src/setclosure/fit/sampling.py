"""Which microstates a training step sees: a function of (seed, step, rank) alone, never of what came before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from setclosure.seeds import numpy_stream

T_co = TypeVar("T_co", covariant=True)


class FrameSampler:
    """Draws (trajectory, frame) pairs, a share of them where the observable changes fast.

    With probability ``1 - transient_share`` a frame is uniform; else its probability is proportional to the
    root-mean-square change of the observables to the next frame over the training trajectories. Relaxing systems
    spend most frames near their end state, and learn most of what matters in the others.

    Parameters
    ----------
    observables : array
        Observables of the training trajectories, ``(M, T, o)``.
    transient_share : float
        Between 0 and 1.
    last : bool
        Whether the last frame may be drawn (not when the next frame is needed, too).
    """

    def __init__(self, observables: np.ndarray, transient_share: float, last: bool = True) -> None:
        z = observables.astype(np.float64)
        scale = z.std(axis=(0, 1)) + 1e-300
        change = np.sqrt(np.mean((np.diff(z, axis=1) / scale) ** 2, axis=(0, 2)))  # (T - 1,)
        if last:
            change = np.append(change, change[-1])
        T = len(change)
        active = change / change.sum() if change.sum() > 0 else np.full(T, 1 / T)
        self.probability = (1 - transient_share) / T + transient_share * active
        self.cumulative = np.cumsum(self.probability)
        self.n_trajectories = len(observables)

    def __call__(self, n: int, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw ``n`` trajectory indices and frame indices."""
        frames = np.searchsorted(self.cumulative, stream.random(n) * self.cumulative[-1], side="right")
        return stream.integers(self.n_trajectories, size=n), np.minimum(frames, len(self.cumulative) - 1)


class BatchOfStep(Protocol[T_co]):
    """Makes the batch of one training step from that step's own stream."""

    def __call__(self, stream: np.random.Generator) -> T_co:
        """Draw the batch."""
        ...


class Steps(Dataset[T_co], Generic[T_co]):
    """The batches of a training as a data set whose index is the step."""

    def __init__(self, draw: BatchOfStep[T_co], n_steps: int, seed: int, stage: str) -> None:
        self.draw, self.n_steps, self.seed, self.stage = draw, n_steps, seed, stage
        self.rank = 0

    def __len__(self) -> int:
        return self.n_steps

    def __getitem__(self, step: int) -> T_co:
        return self.draw(numpy_stream(self.seed, self.stage, "batch", step, self.rank))


class EpochOfSteps(Sampler[int]):
    """The steps from those that are done to the next validation.

    Where it begins follows from the optimiser steps that are done, not from a count of epochs: Lightning's own count
    is off by one after a resume. All epochs have one length (the settings see to it), on which that resume counts.
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
    """A loader over the steps, one epoch at a time, beginning after the steps that are ``done``."""
    sampler = EpochOfSteps(len(steps), steps_per_epoch, done)
    own = torch.Generator()  # so that the user's global stream is left alone
    return DataLoader(steps, batch_size=None, sampler=sampler, num_workers=workers, generator=own)


class PairBatches:
    """One-step pairs (z_t, z_{t+1}) of macrostates ``(M, T, D)``, drawn by a :class:`FrameSampler`."""

    def __init__(self, macrostates: Tensor, sampler: FrameSampler, n_pairs: int) -> None:
        self.flat = macrostates.flatten(0, 1)  # (M·T, D)
        self.n_frames, self.sampler, self.n_pairs = macrostates.shape[1], sampler, n_pairs

    def __call__(self, stream: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw ``(n_pairs, D)`` states and their successors."""
        trajectories, frames = self.sampler(self.n_pairs, stream)
        index = torch.from_numpy(trajectories * self.n_frames + frames)
        return self.flat[index], self.flat[index + 1]
