"""The plan by which the arrays of a data set are cut into chunks and files.

A chunk is what is decompressed at once: a few frames of a long trajectory, or several short trajectories. A file holds
the chunks of many trajectories, or a part of a long one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from setclosure.trajectories.layout import Layout

CHUNK_BYTES = 2**18
"""The most bytes of a chunk before compression, unless a single frame has more."""

SHARD_BYTES = 2**26
"""The most bytes of a file before compression, unless a single chunk has more."""


def frame_bytes(shape: tuple[int, ...], dtype: str) -> int:
    """Give the bytes of one frame of an array, at least one."""
    return max(1, math.prod(shape) * np.dtype(dtype).itemsize)


def shard_of(layout: Layout, n_trajectories: int) -> int:
    """Give the number of trajectories that share a file: a power of two."""
    trajectory = layout.max_frames * sum(frame_bytes(shape, dtype) for shape, dtype in layout.arrays().values())
    needed = 1 << (n_trajectories - 1).bit_length()
    return min(needed, _power_of_two(SHARD_BYTES // trajectory))


def stored_arrays(layout: Layout, n_trajectories: int) -> dict[str, dict[str, Any]]:
    """Give shape, dtype, chunks and shards of every Zarr array of a data set."""
    M, T, k = n_trajectories, layout.max_frames, shard_of(layout, n_trajectories)
    arrays: dict[str, dict[str, Any]] = {}
    for name, (shape, dtype) in layout.arrays().items():
        size = frame_bytes(shape, dtype)
        frames = max(1, min(T, CHUNK_BYTES // size))
        together = min(k, _power_of_two(CHUNK_BYTES // (size * T)))  # divides k
        most = max(1, SHARD_BYTES // (frames * size))  # chunks of a file along the frames
        arrays[name] = {
            "shape": (M, T, *shape),
            "dtype": dtype,
            "chunks": (together, frames, *shape),
            "shards": (k, frames * min(math.ceil(T / frames), most), *shape),
        }
    return arrays | {
        "length": {"shape": (M,), "dtype": "int64", "chunks": (k,)},
        "digest": {"shape": (M, 32), "dtype": "uint8", "chunks": (k, 32)},
    }


def _power_of_two(most: int) -> int:
    """Give the largest power of two that is not above ``most``, at least one."""
    return 1 << max(0, most.bit_length() - 1)
