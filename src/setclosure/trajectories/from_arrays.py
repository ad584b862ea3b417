"""Users' own arrays as the trajectories of a data set."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from setclosure.errors import DatasetError, MicrostateError, SetclosureWarning
from setclosure.observables.registered import Observable, as_observable, require_no_padding
from setclosure.sets.arrays import FILL, plain, real_numbers, unmasked, whole_numbers
from setclosure.sets.cell import cell_matrices
from setclosure.sets.features import Features, as_features
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.layout import GIVEN, Array, Layout, Trajectory
from setclosure.trajectories.suspicions import rounded, warn_of_suspicions

AS_GIVEN = ("points", "observables", "features", "roles", "context")
"""These are read part by part, so that nothing is copied whole."""


@dataclass(frozen=True)
class Given:
    """The arrays that a user gave; see :meth:`setclosure.TrajectoryDataset.from_arrays` for each."""

    points: Any
    observables: Any
    times: Any
    features: Any
    roles: Any
    species: Any
    masses: Any
    cell: Any
    context: dict[str, Any]


def as_names(names: Sequence[str] | str | None) -> tuple[str, ...]:
    """Give names as a tuple: one name stands for itself, None for no names."""
    return (names,) if isinstance(names, str) else tuple(names or ())


def read(
    given: Given,
    *,
    observable_names: tuple[str, ...],
    observable_units: tuple[str, ...],
    species_names: tuple[str, ...],
    context_units: dict[str, str],
    name: str,
    units: str,
    time_unit: str,
    max_step: float | None,
    description: str,
) -> tuple[Layout, list[Trajectory]]:
    """Read arrays into a layout and trajectories; see :meth:`setclosure.TrajectoryDataset.from_arrays`."""
    given = Given(**{key: value if key in AS_GIVEN else plain(value) for key, value in vars(given).items()})
    pairs = [[_set(x, m, t) for t, x in enumerate(frames)] for m, frames in enumerate(_trajectories(given.points))]
    sets = [[x for x, _ in frames] for frames in pairs]
    there = [[kept for _, kept in frames] for frames in pairs]
    if not sets:
        raise DatasetError("no trajectories were given; a data set has at least one.")
    M = len(sets)
    lengths = [len(frames) for frames in sets]
    if min(lengths) < 2:
        m = int(np.argmin(lengths))
        raise DatasetError(f"trajectory {m} has {lengths[m]} frames; expected at least two frames. Leave it out.")
    times = _times(given.times, lengths)
    d = sets[0][0].shape[1]
    for m, frames in enumerate(sets):
        for t, x in enumerate(frames):
            if x.shape[1] != d:
                raise MicrostateError(f"trajectory {m}, frame {t} has {x.shape[1]} features; expected {d}.")
    unknown = sorted(context_units.keys() - given.context.keys())
    if unknown:
        raise DatasetError(f"context_units names {', '.join(unknown)}, and the context is: {', '.join(given.context)}.")
    features = as_features(d if given.features is None else given.features, given.roles)
    if features.d != d:
        raise MicrostateError(
            f"particles have {d} features and these are described as {features.d}: {', '.join(features.names)}."
        )
    for words in rounded(features, [x for frames in sets for x in frames]):
        warnings.warn(words, SetclosureWarning, stacklevel=3)
    sizes = [np.array([len(x) for x in frames]) for frames in sets]
    N = int(max(1, *(n.max() for n in sizes)))
    ragged = any(bool((n != N).any()) for n in sizes)
    species = None if given.species is None else _species(given.species, sizes, there)
    S = (
        1
        if species is None
        else max(int(max(row.max(initial=0) for f in species for row in f)) + 1, len(species_names))
    )
    if species_names and len(species_names) != S:
        raise MicrostateError(f"there are {S} species and {len(species_names)} names of them: {species_names}.")
    masses = None if given.masses is None else _per_particle(given.masses, sizes, there, "masses")
    cells = None if given.cell is None else [_cell(given.cell, m, M, n, features) for m, n in enumerate(lengths)]
    computed = isinstance(given.observables, str) or callable(given.observables)
    known = as_observable(given.observables, observable_names or None) if computed else None
    values = [
        _observables(
            known,
            given.observables,
            sets[m],
            m,
            M,
            {
                "species": None if species is None else species[m],
                "masses": None if masses is None else masses[m],
                "n_species": S,
                "features": features,
                "cell": None if cells is None else np.broadcast_to(cells[m], (lengths[m], *cells[m].shape[-2:])),
            },
        )
        for m in range(M)
    ]
    o = values[0].shape[1]
    names = observable_names or (known.components if known else tuple(f"observable_{k}" for k in range(o)))
    if len(names) != o:
        raise MicrostateError(f"there are {o} observables and {len(names)} names of them: {', '.join(names)}.")
    layout = Layout(
        name=name,
        features=features,
        max_frames=max(lengths),
        max_particles=N,
        observable=known.name if known else GIVEN,
        observable_names=names,
        observable_units=observable_units or (known.units if known else ()),
        units=units,
        time_unit=time_unit,
        species_names=species_names or (("particles",) if S == 1 else tuple(f"species {s}" for s in range(S))),
        context_names=tuple(given.context),
        context_units=tuple(context_units.get(key, "") for key in given.context),
        ragged=ragged,
        weighted=masses is not None,
        has_cell=cells is not None,
        max_step=max_step,
        description=description,
    )
    trajectories = [
        Trajectory(
            points=_stacked(sets[m], N),
            observables=values[m],
            times=times[m],
            counts=sizes[m] if ragged else None,
            species=None if species is None or S == 1 else _stacked(species[m], N),
            masses=None if masses is None else _stacked(masses[m], N),
            cell=None if cells is None else cells[m],
            context=_context(given.context, m, M, lengths[m]) if given.context else None,
        )
        for m in range(M)
    ]
    places = {"species": given.species if S > 1 else None, "masses": given.masses}
    by_place = [what for what, values in places.items() if values is not None and _of_places(values)]
    warn_of_suspicions(layout, trajectories, by_place)
    return layout, trajectories


def _trajectories(points: Any) -> list[Any]:
    """List the M trajectories, each with T_m frames to go through."""
    points = plain(points) if hasattr(points, "to_numpy") or hasattr(points, "detach") else points
    of_objects = getattr(getattr(points, "dtype", None), "kind", "") == "O"  # sets of different sizes
    shape = None if of_objects else getattr(points, "shape", None)
    if points is None or isinstance(points, str) or (shape is not None and len(shape) != 4):
        what = f"have shape {tuple(shape)}" if shape is not None else f"are {points!r}"
        raise MicrostateError(
            f"points {what}; expected (M, T, N, d): trajectories, frames, particles, features; or sequences of them."
        )
    return list(points)


def _times(times: Any, lengths: list[int]) -> list[Array]:
    """Read times ``(T_m,)`` of every trajectory from one sequence for all, or one for each."""
    if not _has_length(times):
        raise MicrostateError(
            f"times must be an array of real numbers, one for each frame, (T,) or M sequences of them; got {times!r}."
        )
    listed = list(times)
    if listed and all(_has_length(t) for t in listed):
        if len(listed) != len(lengths):
            raise MicrostateError(f"there are {len(lengths)} trajectories and times of {len(listed)}.")
        rows = [real_numbers(list(t), f"trajectory {m}: times") for m, t in enumerate(listed)]
    else:
        rows = [real_numbers(listed, "times")] * len(lengths)
    for m, (row, T) in enumerate(zip(rows, lengths, strict=True)):
        if row.shape != (T,):
            raise MicrostateError(f"trajectory {m} has {T} frames, but there are times of shape {row.shape}.")
    return rows


def _set(x: Any, m: int, t: int) -> tuple[Array, Array | None]:
    """Read the particles of a frame, and which of those that were given are there, if some are masked."""
    x, there = unmasked(x, f"trajectory {m}, frame {t}")
    array = real_numbers(x, f"trajectory {m}, frame {t}")
    if array.ndim != 2 or array.shape[1] == 0:
        raise MicrostateError(
            f"trajectory {m}, frame {t} has shape {array.shape}; expected (N, d), or (0, d) if no particle is there."
        )
    storable = (np.abs(array) <= np.finfo(np.float32).max) & (array != FILL)  # False for NaN, too
    if not storable.all():
        i = int(np.argwhere(~storable)[0, 0])
        netcdf = " That is the number of netCDF where nothing was written." if (array[i] == FILL).any() else ""
        raise MicrostateError(
            f"trajectory {m}, frame {t}, particle {i} has a coordinate that is NaN or infinite in single precision, or "
            f"was never written: {array[i]}.{netcdf} Remove that trajectory or repair its source; a particle that is "
            "not there is left out, or masked in all features."
        )
    return array, there


def _species(species: Any, sizes: list[Array], there: list[list[Array | None]]) -> list[list[Array]]:
    """Read the species of the particles of every frame, from ``(N,)``, ``(M, N)``, ``(M, T, N)`` or sequences."""
    rows = _per_particle(species, sizes, there, "species")
    return [[_whole_species(row, f"trajectory {m}, frame {t}") for t, row in enumerate(f)] for m, f in enumerate(rows)]


def _whole_species(row: Array, where: str) -> Array:
    kinds = whole_numbers(row, f"{where}: species")
    if len(kinds) and (kinds.min() < 0 or kinds.max() > 255):
        raise MicrostateError(
            f"{where}: species run from {kinds.min()} to {kinds.max()}; expected 0 to S − 1, at most 255."
        )
    return kinds


def _per_particle(values: Any, sizes: list[Array], there: list[list[Array | None]], what: str) -> list[list[Array]]:
    """Read one number for each particle of every frame, from values for all, for a trajectory or for a frame.

    Values that are not given for each frame belong to places; a frame of fewer particles has the first places, or those
    that are not masked.
    """
    places = max(int(n.max()) for n in sizes)
    _require_rows(values, sizes, what)
    return [
        [_of_frame(values, m, t, int(n), places, what, there[m][t]) for t, n in enumerate(of_m)]
        for m, of_m in enumerate(sizes)
    ]


def _require_rows(values: Any, sizes: list[Array], what: str) -> None:
    """Refuse values of more trajectories, or of more frames, than there are."""
    if not (len(values) and _has_length(values[0])):
        return
    if len(values) > len(sizes):
        raise MicrostateError(f"{what} have {len(values)} rows, and there are {len(sizes)} trajectories.")
    for m, (of_m, n) in enumerate(zip(values, sizes, strict=False)):
        if len(of_m) and _has_length(of_m[0]) and len(of_m) > len(n):
            raise MicrostateError(f"trajectory {m} has {len(n)} frames, but {what} for {len(of_m)}.")


def _of_places(values: Any) -> bool:
    """Tell whether values were given as ``(N,)`` or ``(M, N)``, for places, and not for each frame."""
    depth = 0
    while len(values) and _has_length(values[0]):
        values, depth = values[0], depth + 1
    return depth < 2


def _of_frame(values: Any, m: int, t: int, n: int, places: int, what: str, there: Array | None) -> Array:
    given, depth = values, 0
    try:
        for index in (m, t):  # (M, T, N), (M, N) or (N,)
            if len(given) and _has_length(given[0]):
                given, depth = given[index], depth + 1
    except (TypeError, IndexError) as error:
        raise MicrostateError(f"trajectory {m}, frame {t}: its {what} cannot be read: {error}.") from error
    if there is not None and np.shape(given) == there.shape:
        given = plain(given)[there] if isinstance(given, np.ndarray) else np.asarray(given)[there]
    row = real_numbers(given, f"trajectory {m}, frame {t}: {what}")
    if there is None and depth < 2 and row.shape == (places,):
        row = row[:n]
    if row.shape != (n,):
        raise MicrostateError(
            f"trajectory {m}, frame {t} has {n} particles, but {what} of shape {row.shape}; expected one for each, as "
            "(N,) for all, (M, N) for each trajectory or (M, T, N) for each frame."
        )
    return row


def _cell(cell: Any, m: int, M: int, T: int, features: Features) -> Array:
    """Read the cell of one trajectory: ``(k, k)``, or ``(T, k, k)`` if it changes."""
    k = features.position
    of_each = isinstance(cell, Sequence) and len(cell) == M and all(np.ndim(of_one) >= 1 for of_one in cell)
    if of_each and {np.shape(of_one) for of_one in cell} != {(k,)}:
        array = real_numbers(cell[m], f"trajectory {m}: cell")
    else:
        whole = real_numbers(cell, "cell")
        if whole.shape == (M, k) == (k, k) and k > 1 and np.tril(whole, -1).any() and np.triu(whole, 1).any():
            raise MicrostateError(
                f"the cell has shape {whole.shape}, and there are {M} trajectories: it may be one matrix or the "
                f"lengths of {M} boxes. Give matrices, one for each trajectory: ({M}, {k}, {k})."
            )
        per_trajectory = whole.shape == (M, k) != (k, k) or (whole.ndim in (3, 4) and len(whole) == M)
        array = whole[m] if per_trajectory else whole
    try:
        matrices = cell_matrices(array, k)
    except MicrostateError as error:
        raise MicrostateError(f"trajectory {m}: {error}") from error
    if matrices.ndim > 3:
        raise MicrostateError(
            f"the cell has shape {np.shape(cell)} for {M} trajectories; expected one cell for all, for each trajectory "
            "or for each of their frames."
        )
    if matrices.ndim == 3 and len(matrices) != T:
        raise MicrostateError(f"trajectory {m} has {T} frames and {len(matrices)} cells; expected one for each frame.")
    return matrices


def _context(context: dict[str, Any], m: int, M: int, T: int) -> Array:
    """Read what is known from outside along one trajectory, ``(T, p)``."""
    columns = []
    for name, given in context.items():
        value = values = plain(given)
        if _has_length(values):
            if len(values) != M:
                raise MicrostateError(
                    f"the context '{name}' has {len(values)} entries for {M} trajectories; expected one number for "
                    "all, or one entry for each trajectory."
                )
            value = values[m]
        column = real_numbers(value, f"trajectory {m}: context '{name}'")
        if column.shape not in ((), (T,)):
            raise MicrostateError(
                f"trajectory {m} has {T} frames and an array of shape {column.shape} of the context '{name}'; "
                "expected one number, or one for each frame."
            )
        columns.append(np.broadcast_to(column, (T,)))
    return np.stack(columns, axis=1)


def _observables(
    known: Observable | None, observables: Any, frames: list[Array], m: int, M: int, options: dict[str, Any]
) -> Array:
    """Give ``(T, o)`` of trajectory ``m``: given, or computed from the microstates."""
    T = len(frames)
    if known is not None:
        batch = MicrostateBatch.from_arrays(frames, **options)
        try:
            values = known(batch)
            if m == 0:
                require_no_padding(known, batch)
            return values
        except Exception as error:  # of a user's function: any
            says = "" if isinstance(error, MicrostateError) else f"'{known.name}' stopped with {type(error).__name__}: "
            empty = [t for t, x in enumerate(frames) if not len(x)]
            hint = (
                f" Frame {empty[0]} has no particle: give the values of the observables, or a function that has one "
                "for an empty set."
                if empty
                else ""
            )
            raise MicrostateError(f"trajectory {m}: {says}{error}{hint}") from error
    if hasattr(observables, "to_numpy"):
        observables = plain(observables)  # a table's [m] is a column
    try:
        n = len(observables)
    except TypeError as error:
        raise MicrostateError(
            f"observables are {observables!r}; expected values (M, T, o), a function, or the name of a registered one."
        ) from error
    if n != M:
        raise MicrostateError(f"there are {M} trajectories, but observables of {n}.")
    values = real_numbers(observables[m], f"trajectory {m}: observables")
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != T:
        raise MicrostateError(f"trajectory {m} has observables of shape {values.shape}; expected ({T}, o).")
    return values


def _has_length(x: Any) -> bool:
    try:
        len(x)
    except TypeError:  # a number, or a tensor of none
        return False
    return not isinstance(x, str)


def _stacked(rows: list[Array], N: int) -> Array:
    """Give arrays of different lengths as one, with zeros behind."""
    out = np.zeros((len(rows), N, *rows[0].shape[1:]))
    for t, row in enumerate(rows):
        out[t, : len(row)] = row
    return out
