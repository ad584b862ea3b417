"""Users' arrays as microstates: sets of particles, their weights and their cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from setclosure.errors import MicrostateError
from setclosure.sets.cell import cell_matrices

Array = np.ndarray[Any, Any]


def real_numbers(x: Any, what: str) -> np.ndarray[Any, Any]:
    """Give an array or tensor of real numbers as float64.

    Parameters
    ----------
    x : array or Tensor
        The numbers.
    what : str
        The name of the numbers, with which the message begins.

    Raises
    ------
    MicrostateError
        If ``x`` is ragged, or holds texts, complex numbers or truth values.
    """
    try:
        array = np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x)
        if array.dtype.kind not in "iufO":
            raise TypeError(f"got {array.dtype.name}")
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise MicrostateError(f"{what} must be an array of real numbers: {error}.") from error


def whole_numbers(numbers: np.ndarray[Any, Any], what: str) -> np.ndarray[Any, Any]:
    """Give whole numbers as int64.

    Parameters
    ----------
    numbers : array
        Numbers of any real dtype.
    what : str
        The name of the numbers, with which the message begins.

    Raises
    ------
    MicrostateError
        If some have a fraction.

    Examples
    --------
    >>> whole_numbers(np.array([1.0, 2.0]), "species")
    array([1, 2])
    """
    if (numbers != np.rint(numbers)).any():  # NaN, too
        raise MicrostateError(f"{what} must be whole numbers; got fractions.")
    return numbers.astype(np.int64)


def read_sets(x: Any, largest: float) -> list[Array]:
    """Split microstates in any accepted form into one checked array ``(N_b, d)`` for each.

    Parameters
    ----------
    x : array, or sequence of arrays
        One microstate ``(N, d)``, several ``(B, N, d)``, or a sequence of ``(N_b, d)``.
    largest : float
        The largest size of a coordinate.

    Raises
    ------
    MicrostateError
        If there is none, a shape does not fit, or a coordinate is NaN or too large.
    """
    sets = _as_sets(x)
    for b, points in enumerate(sets):
        _check_points(b, points, sets[0].shape[1], largest)
    return sets


def _as_sets(x: Any) -> list[np.ndarray[Any, Any]]:
    """Split any accepted input into one two-dimensional array per microstate."""
    if isinstance(x, Sequence) and not isinstance(x, str):
        sets = [real_numbers(part, "particles") for part in x]
        if sets and all(part.ndim == 1 for part in sets):  # one microstate, as a list of particles
            return _as_sets(real_numbers(x, "particles"))
    else:
        array = real_numbers(x, "particles")
        if array.ndim not in (2, 3):
            raise MicrostateError(
                f"an array of microstates has shape (N, d) or (B, N, d); got {array.shape}. "
                "A set of scalars needs a last axis of length 1."
            )
        sets = [array] if array.ndim == 2 else list(array)
    if not sets:
        raise MicrostateError("no microstates were given; expected at least one.")
    return sets


def _check_points(b: int, points: np.ndarray[Any, Any], n_features: int, largest: float) -> None:
    if points.ndim != 2:
        raise MicrostateError(f"microstate {b} has shape {points.shape}; expected (N, d).")
    if points.shape[1] != n_features or n_features == 0:
        raise MicrostateError(
            f"microstate {b} has {points.shape[1]} features per particle, microstate 0 has {n_features}; "
            "expected the same positive number."
        )
    fits = (np.abs(points) <= largest).all(axis=1)  # False for NaN, too
    if not fits.all():
        particle = int(np.argmin(fits))
        raise MicrostateError(
            f"microstate {b}, particle {particle} has a coordinate that is NaN, infinite or too large: "
            f"{points[particle]}. "
            "Remove that microstate or repair its source."
        )


def read_per_particle(values: Any, sets: list[Array], name: str) -> list[Array] | None:
    """Split values of particles into one array for each microstate, of that microstate's length.

    Raises
    ------
    MicrostateError
        If the lengths are not those of the sets.
    """
    if values is None:
        return None
    try:
        first = np.asarray(values, dtype=np.float64)
        parts = [first] * len(sets) if first.ndim == 1 else list(first)
    except ValueError:  # ragged
        parts = [np.asarray(part, dtype=np.float64) for part in values]
    if [len(part) for part in parts] != [len(points) for points in sets]:
        raise MicrostateError(
            f"{name} have lengths {[len(part) for part in parts][:5]}…, the sets {[len(p) for p in sets][:5]}…; "
            "expected one value for each particle."
        )
    return parts


def weights_of(
    sets: list[Array], kinds: list[Array] | None, masses: list[Array] | None, n_species: int | None
) -> Array:
    """Give the weights ``(B, S, N)`` of microstates; each row of a species that is there sums to one.

    Parameters
    ----------
    sets : list of array
        Particles ``(N_b, d)``.
    kinds, masses : list of array or None
        Species and masses ``(N_b,)``; None for one species, and for equal masses.
    n_species : int or None
        S; the largest species + 1 by default.

    Raises
    ------
    MicrostateError
        If a mass is not positive, or a species is out of range.
    """
    S = n_species
    if S is None:
        S = 1 if kinds is None else 1 + max((int(kind.max()) for kind in kinds if len(kind)), default=0)
    weights = np.zeros((len(sets), S, max(1, *(len(points) for points in sets))))
    for b, points in enumerate(sets):
        n = len(points)
        if n == 0:
            continue
        m = np.ones(n) if masses is None else masses[b]
        if not np.all(np.isfinite(m)) or np.any(m <= 0):
            raise MicrostateError(f"microstate {b}: masses must be finite and positive; got {m.min()} … {m.max()}.")
        kind = np.zeros(n, dtype=np.int64) if kinds is None else kinds[b]
        if kind.min() < 0 or kind.max() >= S:
            raise MicrostateError(
                f"microstate {b}: species run from {kind.min()} to {kind.max()}; expected 0 to {S - 1}."
            )
        for s in range(S):
            of_s = kind == s
            if of_s.any():
                weights[b, s, :n] = np.where(of_s, m, 0.0) / m[of_s].sum()
    return weights


def read_cells(cell: Any, B: int, k: int) -> Array:
    """Read the cells of B microstates, ``(B, k, k)``: one for all, or one for each.

    Raises
    ------
    MicrostateError
        If the shape is another, or a cell is none.
    """
    matrices = cell_matrices(cell, k)
    if matrices.ndim > 3 or (matrices.ndim == 3 and len(matrices) != B):
        raise MicrostateError(
            f"there are {B} microstates and cells of shape {matrices.shape}; expected one matrix for each, or for all."
        )
    # a copy: the batch shares no memory with the array that the user gave
    return np.array(np.broadcast_to(matrices, (B, *matrices.shape[-2:])))
