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
from setclosure.sets.cell import cell_matrices
from setclosure.sets.features import Features, as_features


@dataclass(frozen=True)
class MicrostateKind:
    """The sizes that all microstates of a model share.

    Parameters
    ----------
    features : Features or int
        The features of a particle; a number stands for so many positions.
    n_species : int
        Species, S.
    n_particles : int
        Particles of a training microstate, N (the most of them, if it varies). Models that read sets take any other
        number, too.

    Examples
    --------
    >>> MicrostateKind(2).features.names
    ('x', 'y')
    """

    features: Features
    n_species: int = 1
    n_particles: int = 1

    def __init__(self, features: Features | int, n_species: int = 1, n_particles: int = 1) -> None:
        object.__setattr__(self, "features", as_features(features))
        object.__setattr__(self, "n_species", n_species)
        object.__setattr__(self, "n_particles", n_particles)

    @property
    def n_features(self) -> int:
        """Features of a particle, d."""
        return self.features.d


@dataclass(frozen=True)
class MicrostateBatch:
    """A batch of microstates, in which everything about a set is a weight.

    A row of ``weights`` belongs to one species: it sums to one over that species' particles and is zero elsewhere.
    Padding is a zero weight, a species is a row, a mass or an intensity is a larger weight, and the target density of
    Eq. 2 is the mixture Σ_i w_i N(x_i, ε² I). A species without particles is a row of zeros: what is averaged over
    species leaves it out, and an encoder gives it the closure of an empty set.

    Parameters
    ----------
    points : Tensor
        Features of the particles, ``(B, N, d)``, finite.
    weights : Tensor
        Weights, ``(B, S, N)``, not negative, each row with sum one, or zero if the species is not there.
    features : Features, optional
        The roles of the d features; all are positions by default.
    cell : Tensor, optional
        Lattice vectors as rows, ``(B, k, k)``; a row of zeros is a direction that is not periodic.

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
    features: Features | None = None
    cell: Tensor | None = None

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
        if self.features is None:
            object.__setattr__(self, "features", Features(p.shape[2]))
        elif self.features.d != p.shape[2]:
            raise MicrostateError(
                f"points have {p.shape[2]} features and these are described as {self.features.d}: "
                f"{', '.join(self.features.names)}."
            )
        k = self.roles.position
        if self.cell is not None and self.cell.shape != (p.shape[0], k, k):
            raise MicrostateError(f"cells have shape {tuple(self.cell.shape)}; expected {(p.shape[0], k, k)}.")

    def __len__(self) -> int:
        return self.points.shape[0]

    def __repr__(self) -> str:
        B, N, _ = self.points.shape
        box = "" if self.cell is None else ", in a cell"
        return (
            f"MicrostateBatch of {B} microstates: up to {N} particles of {self.n_species} species, features "
            f"{', '.join(self.roles.names)}{box}, {self.points.dtype} on {self.points.device}"
        )

    @property
    def roles(self) -> Features:
        """The roles of the features; positions where none were given."""
        if self.features is None:  # never after __post_init__; for the type checker
            return Features(self.points.shape[2])
        return self.features

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

    @property
    def present(self) -> Tensor:
        """Which species have a particle, ``(B, S)`` boolean."""
        return (self.weights > 0).any(dim=2)

    @property
    def particle_weights(self) -> Tensor:
        """Weights of the particles over all species that are there, ``(B, N)``; each row sums to one, or is empty."""
        if self.n_species == 1:
            return self.weights[:, 0]
        return self.weights.sum(dim=1) / self.present.sum(dim=1, keepdim=True).clamp(min=1)

    def mean(self) -> Tensor:
        """Weighted mean of each feature over the particles, ``(B, d)``; padding does not count."""
        return (self.particle_weights[:, None] @ self.points)[:, 0]

    def standard_deviation(self) -> Tensor:
        """Weighted standard deviation of each feature over the particles, ``(B, d)``; padding does not count.

        Examples
        --------
        >>> MicrostateBatch.from_arrays([[[0.0], [2.0]], [[5.0]]]).standard_deviation().tolist()
        [[1.0], [0.0]]
        """
        deviation = self.points - self.mean()[:, None]
        return (self.particle_weights[:, None] @ deviation.square())[:, 0].sqrt()

    def __getitem__(self, index: slice | Tensor | list[int]) -> MicrostateBatch:
        """Some of the microstates, as a batch."""
        cell = None if self.cell is None else self.cell[index]
        return MicrostateBatch(self.points[index], self.weights[index], self.features, cell)

    def to(self, *args: Any, **kwargs: Any) -> MicrostateBatch:
        """Give the same batch on another device or in another dtype, as :meth:`torch.Tensor.to`."""
        cell = None if self.cell is None else self.cell.to(*args, **kwargs)
        return MicrostateBatch(self.points.to(*args, **kwargs), self.weights.to(*args, **kwargs), self.features, cell)

    def with_points(self, points: Tensor) -> MicrostateBatch:
        """Give the same weights, features and cell with other points ``(B, N, d)``."""
        return MicrostateBatch(points, self.weights, self.features, self.cell)

    def with_weights(self, weights: Tensor) -> MicrostateBatch:
        """Give the same points, features and cell with other weights ``(B, S, N)``."""
        return MicrostateBatch(self.points, weights, self.features, self.cell)

    def permuted(self, generator: torch.Generator | None = None) -> MicrostateBatch:
        """Give each microstate with its particles in a random order of its own; as sets they are the same."""
        B, N, d = self.points.shape
        order = torch.rand(B, N, generator=generator, device=self.points.device).argsort(dim=1)
        return MicrostateBatch(
            self.points.gather(1, order[:, :, None].expand(-1, -1, d)),
            self.weights.gather(2, order[:, None].expand(-1, self.n_species, -1)),
            self.features,
            self.cell,
        )

    @classmethod
    def from_points(
        cls, points: Tensor, features: Features | None = None, cell: Tensor | None = None
    ) -> MicrostateBatch:
        """Make one species with equal weights and no padding from points ``(B, N, d)``, without checking values."""
        B, N, _ = points.shape
        weights = torch.full((1, 1, 1), 1.0 / N, dtype=points.dtype, device=points.device)
        return cls(points, weights.expand(B, 1, N), features, cell)

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        species: Any = None,
        masses: Any = None,
        n_species: int | None = None,
        dtype: torch.dtype = torch.float32,
        *,
        features: Features | Sequence[str] | None = None,
        roles: Sequence[str] | None = None,
        cell: Any = None,
    ) -> MicrostateBatch:
        """Build a batch from arrays, checking the values.

        Parameters
        ----------
        x : array, or sequence of arrays
            One microstate ``(N, d)``, several of one size ``(B, N, d)``, or a sequence of ``(N_b, d)``. A set of
            ``(0, d)`` is empty.
        species : array or sequence of arrays, optional
            Integer species 0 … S-1 of each particle, in the shape of ``x`` without its last axis.
        masses : array or sequence of arrays, optional
            Positive weights of the particles (masses, intensities), likewise; normalised per species here.
        n_species : int, optional
            S; the largest species + 1 by default. A species may lack particles.
        dtype : torch.dtype
            Of points and weights.
        features : Features or sequence of str, optional
            The roles of the d features, or their names together with ``roles``.
        roles : sequence of str, optional
            ``"position"``, ``"vector"`` or ``"scalar"`` for each name in ``features``.
        cell : array, optional
            Lengths ``(k,)`` or lattice vectors ``(k, k)`` for all microstates, or one of these for each, ``(B, …)``.

        Raises
        ------
        MicrostateError
            If a coordinate is NaN or infinite, or the shapes do not fit.
        """
        sets = _as_sets(x)
        for b, points in enumerate(sets):
            _check_points(b, points, sets[0].shape[1], torch.finfo(dtype).max)
        kinds = _whole(_per_particle(species, sets, "species"), "species")
        mass = _per_particle(masses, sets, "masses")
        S = n_species if n_species is not None else _species_of(kinds)
        N = max(1, *(len(points) for points in sets))
        all_points = np.zeros((len(sets), N, sets[0].shape[1]))
        all_weights = np.zeros((len(sets), S, N))
        for b, points in enumerate(sets):
            n = len(points)
            if n == 0:
                continue
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
                if of_s.any():
                    all_weights[b, s, :n] = np.where(of_s, m, 0.0) / m[of_s].sum()
        known = None if features is None else as_features(features, roles)
        boxes = None if cell is None else _cells(cell, len(sets), known or Features(sets[0].shape[1]))
        return cls(
            torch.as_tensor(all_points, dtype=dtype),
            torch.as_tensor(all_weights, dtype=dtype),
            known,
            None if boxes is None else torch.tensor(boxes, dtype=dtype),
        )


def _species_of(kinds: list[np.ndarray[Any, Any]] | None) -> int:
    return 1 if kinds is None else 1 + max((int(kind.max()) for kind in kinds if len(kind)), default=0)


def _cells(cell: Any, B: int, features: Features) -> np.ndarray[Any, Any]:
    k = features.position
    array = np.asarray(cell, dtype=np.float64)
    per_set = array.ndim == 3 or (array.ndim == 2 and array.shape == (B, k) and k != B)
    matrices = cell_matrices(array, k)
    if per_set and len(matrices) != B:
        raise MicrostateError(
            f"there are {B} microstates and {len(matrices)} cells; expected one for each, or for all."
        )
    return np.broadcast_to(matrices, (B, k, k))


def as_microstates(x: Any, dtype: torch.dtype = torch.float32) -> MicrostateBatch:
    """Give a :class:`MicrostateBatch` with checked values in ``dtype``: ``x`` itself, or made from its arrays.

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
