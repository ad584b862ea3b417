"""Which process of a distributed training this is, and how many cores it may use.

Lightning starts the same command once for every device; each of them goes through the whole program, with the same
numbers. The first one speaks, and the others accept the folders that it has made.
"""

from __future__ import annotations

import os

_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_first_process() -> bool:
    """Whether every rank that a launcher (Lightning, torchrun, SLURM) has set is zero, or none is set."""
    return all(os.environ.get(rank, "0") == "0" for rank in _RANKS)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
