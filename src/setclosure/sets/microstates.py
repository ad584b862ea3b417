"""A microstate is an unordered set of particles, which is stored as points and weights.

Shapes have the same letters everywhere: ``B`` microstates in a batch, ``N`` particles (of the largest set in the
batch), ``d`` features of a particle, ``S`` species, ``K`` Monte-Carlo samples, ``c`` numbers of a closure per species.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setclosure.errors import MicrostateError
from setclosure.sets.arrays import read_cells, read_per_particle, read_sets, weights_of, whole_numbers
from setclosure.sets.features import Features, as_features


@dataclass(frozen=True)
class MicrostateKind:
    """The features and sizes that all microstates of a model share.

    Parameters
    ----------
    features : Features or int
        The features of a particle; a number stands for so many positions.
    n_species : int
        The number of species, S.
    n_particles : int
        Particles of the largest training microstate, N. Models that read sets take any other number, too.
    periodic : tuple of bool
        Which lattice vectors of the cell are periodic, ``(k,)``; empty for microstates without a cell.
    circular : tuple of bool
        Which of the d features are angles in [-π, π), ``(d,)``; empty where none is. A decoder is told so of what it
        sees.

    Examples
    --------
    >>> MicrostateKind(2).features.names
    ('x', 'y')
    """

    features: Features
    n_species: int = 1
    n_particles: int = 1
    periodic: tuple[bool, ...] = ()
    circular: tuple[bool, ...] = ()

    def __init__(
        self,
        features: Features | int,
        n_species: int = 1,
        n_particles: int = 1,
        *,
        periodic: Sequence[bool] = (),
        circular: Sequence[bool] = (),
    ) -> None:
        object.__setattr__(self, "features", as_features(features))
        object.__setattr__(self, "n_species", n_species)
        object.__setattr__(self, "n_particles", n_particles)
        for name, given, n in (
            ("periodic", periodic, self.features.position),
            ("circular", circular, self.features.d),
        ):
            if given and len(given) != n:
                raise MicrostateError(f"{name} has {len(given)} entries; expected {n}, or none.")
            object.__setattr__(self, name, tuple(map(bool, given)) if any(given) else ())

    @property
    def n_features(self) -> int:
        """The number of features of a particle, d."""
        return self.features.d


@dataclass(frozen=True)
class MicrostateBatch:
    """A batch of microstates as points and weights.

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
        """The roles of the features; all are positions where none were given."""
        if self.features is None:  # never after __post_init__; for the type checker
            return Features(self.points.shape[2])
        return self.features

    @property
    def n_features(self) -> int:
        """The number of features of a particle, d."""
        return self.points.shape[2]

    @property
    def n_species(self) -> int:
        """The number of species, S."""
        return self.weights.shape[1]

    @property
    def positions(self) -> Tensor:
        """The positions of the particles, ``(B, N, k)``; all features if they have no roles or none is a position."""
        k = self.roles.position
        return self.points[..., :k] if k else self.points

    @property
    def mask(self) -> Tensor:
        """Whether each of the N places holds a particle of any species, ``(B, N)`` boolean."""
        return (self.weights > 0).any(dim=1)

    @property
    def counts(self) -> Tensor:
        """The number of particles in each microstate, ``(B,)``."""
        return self.mask.sum(dim=1)

    @property
    def present(self) -> Tensor:
        """Whether each species has a particle, ``(B, S)`` boolean."""
        return (self.weights > 0).any(dim=2)

    @property
    def particle_weights(self) -> Tensor:
        """The weights of the particles, averaged over the species that are there, ``(B, N)``.

        Each row sums to one, or to zero for an empty microstate.
        """
        if self.n_species == 1:
            return self.weights[:, 0]
        return self.weights.sum(dim=1) / self.present.sum(dim=1, keepdim=True).clamp(min=1)

    def mean(self) -> Tensor:
        """Give the weighted mean of each feature over the particles, ``(B, d)``; padding does not count."""
        return (self.particle_weights[:, None] @ self.points)[:, 0]

    def standard_deviation(self) -> Tensor:
        """Give the weighted standard deviation of each feature over the particles, ``(B, d)``; padding does not count.

        Examples
        --------
        >>> MicrostateBatch.from_arrays([[[0.0], [2.0]], [[5.0]]]).standard_deviation().tolist()
        [[1.0], [0.0]]
        """
        deviation = self.points - self.mean()[:, None]
        return (self.particle_weights[:, None] @ deviation.square())[:, 0].sqrt()

    def __getitem__(self, index: slice | Tensor | list[int]) -> MicrostateBatch:
        """Give some of the microstates as a batch."""
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
        """Give the same sets, each with its particles in a random order of its own."""
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
        """Make a batch of one species with equal weights and no padding, without checking values.

        Parameters
        ----------
        points : Tensor
            Features of the particles, ``(B, N, d)``.
        features : Features, optional
            The roles of the d features; all are positions by default.
        cell : Tensor, optional
            Lattice vectors as rows, ``(B, k, k)``.
        """
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
        """Make a batch from arrays, and check the values.

        Parameters
        ----------
        x : array, or sequence of arrays
            One microstate ``(N, d)``, several of one size ``(B, N, d)``, or a sequence of ``(N_b, d)``. A set of
            ``(0, d)`` is empty. A particle all of whose features are masked is not there.
        species : array or sequence of arrays, optional
            The species of each particle, whole numbers 0 … S − 1, in the shape of ``x`` without its last axis.
        masses : array or sequence of arrays, optional
            Positive weights of the particles (masses, intensities), likewise; normalised per species here.
        n_species : int, optional
            The number of species, S; the largest species + 1 by default. A species may lack particles.
        dtype : torch.dtype
            The dtype of points and weights.
        features : Features or sequence of str, optional
            The roles of the d features, or their names together with ``roles``.
        roles : sequence of str, optional
            ``"position"``, ``"vector"`` or ``"scalar"`` for each name in ``features``.
        cell : array, optional
            Lengths ``(k,)`` or lattice vectors ``(k, k)`` for all microstates, or one of these for each, ``(B, …)``.

        Raises
        ------
        MicrostateError
            If a coordinate is NaN or infinite, a mass is not positive, a species is out of range, or the shapes do not
            fit.

        Examples
        --------
        >>> batch = MicrostateBatch.from_arrays([[0.0], [1.0], [2.0]], species=[0, 0, 1], masses=[1.0, 3.0, 2.0])
        >>> batch.weights.tolist()
        [[[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]]]
        """
        sets, there = read_sets(x, torch.finfo(dtype).max)
        kinds = read_per_particle(species, sets, "species", there)
        weights = weights_of(
            sets,
            None if kinds is None else [whole_numbers(kind, "species") for kind in kinds],
            read_per_particle(masses, sets, "masses", there),
            n_species,
        )
        points = np.zeros((len(sets), weights.shape[2], sets[0].shape[1]))
        for b, of_set in enumerate(sets):
            points[b, : len(of_set)] = of_set
        known = None if features is None else as_features(features, roles)
        boxes = None if cell is None else read_cells(cell, len(sets), (known or Features(points.shape[2])).position)
        return cls(
            torch.as_tensor(points, dtype=dtype),
            torch.as_tensor(weights, dtype=dtype),
            known,
            None if boxes is None else torch.as_tensor(boxes, dtype=dtype),
        )


def as_microstates(x: Any, dtype: torch.dtype = torch.float32) -> MicrostateBatch:
    """Make a batch with checked values from a batch or from arrays.

    Parameters
    ----------
    x : MicrostateBatch, array, or sequence of arrays
        A batch, or anything that :meth:`MicrostateBatch.from_arrays` takes.
    dtype : torch.dtype
        The dtype of points and weights.

    Raises
    ------
    MicrostateError
        If there is no microstate, a coordinate is NaN or infinite in ``dtype``, or shapes do not fit.

    Examples
    --------
    >>> len(as_microstates([[[0.0], [1.0]], [[2.0]]]))
    2
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
