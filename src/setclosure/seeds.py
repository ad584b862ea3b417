"""Random streams derived from names, never from the order of work.

A stream depends on the root seed and on what it is for, so the same seed gives the same numbers whatever the
number of workers, and a run that was killed goes on with the numbers it would have had.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator

import numpy as np
import torch


def seed_sequence(seed: int, *keys: str | int) -> np.random.SeedSequence:
    """The seed sequence of what ``keys`` name, for instance ``("train", 17)``."""
    return np.random.SeedSequence((seed, *(zlib.crc32(k.encode()) if isinstance(k, str) else k for k in keys)))


def numpy_stream(seed: int, *keys: str | int) -> np.random.Generator:
    """A NumPy generator for :func:`seed_sequence`.

    Examples
    --------
    >>> numpy_stream(0, "train", 3).random() == numpy_stream(0, "train", 3).random()
    True
    """
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, *keys)))


def torch_stream(seed: int, *keys: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A PyTorch generator for :func:`seed_sequence`, on ``device``."""
    low, high = seed_sequence(seed, *keys).generate_state(2)
    return torch.Generator(device).manual_seed(int(low) | (int(high) & 0x7FFFFFFF) << 32)


@contextlib.contextmanager
def seeded(seed: int, *keys: str | int) -> Iterator[None]:
    """Inside the block torch's global stream is that of ``keys``: for weights, which torch draws from it."""
    with torch.random.fork_rng():
        torch.manual_seed(int(seed_sequence(seed, *keys).generate_state(1)[0]))
        yield
