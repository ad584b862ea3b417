"""What an ensemble holds: the layout all its trajectories share, and one trajectory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from setclosure.errors import EnsembleError, MicrostateError

Array = np.ndarray[Any, Any]

GIVEN = "given"
"""In the place of a registered name: observables are values whose function nobody gave."""

_LEVELS = 65535
"""Steps of a coordinate that is kept in 16 bits."""


@dataclass(frozen=True)
class Layout:
    """What the trajectories of an ensemble have in common.

    Parameters
    ----------
    name : str
        Of the system, for people.
    times : tuple of float
        Times of the T frames, rising.
    n_features : int
        d.
    max_particles : int
        N; the number of particles, or the most of them if ``ragged``.
    observable : str
        Registered name of the observable, or :data:`GIVEN`.
    observable_names : tuple of str
        Names of its o numbers.
    units : str
        Units of lengths, times and energies, for people.
    species_names : tuple of str
        Names of the S species.
    ragged : bool
        Whether the number of particles varies.
    weighted : bool
        Whether particles have masses.
    box : tuple of (float, float) pairs, optional
        Least and largest value of each feature. With it coordinates are kept in 16 bits: they are rounded to
        1/65535 of the width of the box, so by at most :attr:`rounding`, and take half the space of float32.
    """

    name: str
    times: tuple[float, ...]
    n_features: int
    max_particles: int
    observable: str
    observable_names: tuple[str, ...]
    units: str = "reduced"
    species_names: tuple[str, ...] = ("particles",)
    ragged: bool = False
    weighted: bool = False
    box: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", tuple(np.asarray(self.times).tolist()))
        for names in ("observable_names", "species_names"):
            given = tuple(getattr(self, names))
            if len(set(given)) < len(given):
                raise EnsembleError(f"{names}: each is expected once; got {given}.")
            object.__setattr__(self, names, given)
        if len(self.times) < 2 or not np.isfinite(self.times).all() or np.any(np.diff(self.times) <= 0):
            raise EnsembleError(
                f"a trajectory needs at least two frames at finite, rising times; got {len(self.times)} "
                f"frame(s) at {list(self.times[:5])}. Microstates without a course in time go to "
                "ClosureModel.encode as arrays; they make no ensemble."
            )
        if self.box is not None and (
            len(self.box) != self.n_features
            or not all(np.isfinite(side).all() and side[0] < side[1] for side in self.box)
        ):
            raise EnsembleError(
                f"a box has a finite (low, high) with low < high for each of the {self.n_features} features; "
                f"got {self.box}."
            )

    @property
    def n_frames(self) -> int:
        """T."""
        return len(self.times)

    @property
    def n_species(self) -> int:
        """S."""
        return len(self.species_names)

    @property
    def schema(self) -> int:
        """The oldest schema of the layout on disk that can hold this."""
        return 1 if self.box is None else 2

    @property
    def rounding(self) -> Array:
        """Largest change that storage makes to a coordinate, ``(d,)``, beside the rounding of float32."""
        return np.zeros(self.n_features) if self.box is None else np.ptp(np.array(self.box), axis=1) / (2 * _LEVELS)

    def stored(self, points: Array) -> Array:
        """Points ``(*, d)`` as a store keeps them."""
        if self.box is None:
            return np.asarray(points, dtype=np.float32)
        low, high = np.array(self.box).T
        return np.asarray(np.rint((points - low) * (_LEVELS / (high - low))), dtype=np.uint16)

    def restored(self, stored: Array) -> Array:
        """The inverse of :meth:`stored`, float32."""
        if self.box is None:
            return stored
        low, high = np.array(self.box).T
        return np.asarray(stored * np.float32((high - low) / _LEVELS) + np.float32(low))

    def arrays(self, n_trajectories: int) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of every array of M trajectories, by name."""
        M, T, N = n_trajectories, self.n_frames, self.max_particles
        arrays = {
            "points": ((M, T, N, self.n_features), "float32" if self.box is None else "uint16"),
            "observables": ((M, T, len(self.observable_names)), "float64"),
        }
        if self.ragged:
            arrays["counts"] = ((M, T), "int32")
        if self.n_species > 1:
            arrays["species"] = ((M, N), "uint8")
        if self.weighted:
            arrays["masses"] = ((M, T, N), "float32")
        return arrays

    def to_json(self) -> dict[str, Any]:
        """As JSON values; without the box where there is none, so that older layouts keep their fingerprints."""
        values = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        return {key: v for key, v in values.items() if key != "box" or v is not None}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Layout:
        """The inverse of :meth:`to_json`."""
        box = values.get("box")
        return cls(**values | {"box": None if box is None else tuple((low, high) for low, high in box)})


@dataclass(frozen=True)
class Trajectory:
    """T frames of one trajectory, as a simulator gives them.

    Parameters
    ----------
    points : array
        ``(T, N, d)``; places behind a frame's count are ignored.
    observables : array
        ``(T, o)``.
    counts : array, optional
        Particles in each frame, ``(T,)``; all N by default.
    species : array, optional
        Species 0 … S−1 of each place, ``(N,)``.
    masses : array, optional
        Positive weights of the particles, ``(T, N)``.
    """

    points: Array
    observables: Array
    counts: Array | None = None
    species: Array | None = None
    masses: Array | None = None

    def packed(self, layout: Layout, index: int) -> dict[str, Array]:
        """Check the trajectory and give its arrays as a store keeps them, padded to ``layout.max_particles``.

        Raises
        ------
        MicrostateError
            If shapes do not fit the layout, a set is empty, or a number is NaN or infinite; the message names
            the trajectory (``index``) and the frame.
        """
        where = f"trajectory {index}"
        wanted = {name: shape[1:] for name, (shape, _) in layout.arrays(1).items()}
        given = {k: np.asarray(v) for k, v in vars(self).items() if v is not None}
        if layout.ragged and "counts" not in given:
            given["counts"] = np.full(layout.n_frames, given["points"].shape[1])
        given = _padded(given, layout.max_particles)
        shapes = {name: array.shape for name, array in given.items()}
        if shapes != wanted:
            raise MicrostateError(f"{where} has arrays of shapes {shapes}; this ensemble keeps {wanted}.")
        counts = given.get("counts", np.full(layout.n_frames, layout.max_particles))
        if counts.min() < 1 or counts.max() > layout.max_particles:
            t = int(np.argmin(counts) if counts.min() < 1 else np.argmax(counts))
            raise MicrostateError(
                f"{where}, frame {t} has {counts[t]} particles; expected 1 to {layout.max_particles}."
            )
        there = np.arange(layout.max_particles) < counts[:, None]  # (T, N)
        _require_finite(given["points"], there, where, "a coordinate")
        _require_finite(given["observables"], np.ones(layout.n_frames, bool), where, "an observable")
        if layout.box is not None:
            _require_inside(given["points"], there, layout.box, where)
        behind = 0.0 if layout.box is None else np.array(layout.box)[:, 0]
        given["points"] = layout.stored(np.where(there[..., None], given["points"], behind))
        if "masses" in given:
            _require_finite(given["masses"], there, where, "a mass")
            low = np.where(there, given["masses"], np.inf).min(axis=1)
            if low.min() <= 0:
                raise MicrostateError(f"{where}, frame {int(np.argmin(low))} has a mass that is not positive.")
            given["masses"] = np.where(there, given["masses"], 0.0)
        if "species" in given:
            _check_species(given["species"], there, layout.n_species, where)
        return {name: np.ascontiguousarray(given[name], dtype=dtype) for name, (_, dtype) in layout.arrays(1).items()}


def _padded(given: dict[str, Array], N: int) -> dict[str, Array]:
    """The arrays with zeros behind the particles, up to N places."""
    axis = {"points": 1, "species": 0, "masses": 1}
    out = dict(given)
    for name, k in axis.items():
        if name in given and given[name].ndim > k and given[name].shape[k] < N and "counts" in given:
            width = [(0, 0)] * given[name].ndim
            width[k] = (0, N - given[name].shape[k])
            out[name] = np.pad(given[name], width)
    return out


def _require_finite(values: Array, there: Array, where: str, what: str) -> None:
    bad = there & ~(np.abs(values) <= np.finfo(np.float32).max).reshape(*there.shape, -1).all(axis=-1)
    if bad.any():
        t, *particle = np.argwhere(bad)[0]
        of = f", particle {particle[0]}" if particle else ""
        raise MicrostateError(
            f"{where}, frame {t}{of} has {what} that is NaN, infinite or too large. Remove that trajectory or repair "
            "its source."
        )


def _require_inside(points: Array, there: Array, box: tuple[tuple[float, float], ...], where: str) -> None:
    low, high = np.array(box).T
    bad = there & ~((points >= low) & (points <= high)).all(axis=-1)
    if bad.any():
        t, i = np.argwhere(bad)[0]
        raise MicrostateError(
            f"{where}, frame {t}, particle {i} is at {points[t, i].tolist()}, outside the box {box} of this ensemble."
        )


def _check_species(species: Array, there: Array, S: int, where: str) -> None:
    kinds = species[there.any(axis=0)]
    if kinds.min() < 0 or kinds.max() >= S:
        raise MicrostateError(f"{where} has species {kinds.min()} to {kinds.max()}; expected 0 to {S - 1}.")
    for s in range(S):
        lacking = ~(there & (species == s)).any(axis=1)
        if lacking.any():
            raise MicrostateError(
                f"{where}, frame {int(np.argmax(lacking))} has no particle of species {s}; each of the {S} species "
                "needs at least one."
            )
