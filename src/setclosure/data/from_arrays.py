"""Users' own arrays as the trajectories of an ensemble."""

from __future__ import annotations

from typing import Any

import numpy as np

from setclosure.data.trajectory import Array, Layout, Trajectory
from setclosure.errors import EnsembleError, MicrostateError
from setclosure.microstates import MicrostateBatch
from setclosure.observables.registry import Observable, as_observable


def read(
    points: Any,
    observables: Any,
    *,
    times: tuple[float, ...],
    species: Any,
    masses: Any,
    observable_names: tuple[str, ...] | None,
    species_names: tuple[str, ...] | None,
    name: str,
    units: str,
) -> tuple[Layout, list[Trajectory]]:
    """Read arrays; see :meth:`setclosure.data.ensemble.Ensemble.from_arrays`."""
    sets = [[_set(x, m, t) for t, x in enumerate(frames)] for m, frames in enumerate(points)]
    if not sets:
        raise EnsembleError("no trajectories were given; an ensemble has at least one.")
    M, T = len(sets), len(times)
    for m, frames in enumerate(sets):
        if len(frames) != T:
            raise MicrostateError(f"trajectory {m} has {len(frames)} frames, but there are {T} times.")
    d = sets[0][0].shape[1]
    sizes = np.array([[len(x) for x in frames] for frames in sets])
    for m, t in np.argwhere(np.array([[x.shape[1] != d for x in frames] for frames in sets])):
        raise MicrostateError(f"trajectory {m}, frame {t} has {sets[m][t].shape[1]} features; expected {d}.")
    N, ragged = int(sizes.max()), bool((sizes != sizes.max()).any())
    kinds = None if species is None else _species(species, M, N)
    S = 1 if kinds is None else max(int(kinds.max()) + 1, len(species_names or ()))
    weights = (
        None if masses is None else [[_mass(masses, m, t, len(x)) for t, x in enumerate(f)] for m, f in enumerate(sets)]
    )
    known = None if isinstance(observables, (list, tuple, np.ndarray)) else as_observable(observables, observable_names)
    values = [_observables(known, observables, sets, m, kinds, weights, S) for m in range(M)]
    o = values[0].shape[1]
    given = observable_names or (known.components if known else tuple(f"observable_{k}" for k in range(o)))
    if len(given) != o:
        raise MicrostateError(f"there are {o} observables and {len(given)} names of them: {', '.join(given)}.")
    layout = Layout(
        name=name,
        times=times,
        n_features=d,
        max_particles=N,
        observable=known.name if known else "given",
        observable_names=tuple(given),
        units=units,
        species_names=species_names or (("particles",) if S == 1 else tuple(f"species {s}" for s in range(S))),
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


def _set(x: Any, m: int, t: int) -> Array:
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MicrostateError(f"trajectory {m}, frame {t} is not an array of numbers: {error}.") from error
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
    try:
        kinds = np.broadcast_to(np.asarray(species, dtype=np.int64), (M, N))
    except (TypeError, ValueError) as error:
        raise MicrostateError(
            f"species have shape {np.shape(species)}; expected integers of shape ({N},) or ({M}, {N})."
        ) from error
    if kinds.min() < 0 or kinds.max() > 255:
        raise MicrostateError(f"species run from {kinds.min()} to {kinds.max()}; expected 0 to S − 1, at most 255.")
    return kinds


def _mass(masses: Any, m: int, t: int, n: int) -> Array:
    try:
        row = np.asarray(masses[m][t] if hasattr(masses[0], "__len__") else masses, dtype=np.float64)
    except (TypeError, ValueError, IndexError) as error:
        raise MicrostateError(f"trajectory {m}, frame {t}: its masses cannot be read: {error}.") from error
    if row.shape != (n,):
        raise MicrostateError(f"trajectory {m}, frame {t} has {n} particles, but masses of shape {row.shape}.")
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
    if len(observables) != len(sets):
        raise MicrostateError(f"there are {len(sets)} trajectories, but observables of {len(observables)}.")
    try:
        values = np.asarray(observables[m], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MicrostateError(f"trajectory {m}: its observables are not an array of numbers: {error}.") from error
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
