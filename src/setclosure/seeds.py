"""Random streams come from a seed and from names, never from the order of work.

The same seed gives the same numbers whatever the number of workers, and a run that was killed goes on with the numbers
that it would have had.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator

import numpy as np
import torch


def seed_sequence(seed: int, *keys: str | int) -> np.random.SeedSequence:
    """Give the seed sequence that belongs to a root seed and to ``keys``, for instance ``("train", 17)``."""
    return np.random.SeedSequence((seed, *(zlib.crc32(k.encode()) if isinstance(k, str) else k for k in keys)))


def numpy_stream(seed: int, *keys: str | int) -> np.random.Generator:
    """Make a NumPy generator of the stream that belongs to a root seed and to ``keys``.

    Examples
    --------
    >>> numpy_stream(0, "train", 3).random() == numpy_stream(0, "train", 3).random()
    True
    """
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, *keys)))


def torch_stream(seed: int, *keys: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a PyTorch generator, on ``device``, of the stream that belongs to a root seed and to ``keys``.

    Examples
    --------
    >>> a, b = (torch.rand(3, generator=torch_stream(0, "rollout")) for _ in range(2))
    >>> torch.equal(a, b)
    True
    """
    low, high = seed_sequence(seed, *keys).generate_state(2)
    return torch.Generator(device).manual_seed(int(low) | (int(high) & 0x7FFFFFFF) << 32)


@contextlib.contextmanager
def seeded(seed: int, *keys: str | int) -> Iterator[None]:
    """Set PyTorch's global stream to that of ``keys`` inside the block, and restore it after.

    PyTorch draws the weights of new networks from its global stream.
    """
    with torch.random.fork_rng():
        torch.manual_seed(int(seed_sequence(seed, *keys).generate_state(1)[0]))
        yield
