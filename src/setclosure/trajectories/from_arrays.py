"""Users' own arrays as the trajectories of an ensemble."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from setclosure.trajectories.layout import GIVEN, Array, Layout, Trajectory
from setclosure.errors import EnsembleError, MicrostateError, SetclosureWarning
from setclosure.sets.microstates import MicrostateBatch, real_numbers, whole_numbers
from setclosure.observables.registered import Observable, as_observable

ROUNDED = 0.01
"""Spacing of single precision, as a share of the spread of a set, from which on rounding is worth a warning."""


def read(
    points: Any,
    observables: Any,
    *,
    times: Iterable[float],
    species: Any,
    masses: Any,
    observable_names: tuple[str, ...] | str | None,
    species_names: tuple[str, ...] | str | None,
    name: str,
    units: str,
) -> tuple[Layout, list[Trajectory]]:
    """Read arrays; see :meth:`setclosure.trajectories.dataset.Ensemble.from_arrays`."""
    of_frames = tuple(float(t) for t in real_numbers(list(times), "times"))
    sets = [[_set(x, m, t) for t, x in enumerate(frames)] for m, frames in enumerate(_trajectories(points))]
    if not sets:
        raise EnsembleError("no trajectories were given; an ensemble has at least one.")
    M, T = len(sets), len(of_frames)
    for m, frames in enumerate(sets):
        if len(frames) != T:
            raise MicrostateError(f"trajectory {m} has {len(frames)} frames, but there are {T} times.")
    d = sets[0][0].shape[1]
    sizes = np.array([[len(x) for x in frames] for frames in sets])
    for m, t in np.argwhere(np.array([[x.shape[1] != d for x in frames] for frames in sets])):
        raise MicrostateError(f"trajectory {m}, frame {t} has {sets[m][t].shape[1]} features; expected {d}.")
    _warn_of_rounding(sets)
    N, ragged = int(sizes.max()), bool((sizes != sizes.max()).any())
    kinds = None if species is None else _species(species, M, N)
    names_of_species = _names(species_names)
    S = 1 if kinds is None else max(int(kinds.max()) + 1, len(names_of_species))
    if names_of_species and len(names_of_species) != S:
        raise MicrostateError(f"there are {S} species and {len(names_of_species)} names of them: {names_of_species}.")
    weights = (
        None if masses is None else [[_mass(masses, m, t, len(x)) for t, x in enumerate(f)] for m, f in enumerate(sets)]
    )
    given = _names(observable_names)
    computed = isinstance(observables, str) or callable(observables)
    known = as_observable(observables, given or None) if computed else None
    values = [_observables(known, observables, sets, m, kinds, weights, S) for m in range(M)]
    o = values[0].shape[1]
    given = given or (known.components if known else tuple(f"observable_{k}" for k in range(o)))
    if len(given) != o:
        raise MicrostateError(f"there are {o} observables and {len(given)} names of them: {', '.join(given)}.")
    layout = Layout(
        name=name,
        times=of_frames,
        n_features=d,
        max_particles=N,
        observable=known.name if known else GIVEN,
        observable_names=given,
        units=units,
        species_names=names_of_species or (("particles",) if S == 1 else tuple(f"species {s}" for s in range(S))),
        ragged=ragged,
        weighted=weights is not None,
    )
    return layout, [
        Trajectory(
            points=_stacked(sets[m], N),
            observables=values[m],
            counts=sizes[m] if ragged else None,
            species=None if kinds is None or S == 1 else kinds[m],
            masses=None if weights is None else _stacked(weights[m], N),
        )
        for m in range(M)
    ]


def _names(names: tuple[str, ...] | str | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _trajectories(points: Any) -> list[Any]:
    """The M trajectories, each with T frames to go through."""
    of_objects = getattr(getattr(points, "dtype", None), "kind", "") == "O"  # sets of different sizes
    shape = None if of_objects else getattr(points, "shape", None)
    if points is None or isinstance(points, str) or (shape is not None and len(shape) != 4):
        what = f"have shape {tuple(shape)}" if shape is not None else f"are {points!r}"
        raise MicrostateError(
            f"points {what}; expected (M, T, N, d): trajectories, frames, particles, features; or sequences of them."
        )
    return list(points)


def _warn_of_rounding(sets: list[list[Array]]) -> None:
    """Warn where single precision, in which ensembles keep coordinates, is coarse for the particles of a set."""
    largest = np.max([np.abs(x).max(axis=0) for frames in sets for x in frames], axis=0)
    spread = np.sqrt(np.mean([x.var(axis=0) for frames in sets for x in frames], axis=0))
    spacing = np.spacing(largest.astype(np.float32))
    for k in np.flatnonzero((spread > 0) & (spacing > ROUNDED * spread)):
        warnings.warn(
            f"feature {k} of the particles reaches {largest[k]:.3g} and spreads over {spread[k]:.3g} in a set, and "
            f"ensembles keep it in single precision, in steps of {spacing[k]:.2g}: subtract a common offset first.",
            SetclosureWarning,
            stacklevel=4,
        )


def _set(x: Any, m: int, t: int) -> Array:
    array = real_numbers(x, f"trajectory {m}, frame {t}")
    if array.ndim != 2 or 0 in array.shape:
        raise MicrostateError(
            f"trajectory {m}, frame {t} has shape {array.shape}; expected (N, d) with at least one particle."
        )
    storable = np.abs(array) <= np.finfo(np.float32).max  # False for NaN, too
    if not storable.all():
        i = int(np.argwhere(~storable)[0, 0])
        raise MicrostateError(
            f"trajectory {m}, frame {t}, particle {i} has a coordinate that is NaN or infinite in single precision: "
            f"{array[i]}. Remove that trajectory or repair its source."
        )
    return array


def _species(species: Any, M: int, N: int) -> Array:
    numbers = real_numbers(species, "species")
    try:
        kinds = np.broadcast_to(numbers, (M, N))
    except ValueError as error:
        raise MicrostateError(
            f"species have shape {numbers.shape}; expected integers of shape ({N},) or ({M}, {N})."
        ) from error
    kinds = whole_numbers(kinds, "species")
    if kinds.min() < 0 or kinds.max() > 255:
        raise MicrostateError(f"species run from {kinds.min()} to {kinds.max()}; expected 0 to S − 1, at most 255.")
    return kinds


def _has_length(x: Any) -> bool:
    try:
        len(x)
    except TypeError:  # a number, or a tensor of none
        return False
    return True


def _mass(masses: Any, m: int, t: int, n: int) -> Array:
    try:
        given = masses
        for index in (m, t):  # (M, T, N), (M, N) or (N,)
            given = given[index] if _has_length(given[0]) else given
    except (TypeError, IndexError) as error:
        raise MicrostateError(f"trajectory {m}, frame {t}: its masses cannot be read: {error}.") from error
    row = real_numbers(given, f"trajectory {m}, frame {t}: masses")
    if row.shape != (n,):
        raise MicrostateError(
            f"trajectory {m}, frame {t} has {n} particles, but masses of shape {row.shape}; expected one for each, as "
            "(N,) for all, (M, N) for each trajectory or (M, T, N) for each frame."
        )
    return row


def _observables(
    known: Observable | None,
    observables: Any,
    sets: list[list[Array]],
    m: int,
    kinds: Array | None,
    weights: list[list[Array]] | None,
    S: int,
) -> Array:
    """``(T, o)`` of trajectory ``m``: given, or computed from the microstates."""
    T = len(sets[m])
    if known is not None:
        batch = MicrostateBatch.from_arrays(
            sets[m],
            species=None if kinds is None else [kinds[m][: len(x)] for x in sets[m]],
            masses=None if weights is None else weights[m],
            n_species=S,
        )
        try:
            return known(batch)
        except MicrostateError as error:
            raise MicrostateError(f"trajectory {m}: {error}") from error
    try:
        n = len(observables)
    except TypeError as error:
        raise MicrostateError(
            f"observables are {observables!r}; expected values (M, T, o), a function, or the name of a registered one."
        ) from error
    if n != len(sets):
        raise MicrostateError(f"there are {len(sets)} trajectories, but observables of {n}.")
    values = real_numbers(observables[m], f"trajectory {m}: observables")
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != T:
        raise MicrostateError(f"trajectory {m} has observables of shape {values.shape}; expected ({T}, o).")
    return values


def _stacked(rows: list[Array], N: int) -> Array:
    """Arrays of different lengths as one, with zeros behind."""
    out = np.zeros((len(rows), N, *rows[0].shape[1:]))
    for t, row in enumerate(rows):
        out[t, : len(row)] = row
    return out
