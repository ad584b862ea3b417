"""How loops become machine code: one setting of Numba for all kernels."""

from __future__ import annotations

import numba

# Sums may be reordered, which vectorisation needs; NaN and infinity keep their meaning (no "nnan", "ninf")
_FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}

compiled = numba.njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
"""Decorator of a kernel: compiled once and kept on disk, free of the interpreter's lock, with reordered sums."""
