"""Which process of a distributed training this is.

Lightning starts the same command once for every device; each of them goes through the whole program, with the same
numbers. The first one speaks, and the others accept the folders that it has made.
"""

from __future__ import annotations

import os

_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_first_process() -> bool:
    """Whether every rank that a launcher (Lightning, torchrun, SLURM) has set is zero, or none is set."""
    return all(os.environ.get(rank, "0") == "0" for rank in _RANKS)
