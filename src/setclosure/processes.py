"""A process learns here whether it is the first of a distributed training, and how many cores it may use.

Lightning starts the same command once for every device, and each of these processes goes through the whole program
with the same numbers. The first process alone shows messages; the others accept the folders that it has made.
"""

from __future__ import annotations

import os

_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_first_process() -> bool:
    """Tell whether this is the first process of a training, or its only one.

    It is if every rank that a launcher (Lightning, torchrun, SLURM) has set in the environment is zero, or none is set.
    """
    return all(os.environ.get(rank, "0") == "0" for rank in _RANKS)


def available_cores() -> int:
    """Count the cores that this process may use.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
