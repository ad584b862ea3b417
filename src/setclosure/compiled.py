"""Numba compiles all kernels of the library with one setting, the decorator here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

# Vectorisation needs sums that may be reordered. NaN and infinity keep their meaning: no "nnan", no "ninf".
_FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a kernel at its first call, which frees the interpreter's lock and may reorder sums.

    The machine code is kept on the disk, beside the package, in the user's folder of caches, or in ``NUMBA_CACHE_DIR``.
    Where none of them can be written, every process compiles anew.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except (RuntimeError, OSError):  # no folder can be written
        return numba.njit(**options)(function)
