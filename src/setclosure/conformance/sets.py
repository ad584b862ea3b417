"""Random microstates on which parts are tried: sets of several sizes, species and weights, and sets of pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from setclosure.errors import ModelError
from setclosure.seeds import numpy_stream
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

STRAY = 7.5
"""Value that stands in the places of padding."""

N_PARTICLES = 12
"""Particles of the microstates for which parts are made."""

SETS = (MicrostateKind(2, 1, N_PARTICLES), MicrostateKind(Features(2, vectors=1, scalars=1), 2, N_PARTICLES))
"""Kinds of microstates: positions in the plane; and two species with a velocity and a charge."""

PIXELS = (
    MicrostateKind(Features(3, names=("column", "row", "grey")), 1, N_PARTICLES),
    MicrostateKind(Features(3, names=("column", "row", "grey")), 2, N_PARTICLES),
)
"""Kinds of images as sets of pixels, for parts that read or make images."""

_SIDE = 8  # pixels lie in a square of so many rows and columns, which is a part of every image

T = TypeVar("T")


@dataclass(frozen=True)
class Particles:
    """One microstate: points ``(n, d)``, species and masses ``(n,)``."""

    points: np.ndarray[Any, Any]
    species: np.ndarray[Any, Any]
    masses: np.ndarray[Any, Any]

    def reordered(self, order: np.ndarray[Any, Any]) -> Particles:
        """Give the particles in another order."""
        return Particles(self.points[order], self.species[order], self.masses[order])


def random_sets(kind: MicrostateKind, sizes: Sequence[int], seed: int = 0) -> list[Particles]:
    """Draw microstates of a kind, one for each size; every species has a particle if there are enough."""
    rng = numpy_stream(seed, "conformance", kind.n_features, kind.n_species)
    return [_pixels(rng, n, kind) if is_image(kind) else _particles(rng, n, kind) for n in sizes]


def is_image(kind: MicrostateKind) -> bool:
    """Tell whether particles of a kind are pixels."""
    return kind.features.names == PIXELS[0].features.names


def batched(
    sets: Sequence[Particles], kind: MicrostateKind, dtype: torch.dtype = torch.float64, stray: float = 0.0
) -> MicrostateBatch:
    """Make a batch of microstates; the places behind the particles of a set hold the number ``stray``."""
    batch = MicrostateBatch.from_arrays(
        [one.points for one in sets],
        [one.species for one in sets],
        [one.masses for one in sets],
        kind.n_species,
        dtype,
        features=kind.features,
    )
    return batch.with_points(batch.points.masked_fill(~batch.mask[..., None], stray))


def made_for(build: Callable[[MicrostateKind], T]) -> tuple[MicrostateKind, T]:
    """Make a part for positions in the plane, or for pixels if it is one for images; give the kind, too.

    Raises
    ------
    ModelError
        If it takes neither; what it says of positions in the plane.
    """
    try:
        return SETS[0], build(SETS[0])
    except ModelError as of_sets:
        try:
            return PIXELS[0], build(PIXELS[0])
        except ModelError:
            raise of_sets from None


def _particles(rng: np.random.Generator, n: int, kind: MicrostateKind) -> Particles:
    return Particles(rng.normal(size=(n, kind.n_features)), np.arange(n) % kind.n_species, rng.uniform(0.5, 2.0, n))


def _pixels(rng: np.random.Generator, n: int, kind: MicrostateKind) -> Particles:
    place = rng.permutation(_SIDE**2)[:n]
    points = np.stack([place % _SIDE + 0.5, place // _SIDE + 0.5, rng.integers(1, 256, n)], axis=1).astype(float)
    return Particles(points, np.arange(n) % kind.n_species, np.ones(n))
