"""Users' arrays as microstates: sets of particles, their weights and their cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setclosure.errors import MicrostateError
from setclosure.sets.cell import cell_matrices

Array = np.ndarray[Any, Any]

FILL = float(np.float32(9.969209968386869e36))
"""The number that netCDF writes where no number was written."""


def plain(x: Any) -> Any:
    """Give a table of pandas or a tensor on any device as an array whose first axis is the rows; other things as is.

    Examples
    --------
    >>> import torch
    >>> plain(torch.ones(2, requires_grad=True)), plain([1, 2])
    (array([1., 1.], dtype=float32), [1, 2])
    """
    if isinstance(x, Tensor):
        x = x.detach().cpu()
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    if hasattr(x, "to_numpy") and not isinstance(x, np.ndarray):
        return np.asarray(x.to_numpy())
    if isinstance(x, list | tuple):
        if all(type(part) in (float, int) for part in x):
            return x
        parts = [plain(part) for part in x]
        masked = any(part is np.ma.masked or isinstance(part, np.ma.MaskedArray) for part in parts)
        alike = len({np.shape(part) for part in parts}) == 1 if masked else False
        return np.ma.array(parts) if alike else parts
    return x


def real_numbers(x: Any, what: str) -> np.ndarray[Any, Any]:
    """Give an array, tensor or table of real numbers as float64.

    Parameters
    ----------
    x : array, Tensor or table
        The numbers.
    what : str
        The name of the numbers, with which the message begins.

    Raises
    ------
    MicrostateError
        If ``x`` is ragged or masked somewhere, or holds texts, complex numbers or truth values.
    """
    try:
        array = plain(x)
        if isinstance(array, np.ma.MaskedArray) and (masked := np.ma.getmaskarray(array)).any():
            place = tuple(np.argwhere(masked)[0].tolist())
            raise MicrostateError(
                f"{what} are masked at {place[0] if len(place) == 1 else place}, where a number is expected: leave "
                "that frame or trajectory out. (A mask of all features of a particle says that it is not there.)"
            )
        array = np.asarray(array)
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


def unmasked(x: Any, where: str) -> tuple[Any, Array | None]:
    """Leave out the particles of a microstate all of whose features are masked.

    Parameters
    ----------
    x : array
        Particles ``(N, d)``, perhaps masked.
    where : str
        The microstate, with which the message begins.

    Returns
    -------
    (array, array or None)
        The particles that are there, and whether each of the N is, ``(N,)`` boolean; None if nothing is masked.

    Raises
    ------
    MicrostateError
        If some features of a particle are masked and others not.
    """
    x = plain(x)
    if not isinstance(x, np.ma.MaskedArray) or x.ndim != 2 or not (mask := np.ma.getmaskarray(x)).any():
        return x, None
    gone = mask.all(axis=1)
    partly = mask.any(axis=1) & ~gone
    if partly.any():
        i = int(np.argmax(partly))
        raise MicrostateError(
            f"{where}, particle {i} is masked in feature {int(np.argmax(mask[i]))} and has others: {x[i]}. A particle "
            "that is not there is masked in all features; leave out the frame, or fill in the number."
        )
    return np.asarray(x.data)[~gone], np.asarray(~gone)


def read_sets(x: Any, largest: float) -> tuple[list[Array], list[Array | None]]:
    """Split microstates in any accepted form into one checked array ``(N_b, d)`` for each.

    Parameters
    ----------
    x : array, or sequence of arrays
        One microstate ``(N, d)``, several ``(B, N, d)``, or a sequence of ``(N_b, d)``.
    largest : float
        The largest size of a coordinate.

    Returns
    -------
    (list of array, list of array or None)
        The particles of each, and which of those that were given are there (see :func:`unmasked`).

    Raises
    ------
    MicrostateError
        If there is none, a shape does not fit, or a coordinate is NaN, masked alone or too large.
    """
    split = [unmasked(part, f"microstate {b}") for b, part in enumerate(_as_sets(x))]
    sets = [real_numbers(part, "particles") for part, _ in split]
    for b, points in enumerate(sets):
        _check_points(b, points, sets[0].shape[1], largest)
    return sets, [there for _, there in split]


def _as_sets(x: Any) -> list[Any]:
    """Split any accepted input into one two-dimensional array per microstate."""
    if isinstance(x, Sequence) and not isinstance(x, str):
        sets = [plain(part) for part in x]
        sets = [part if isinstance(part, np.ma.MaskedArray) else real_numbers(part, "particles") for part in sets]
        if sets and all(part.ndim == 1 for part in sets):  # one microstate, as a list of particles
            return _as_sets(np.ma.array(sets) if np.ma.isMaskedArray(sets[0]) else real_numbers(x, "particles"))
    else:
        array = plain(x)
        array = array if isinstance(array, np.ma.MaskedArray) else real_numbers(array, "particles")
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
    fits = ((np.abs(points) <= largest) & (points != FILL)).all(axis=1)  # False for NaN, too
    if not fits.all():
        particle = int(np.argmin(fits))
        raise MicrostateError(
            f"microstate {b}, particle {particle} has a coordinate that is NaN, infinite or too large, or that netCDF "
            f"writes where nothing was written: {points[particle]}. Remove that microstate or repair its source."
        )


def read_per_particle(
    values: Any, sets: list[Array], name: str, there: Sequence[Array | None] | None = None
) -> list[Array] | None:
    """Split values of particles into one array for each microstate, of that microstate's length.

    Values of particles that are not ``there`` (see :func:`unmasked`) are left out.

    Raises
    ------
    MicrostateError
        If the lengths are not those of the sets.
    """
    if values is None:
        return None
    values = plain(values)
    there = there or [None] * len(sets)
    try:
        first = np.asarray(values, dtype=np.float64) if not np.ma.isMaskedArray(values) else values
        parts = [first] * len(sets) if first.ndim == 1 else list(first)
    except ValueError:  # ragged
        parts = [plain(part) for part in values]
    parts = [
        part if kept is None or np.shape(part) != kept.shape else part[kept]
        for part, kept in zip(parts, there, strict=False)
    ]
    parts = [real_numbers(part, name) for part in parts]
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
