"""The layout that all trajectories of a data set share, and one trajectory."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from setclosure.errors import DatasetError, MicrostateError
from setclosure.sets.arrays import FILL
from setclosure.sets.cell import cell_matrices
from setclosure.sets.features import Features, as_features

Array = np.ndarray[Any, Any]

GIVEN = "given"
"""Stands for the name of the observable where its values were given and not its function."""

_LEVELS = 65535
"""Steps of a coordinate that is kept in 16 bits."""


@dataclass(frozen=True)
class Layout:
    """The facts that the trajectories of a data set have in common.

    Parameters
    ----------
    name : str
        Name of the system, for people.
    features : Features or int
        The features of a particle; a number stands for so many positions.
    max_frames : int
        The most frames of a trajectory, T.
    max_particles : int
        The most particles of a microstate, N.
    observable : str
        Registered name of the observable, or :data:`GIVEN`.
    observable_names, observable_units : tuple of str
        Names and units of its o numbers.
    units : str
        Units of lengths and energies, for people.
    time_unit : str
        Unit of the times, for people.
    species_names : tuple of str
        Names of the S species.
    context_names, context_units : tuple of str
        Names and units of the p numbers that are known from outside, such as a temperature.
    ragged : bool
        Whether the number of particles varies; then it may be zero, too.
    weighted : bool
        Whether particles have masses.
    has_cell : bool
        Whether microstates lie in a cell.
    bounds : tuple of (float, float) pairs, optional
        Least and largest value of each feature. With it coordinates are kept in 16 bits: they are rounded to
        1/65535 of the width between the bounds, so by at most :attr:`rounding`, and take half the space of float32.
    max_step : float, optional
        The longest time between successive frames from which dynamics may be learned; a longer one is a gap. By default
        that is found from the times (see :func:`setclosure.trajectories.transitions.longest_step`).
    description : str
        A sentence or two about the system, for people.

    Raises
    ------
    DatasetError
        If names are not all different, or a number is out of range.
    """

    name: str
    features: Features
    max_frames: int
    max_particles: int
    observable: str
    observable_names: tuple[str, ...]
    observable_units: tuple[str, ...] = ()
    units: str = ""
    time_unit: str = ""
    species_names: tuple[str, ...] = ("particles",)
    context_names: tuple[str, ...] = ()
    context_units: tuple[str, ...] = ()
    ragged: bool = False
    weighted: bool = False
    has_cell: bool = False
    bounds: tuple[tuple[float, float], ...] | None = None
    max_step: float | None = None
    description: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", as_features(self.features))
        for names in ("observable_names", "species_names", "context_names"):
            given = tuple(getattr(self, names))
            if len(set(given)) < len(given):
                raise DatasetError(f"{names}: each is expected once; got {given}.")
            object.__setattr__(self, names, given)
        for of in ("observable", "context"):
            names, units = getattr(self, f"{of}_names"), tuple(getattr(self, f"{of}_units"))
            units = units or ("",) * len(names)
            if len(units) != len(names):
                raise DatasetError(f"there are {len(names)} {of} names and {len(units)} units of them: {units}.")
            object.__setattr__(self, f"{of}_units", units)
        if self.max_frames < 2:
            raise DatasetError(
                f"a trajectory needs at least two frames; the most of these is {self.max_frames}. Microstates without "
                "a course in time go to ClosureModel.encode as arrays; they make no data set."
            )
        if self.max_step is not None and not self.max_step > 0:
            raise DatasetError(f"max_step is {self.max_step}; expected a positive time, or None.")
        if self.bounds is not None and (
            len(self.bounds) != self.features.d
            or not all(np.isfinite(side).all() and side[0] < side[1] for side in self.bounds)
        ):
            raise DatasetError(
                f"bounds are a finite (low, high) with low < high for each of the {self.features.d} features; "
                f"got {self.bounds}."
            )

    @property
    def n_species(self) -> int:
        """S."""
        return len(self.species_names)

    @property
    def rounding(self) -> Array:
        """Largest change that storage makes to a coordinate, ``(d,)``, beside the rounding of float32."""
        if self.bounds is None:
            return np.zeros(self.features.d)
        return np.asarray(np.ptp(np.array(self.bounds), axis=1) / (2 * _LEVELS))

    def stored(self, points: Array) -> Array:
        """Give points ``(*, d)`` as a store keeps them."""
        if self.bounds is None:
            return np.asarray(points, dtype=np.float32)
        low, high = np.array(self.bounds).T
        return np.asarray(np.rint((points - low) * (_LEVELS / (high - low))), dtype=np.uint16)

    def restored(self, stored: Array) -> Array:
        """Invert :meth:`stored`, in float32."""
        if self.bounds is None:
            return stored
        low, high = np.array(self.bounds).T
        return np.asarray(stored * np.float32((high - low) / _LEVELS) + np.float32(low))

    def arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape of one frame and dtype of every array that a trajectory has, by name."""
        N, k = self.max_particles, self.features.position
        arrays: dict[str, tuple[tuple[int, ...], str]] = {
            "points": ((N, self.features.d), "float32" if self.bounds is None else "uint16"),
            "observables": ((len(self.observable_names),), "float64"),
            "times": ((), "float64"),
        }
        if self.ragged:
            arrays["counts"] = ((), "int32")
        if self.n_species > 1:
            arrays["species"] = ((N,), "uint8")
        if self.weighted:
            arrays["masses"] = ((N,), "float32")
        if self.has_cell:
            arrays["cell"] = ((k, k), "float64")
        if self.context_names:
            arrays["context"] = ((len(self.context_names),), "float64")
        return arrays

    def to_json(self) -> dict[str, Any]:
        """Give the layout as JSON values."""
        values = {f.name: getattr(self, f.name) for f in fields(self)} | {"features": self.features.to_json()}
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Layout:
        """Read what :meth:`to_json` gave."""
        bounds = values["bounds"]
        return cls(
            **values
            | {
                "features": Features.from_json(values["features"]),
                "bounds": None if bounds is None else tuple((low, high) for low, high in bounds),
            }
        )


@dataclass(frozen=True)
class Trajectory:
    """One trajectory of T frames, as a simulator or a reader gives it.

    Parameters
    ----------
    points : array
        ``(T, N, d)``; places behind a frame's count are ignored.
    observables : array
        ``(T, o)``.
    times : array
        ``(T,)``, rising.
    counts : array, optional
        Particles in each frame, ``(T,)``; all N by default.
    species : array, optional
        Species 0 … S−1 of each place, ``(N,)`` or ``(T, N)``.
    masses : array, optional
        Positive weights of the particles, ``(T, N)``.
    cell : array, optional
        Lengths ``(k,)`` or lattice vectors ``(k, k)``, or one of these for each frame as ``(T, k, k)``.
    context : array, optional
        Numbers that are known from outside, ``(p,)`` or ``(T, p)``.
    """

    points: Array
    observables: Array
    times: Array
    counts: Array | None = None
    species: Array | None = None
    masses: Array | None = None
    cell: Array | None = None
    context: Array | None = None

    def packed(self, layout: Layout, index: int) -> dict[str, Array]:
        """Check the trajectory and give its arrays as a store keeps them, padded to ``layout.max_particles``.

        Raises
        ------
        MicrostateError
            If shapes do not fit the layout, times do not rise, or a number is NaN or infinite; the message names
            the trajectory (``index``) and the frame.
        """
        where = f"trajectory {index}"
        _refuse_masked(vars(self), where)
        given = {k: np.asarray(v) for k, v in vars(self).items() if v is not None}
        T = len(given["times"]) if given["times"].ndim == 1 else 0
        _check_times(given["times"], where, layout.max_frames)
        if layout.ragged and "counts" not in given and given["points"].ndim > 1:
            given["counts"] = np.full(T, given["points"].shape[1])
        for name in ("species", "context"):  # one row for the whole trajectory
            if name in given and given[name].ndim == 1:
                given[name] = np.broadcast_to(given[name], (T, *given[name].shape))
        if "cell" in given:
            matrices = _cells(given["cell"], layout.features.position, where)
            given["cell"] = np.broadcast_to(matrices, (T, *matrices.shape[-2:])) if matrices.ndim == 2 else matrices
        given = _padded(given, layout.max_particles)
        wanted = {name: (T, *shape) for name, (shape, _) in layout.arrays().items()}
        shapes = {name: array.shape for name, array in given.items()}
        if shapes != wanted:
            raise MicrostateError(f"{where} has arrays of shapes {shapes}; this data set keeps {wanted}.")
        N = layout.max_particles
        counts = given.get("counts", np.full(T, N))
        if (counts != np.rint(counts)).any():
            raise MicrostateError(f"{where} has counts of particles that are not whole numbers.")
        if counts.min() < 0 or counts.max() > N:
            t = int(np.argmin(counts) if counts.min() < 0 else np.argmax(counts))
            raise MicrostateError(f"{where}, frame {t} has {counts[t]} particles; expected 0 to {N}.")
        there = np.arange(N) < counts[:, None]  # (T, N)
        whole = np.ones(T, bool)
        _require_finite(given["points"], there, where, "a coordinate")
        _require_finite(given["observables"], whole, where, "an observable")
        if "context" in given:
            _require_finite(given["context"], whole, where, "a number of the context")
        if layout.bounds is not None:
            _require_inside(given["points"], there, layout.bounds, where)
        behind = 0.0 if layout.bounds is None else np.array(layout.bounds)[:, 0]
        given["points"] = layout.stored(np.where(there[..., None], given["points"], behind))
        if "masses" in given:
            _require_finite(given["masses"], there, where, "a mass")
            low = np.where(there, given["masses"], np.inf).min(axis=1)
            if low.min() <= 0:
                raise MicrostateError(f"{where}, frame {int(np.argmin(low))} has a mass that is not positive.")
            given["masses"] = np.where(there, given["masses"], 0.0)
        if "species" in given:
            _check_species(given["species"], there, layout.n_species, where)
            given["species"] = np.where(there, given["species"], 0)
        return {name: np.ascontiguousarray(given[name], dtype=dtype) for name, (_, dtype) in layout.arrays().items()}


def _refuse_masked(given: dict[str, Any], where: str) -> None:
    for name, values in given.items():
        if np.ma.is_masked(values):
            place = np.argwhere(np.ma.getmaskarray(values))[0].tolist()
            raise MicrostateError(
                f"{where} has {name} that are masked, first at {place}; expected numbers. Frames may have fewer "
                "particles by counts."
            )


def _cells(cell: Array, k: int, where: str) -> Array:
    try:
        return cell_matrices(cell, k)
    except MicrostateError as error:
        raise MicrostateError(f"{where}: {error}") from error


def _check_times(times: Array, where: str, max_frames: int) -> None:
    if times.ndim != 1 or not 2 <= len(times) <= max_frames:
        raise MicrostateError(
            f"{where} has times of shape {times.shape}; expected one for each of 2 to {max_frames} frames."
        )
    if not np.isfinite(times).all():
        t = int(np.argmin(np.isfinite(times)))
        raise MicrostateError(f"{where}, frame {t} has the time {times[t]}; expected a finite number.")
    still = np.flatnonzero(np.diff(times) <= 0)
    if len(still):
        t = int(still[0]) + 1
        kind = "the same time as" if times[t] == times[t - 1] else "an earlier time than"
        raise MicrostateError(
            f"{where}, frame {t} has {kind} the frame before it ({times[t]:g} after {times[t - 1]:g}); expected rising "
            "times. Leave the repeated frame out, or put the frames in order."
        )


def _padded(given: dict[str, Array], N: int) -> dict[str, Array]:
    """Give the arrays with zeros behind the particles, up to N places."""
    out = dict(given)
    for name in ("points", "species", "masses"):
        if name in given and given[name].ndim > 1 and given[name].shape[1] < N and "counts" in given:
            width = [(0, 0)] * given[name].ndim
            width[1] = (0, N - given[name].shape[1])
            out[name] = np.pad(given[name], width)
    return out


def _require_finite(values: Array, there: Array, where: str, what: str) -> None:
    good = (np.abs(values) <= np.finfo(np.float32).max) & (values != FILL)
    bad = there & ~good.reshape(*there.shape, -1).all(axis=-1)
    if bad.any():
        t, *particle = np.argwhere(bad)[0]
        of = f", particle {particle[0]}" if particle else ""
        raise MicrostateError(
            f"{where}, frame {t}{of} has {what} that is NaN, infinite or too large, or that netCDF writes where "
            "nothing was written. Remove that trajectory or repair its source."
        )


def _require_inside(points: Array, there: Array, bounds: tuple[tuple[float, float], ...], where: str) -> None:
    low, high = np.array(bounds).T
    bad = there & ~((points >= low) & (points <= high)).all(axis=-1)
    if bad.any():
        t, i = np.argwhere(bad)[0]
        raise MicrostateError(
            f"{where}, frame {t}, particle {i} is at {points[t, i].tolist()}, outside the bounds {bounds} of this data "
            "set."
        )


def _check_species(species: Array, there: Array, S: int, where: str) -> None:
    wrong = there & ((species < 0) | (species >= S) | (species != np.rint(species)))
    if wrong.any():
        t, i = np.argwhere(wrong)[0]
        raise MicrostateError(
            f"{where}, frame {t}, particle {i} has species {species[t, i]}; expected a whole number from 0 to {S - 1}."
        )
