"""Numba compiles all kernels of the library with one setting, the decorator here."""

from __future__ import annotations

import numba

# Vectorisation needs sums that may be reordered. NaN and infinity keep their meaning: no "nnan", no "ninf".
_FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}

compiled = numba.njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
"""The decorator of kernels compiles them once, keeps them on disk, frees the interpreter's lock and reorders sums."""
