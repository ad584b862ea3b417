"""The surroundings of a particle: how many neighbours of which species it has, and how vectors around it are aligned.

In a homogeneous system the place of a particle says nothing and its surroundings say all. Their distribution over the
particles does not change when the microstate is shifted, turned or mirrored, or its particles are numbered anew.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, field_validator

from setclosure.descriptors.base import Array, DescriptorConfig
from setclosure.descriptors.environment_kernels import surroundings
from setclosure.descriptors.spacing import extent, usual_spacing
from setclosure.errors import MicrostateError, ModelError
from setclosure.registry import register
from setclosure.sets.cell_lists import completed_frames
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

NEAREST, WIDEST = 1.2, 1 / 3
"""``auto`` takes radii from this multiple of the usual distance of neighbours to this share of the cell."""

EMPTY = 0.1
"""A share counts so many neighbours of the mean composition beside those that there are, so that it is defined and
smooth where a particle has none."""

Radius = Annotated[float, Field(gt=0)]


@register("descriptor", "environment")
class EnvironmentConfig(DescriptorConfig):
    """The options of the surroundings of a particle.

    A neighbour within the radius R counts by a smooth weight: one below R (1 − softness), zero above R (1 + softness).
    Neighbours of masses or intensities count by their weight over the mean weight of their species.

    Examples
    --------
    >>> pair = MicrostateBatch.from_arrays([[[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]])
    >>> EnvironmentConfig(radii=(2.0,)).describe(pair)[0, :, 0].round(3).tolist()
    [1.0, 1.0, 0.0]
    """

    radii: tuple[Radius, ...] | Literal["auto"] = Field(
        "auto",
        description="Radii within which neighbours count, in the units of the positions; auto: from the usual distance "
        "of neighbours in training to a third of the cell.",
    )
    n_radii: int = Field(8, ge=1, description="How many radii auto takes, each the same multiple of the one before.")
    softness: float = Field(0.1, gt=0, lt=1, description="Half the width of the border of a radius, as a share of it.")
    numbers: Literal["auto", "counts", "shares", "both"] = Field(
        "auto",
        description="Neighbours of each species as counts, as shares of all neighbours, or as shares and the count of "
        "all; auto: shares for several species, counts for one. The particle's own species comes first.",
    )

    @field_validator("radii")
    @classmethod
    def _in_order(cls, value: tuple[float, ...] | str) -> tuple[float, ...] | str:
        return value if isinstance(value, str) else tuple(sorted(value))

    def fitted(self, batch: MicrostateBatch) -> Self:
        """Choose the radii from the distances of neighbours in training microstates.

        Raises
        ------
        ModelError
            If particles have no neighbours, or lie on each other.
        """
        if self.radii != "auto":
            return self
        spacing = usual_spacing(batch)
        widest = WIDEST * extent(batch)
        if not (np.isfinite(spacing) and spacing > 0 and widest > 0):
            raise ModelError(
                "descriptor 'environment' chooses its radii from the distances of neighbours, and the training "
                "microstates have none: most particles are alone, or lie on another one. Give radii: [1.0, 2.0] in the "
                "units of the positions."
            )
        first = NEAREST * spacing
        radii = np.geomspace(first, widest, self.n_radii) if widest > first else np.array([first])
        chosen = dict.fromkeys(float(f"{radius:.3g}") for radius in radii)
        return self.model_copy(update={"radii": tuple(chosen)})

    def features(self, kind: MicrostateKind) -> Features:
        """Name the columns: for each radius shares and counts by species, and of each vector its mean's size and lead.

        Raises
        ------
        ModelError
            If the particles have no position, or one of more than three coordinates.
        """
        k = kind.features.position
        if not 1 <= k <= 3:
            raise ModelError(
                f"descriptor 'environment' needs positions of one to three coordinates; particles have {k}. Leave it "
                "out of model.descriptors."
            )
        radii = ["auto"] * self.n_radii if self.radii == "auto" else [f"{radius:g}" for radius in self.radii]
        vectors = [kind.features.names[group][0] for group in kind.features.groups()[1:]]
        columns = self._of_species(kind.n_species)
        columns += [f"{what} {name}" for name in vectors for what in ("size of mean", "along mean")]
        return Features(position=0, scalars=len(columns) * len(radii), names=_named(columns, radii))

    def describe(self, batch: MicrostateBatch) -> Array:
        """Give the surroundings of the particles, ``(B, N, d)``.

        Raises
        ------
        MicrostateError
            If a cell is so narrow that two images of a particle could be neighbours of one.
        ModelError
            If the radii were not chosen yet.
        """
        if isinstance(self.radii, str):
            raise ModelError("the radii of descriptor 'environment' are 'auto'; fit() chooses them from training data.")
        k, S = batch.roles.position, batch.n_species
        radii = np.array(self.radii, dtype=np.float64)
        reach = radii[-1] * (1 + self.softness)
        cells = None if batch.cell is None else batch.cell.cpu().numpy()
        frames, periodic, heights = completed_frames(cells, len(batch), k)
        self._require_wide(heights, periodic, reach)
        weights = batch.weights.cpu().numpy().astype(np.float64)
        kinds = np.where((weights > 0).any(axis=1), (weights > 0).argmax(axis=1), -1)  # (B, N)
        relative = (weights * (weights > 0).sum(axis=2, keepdims=True)).sum(axis=1)
        points = batch.points.cpu().numpy().astype(np.float64)
        k_all = [points[..., group] for group in batch.roles.groups()[1:]]
        vectors = np.stack(k_all, axis=2) if k_all else np.zeros((*points.shape[:2], 0, k))
        counts, means = surroundings(
            points[..., :k], vectors, kinds, relative, frames, periodic, radii, radii * self.softness, S
        )
        columns = [self._numbers(counts, kinds, relative), *_of_vectors(means, vectors)]
        return np.concatenate(columns, axis=-1)

    def _of_species(self, S: int) -> list[str]:
        shown = self._shown(S)
        others = [""] if S == 2 else [f" {i + 1}" for i in range(S - 1)]
        if shown == "counts":
            return ["like"] + [f"other{i}" for i in others] if S > 1 else ["neighbours"]
        shares = ["share of like"] + [f"share of other{i}" for i in others[:-1]]
        return shares + (["neighbours"] if shown == "both" else [])

    def _shown(self, S: int) -> str:
        if S == 1:
            return "counts"
        return "shares" if self.numbers == "auto" else self.numbers

    def _numbers(self, counts: Array, kinds: Array, relative: Array) -> Array:
        """Give counts ``(B, N, S, n)``, own species first, as the columns that are wanted."""
        B, N, S, n = counts.shape
        shown = self._shown(S)
        if shown == "counts":
            return counts.reshape(B, N, S * n)
        total = counts.sum(axis=2)  # (B, N, n)
        present = np.stack([(relative * (kinds == s)).sum(axis=1) for s in range(S)], axis=1)  # (B, S)
        mean = present / np.maximum(present.sum(axis=1, keepdims=True), 1e-300)
        own = np.maximum(kinds, 0)
        order = np.array([[s, *(t for t in range(S) if t != s)] for s in range(S)])  # own species first
        of_mean = np.take_along_axis(mean[:, None], order[own], axis=2)  # (B, N, S)
        shares = (counts + EMPTY * of_mean[..., None]) / (total[:, :, None] + EMPTY)
        parts = [shares[:, :, :-1].reshape(B, N, (S - 1) * n)] + ([total] if shown == "both" else [])
        return np.concatenate(parts, axis=-1)

    def _require_wide(self, heights: Array, periodic: Array, reach: float) -> None:
        narrow = (heights < 2 * reach) & periodic
        if narrow.any():
            b, i = np.argwhere(narrow)[0]
            raise MicrostateError(
                f"the cell of microstate {b} of a batch is {heights[b, i]:.4g} wide along its lattice vector {i}; "
                f"surroundings within {reach:.4g} need {2 * reach:.4g} at least, or two images of one particle could "
                "be neighbours. Give descriptor 'environment' smaller radii."
            )


def _named(columns: list[str], radii: list[str]) -> tuple[str, ...]:
    if "auto" in radii:
        radii = [f"R{i + 1}" for i in range(len(radii))]
    return tuple(f"{column} within {radius}" for column in columns for radius in radii)


def _of_vectors(means: Array, vectors: Array) -> list[Array]:
    """Give for each vector the size of its local means ``(B, N, n)``, and their component along the particle's own."""
    columns = []
    for v in range(vectors.shape[2]):
        own = vectors[:, :, v]
        size = np.linalg.norm(own, axis=-1, keepdims=True)
        direction = np.divide(own, size, out=np.zeros_like(own), where=size > 0)
        mean = means[:, :, v]  # (B, N, n, k)
        columns += [np.linalg.norm(mean, axis=-1), np.einsum("bnrk,bnk->bnr", mean, direction)]
    return columns
