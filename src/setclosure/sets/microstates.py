"""Microstates: unordered sets of particles as points and weights.

Dimension letters, here and everywhere: ``B`` microstates in a batch, ``N`` particles (the most of the batch),
``d`` features of a particle, ``S`` species, ``K`` Monte-Carlo samples, ``c`` numbers of a closure per species.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setclosure.errors import MicrostateError


@dataclass(frozen=True)
class MicrostateKind:
    """What a model is made for: the sizes that all its microstates share.

    Parameters
    ----------
    n_features : int
        Features of a particle, d.
    n_species : int
        Species, S.
    n_particles : int
        Particles of a training microstate, N (the most of them, if it varies). Models that read sets take any other
        number, too.
    """

    n_features: int
    n_species: int = 1
    n_particles: int = 1


@dataclass(frozen=True)
class MicrostateBatch:
    """A batch of microstates; everything about a set is a weight.

    A row of ``weights`` belongs to one species: it sums to one over that species' particles and is zero
    elsewhere. Padding is a zero weight, a species is a row, a mass or an intensity is a larger weight, and the
    target density of Eq. 2 is the mixture Σ_i w_i N(x_i, ε² I).

    Parameters
    ----------
    points : Tensor
        Features of the particles, ``(B, N, d)``, finite.
    weights : Tensor
        Weights, ``(B, S, N)``, not negative, each row with sum one.

    Raises
    ------
    MicrostateError
        If shapes or dtypes do not fit together; the message names all of them. (Values are checked where
        they enter, in :meth:`from_arrays`.)

    Examples
    --------
    >>> batch = MicrostateBatch.from_arrays([[[0.0, 0.0], [1.0, 0.0]], [[0.5, 0.5]]])
    >>> batch.points.shape, batch.weights.shape
    (torch.Size([2, 2, 2]), torch.Size([2, 1, 2]))
    >>> batch.weights[1].tolist()
    [[1.0, 0.0]]
    """

    points: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        p, w = self.points, self.weights
        if p.ndim != 3 or w.ndim != 3 or p.shape[0] != w.shape[0] or p.shape[1] != w.shape[2] or 0 in p.shape[1:]:
            raise MicrostateError(
                f"points have shape {tuple(p.shape)} and weights {tuple(w.shape)}; expected points (B, N, d) and "
                "weights (B, S, N) with the same B and N, and N, d ≥ 1."
            )
        if not p.is_floating_point() or p.dtype != w.dtype or p.device != w.device:
            raise MicrostateError(
                f"points are {p.dtype} on {p.device} and weights {w.dtype} on {w.device}; expected one "
                "floating-point dtype and one device for both."
            )

    def __len__(self) -> int:
        return self.points.shape[0]

    @property
    def n_features(self) -> int:
        """Features of a particle, d."""
        return self.points.shape[2]

    @property
    def n_species(self) -> int:
        """Number of species, S."""
        return self.weights.shape[1]

    @property
    def mask(self) -> Tensor:
        """Which of the N places hold a particle of any species, ``(B, N)`` boolean."""
        return (self.weights > 0).any(dim=1)

    @property
    def counts(self) -> Tensor:
        """Particles in each microstate, ``(B,)``."""
        return self.mask.sum(dim=1)

    def __getitem__(self, index: slice | Tensor | list[int]) -> MicrostateBatch:
        """Some of the microstates, as a batch."""
        return MicrostateBatch(self.points[index], self.weights[index])

    def to(self, *args: Any, **kwargs: Any) -> MicrostateBatch:
        """The same batch on another device or in another dtype, as :meth:`torch.Tensor.to`."""
        return MicrostateBatch(self.points.to(*args, **kwargs), self.weights.to(*args, **kwargs))

    def with_points(self, points: Tensor) -> MicrostateBatch:
        """The same weights on other points ``(B, N, d')``."""
        return MicrostateBatch(points, self.weights)

    def permuted(self, generator: torch.Generator | None = None) -> MicrostateBatch:
        """Each microstate with its particles in a random order of its own; as sets they are the same."""
        B, N, d = self.points.shape
        order = torch.rand(B, N, generator=generator, device=self.points.device).argsort(dim=1)
        return MicrostateBatch(
            self.points.gather(1, order[:, :, None].expand(-1, -1, d)),
            self.weights.gather(2, order[:, None].expand(-1, self.n_species, -1)),
        )

    @classmethod
    def from_points(cls, points: Tensor) -> MicrostateBatch:
        """One species, equal weights, no padding: from points ``(B, N, d)``, without looking at the values."""
        B, N, _ = points.shape
        weights = torch.full((1, 1, 1), 1.0 / N, dtype=points.dtype, device=points.device)
        return cls(points, weights.expand(B, 1, N))

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        species: Any = None,
        masses: Any = None,
        n_species: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> MicrostateBatch:
        """Build a batch from arrays, checking the values.

        Parameters
        ----------
        x : array, or sequence of arrays
            One microstate ``(N, d)``, several of one size ``(B, N, d)``, or a sequence of ``(N_b, d)``.
        species : array or sequence of arrays, optional
            Integer species 0 … S-1 of each particle, in the shape of ``x`` without its last axis.
        masses : array or sequence of arrays, optional
            Positive weights of the particles (masses, intensities), likewise; normalised per species here.
        n_species : int, optional
            S; the largest species + 1 by default.

        Raises
        ------
        MicrostateError
            If a set is empty, a coordinate is NaN or infinite, or the shapes do not fit.
        """
        sets = _as_sets(x)
        for b, points in enumerate(sets):
            _check_points(b, points, sets[0].shape[1], torch.finfo(dtype).max)
        kinds = _whole(_per_particle(species, sets, "species"), "species")
        mass = _per_particle(masses, sets, "masses")
        S = n_species if n_species is not None else (1 if kinds is None else 1 + max(int(k.max()) for k in kinds))
        N = max(len(points) for points in sets)
        all_points = np.zeros((len(sets), N, sets[0].shape[1]))
        all_weights = np.zeros((len(sets), S, N))
        for b, points in enumerate(sets):
            n = len(points)
            all_points[b, :n] = points
            m = np.ones(n) if mass is None else mass[b]
            if not np.all(np.isfinite(m)) or np.any(m <= 0):
                raise MicrostateError(f"microstate {b}: masses must be finite and positive; got {m.min()} … {m.max()}.")
            kind = np.zeros(n, dtype=np.int64) if kinds is None else kinds[b]
            if kind.min() < 0 or kind.max() >= S:
                raise MicrostateError(
                    f"microstate {b}: species run from {kind.min()} to {kind.max()}; expected 0 to {S - 1}."
                )
            for s in range(S):
                of_s = kind == s
                if not of_s.any():
                    raise MicrostateError(
                        f"microstate {b} has no particle of species {s}; each of the {S} species needs at least one."
                    )
                all_weights[b, s, :n] = np.where(of_s, m, 0.0) / m[of_s].sum()
        return cls(torch.as_tensor(all_points, dtype=dtype), torch.as_tensor(all_weights, dtype=dtype))


def as_microstates(x: Any, dtype: torch.dtype = torch.float32) -> MicrostateBatch:
    """A :class:`MicrostateBatch` in ``dtype`` with checked values, or :meth:`MicrostateBatch.from_arrays` of ``x``.

    Raises
    ------
    MicrostateError
        As :meth:`MicrostateBatch.from_arrays`.
    """
    if not isinstance(x, MicrostateBatch):
        return MicrostateBatch.from_arrays(x, dtype=dtype)
    if len(x) == 0:
        raise MicrostateError("the batch holds no microstate; expected at least one.")
    batch = x.to(dtype)
    finite = batch.points.isfinite().flatten(1).all(dim=1)
    if not bool(finite.all()):
        wrong = int(torch.nonzero(~finite)[0])
        raise MicrostateError(
            f"microstate {wrong} has a coordinate that is NaN, infinite or too large. Remove it or repair its source."
        )
    return batch


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


def real_numbers(x: Any, what: str) -> np.ndarray[Any, Any]:
    """An array or tensor of real numbers as float64.

    Raises
    ------
    MicrostateError
        If it is none: ragged, or of texts, complex numbers or truth values. It begins with ``what``.
    """
    try:
        array = np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x)
        if array.dtype.kind not in "iufO":
            raise TypeError(f"got {array.dtype.name}")
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise MicrostateError(f"{what} must be an array of real numbers: {error}.") from error


def _check_points(b: int, points: np.ndarray[Any, Any], n_features: int, largest: float) -> None:
    if points.ndim != 2:
        raise MicrostateError(f"microstate {b} has shape {points.shape}; expected (N, d).")
    if len(points) == 0:
        raise MicrostateError(f"microstate {b} is empty; a set needs at least one particle.")
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


def _per_particle(values: Any, sets: list[np.ndarray[Any, Any]], name: str) -> list[np.ndarray[Any, Any]] | None:
    """One one-dimensional array per microstate, of that microstate's length."""
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


def _whole(parts: list[np.ndarray[Any, Any]] | None, name: str) -> list[np.ndarray[Any, Any]] | None:
    return None if parts is None else [whole_numbers(part, name) for part in parts]


def whole_numbers(numbers: np.ndarray[Any, Any], what: str) -> np.ndarray[Any, Any]:
    """Numbers as integers.

    Raises
    ------
    MicrostateError
        If some have a fraction. It begins with ``what``.
    """
    if (numbers != np.rint(numbers)).any():  # NaN, too
        raise MicrostateError(f"{what} must be whole numbers; got fractions.")
    return numbers.astype(np.int64)
