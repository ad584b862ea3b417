"""Several descriptors are joined into one: their columns stand side by side, ordered by role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch

from setclosure.descriptors.as_they_are import FeaturesConfig
from setclosure.descriptors.base import Array, DescriptorConfig
from setclosure.errors import ModelError
from setclosure.sets.features import ROLES, Features
from setclosure.sets.lattice import require_cell
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

CHUNK_NUMBERS = 2**22
"""The most numbers of described particles that are made at once, for microstates that come many at a time."""


class Descriptors:
    """The descriptors of a model, joined.

    Parameters
    ----------
    parts : sequence of DescriptorConfig
        The descriptors, with numbers in the place of what is chosen from training microstates.
    kind : MicrostateKind
        The microstates that they describe.

    Attributes
    ----------
    kind, described : MicrostateKind
        Microstates as they are given, and as encoder, q_X and decoder see them.

    Raises
    ------
    ModelError
        If a descriptor cannot describe such microstates, or two columns have one name.

    Examples
    --------
    >>> both = Descriptors([FeaturesConfig()], MicrostateKind(2))
    >>> both.plain, both.described.features.names
    (True, ('x', 'y'))
    """

    def __init__(self, parts: Sequence[DescriptorConfig], kind: MicrostateKind) -> None:
        self.parts, self.kind = tuple(parts), kind
        given = [part.features(kind) for part in self.parts]
        if sum(f.position > 0 for f in given) > 1:
            raise ModelError("two descriptors give positions; one of them must leave its positions out.")
        self.plain = all(isinstance(part, FeaturesConfig) for part in self.parts) and given == [kind.features]
        """Whether particles stay as they are, so that nothing is computed."""
        names = [name for f in given for name in f.names]
        twice = [name for name, n in Counter(names).items() if n > 1]
        if twice:
            raise ModelError(f"two descriptors give columns of one name: {', '.join(twice)}. Leave one of them out.")
        roles = [role for f in given for role in f.roles]
        self._order = sorted(range(len(names)), key=lambda i: ROLES.index(roles[i]))
        features = Features.of([names[i] for i in self._order], [roles[i] for i in self._order])
        periodic = kind.periodic if features.position else ()
        self.described = MicrostateKind(features, kind.n_species, kind.n_particles, periodic=periodic)

    def check_fits(self, batch: MicrostateBatch) -> None:
        """Refuse microstates of another kind than those of training.

        Raises
        ------
        ModelError
            If the number of features or of species is another, or the microstates are periodic along other directions.
        """
        features, S = self.kind.features, self.kind.n_species
        if batch.n_features != features.d or batch.n_species != S:
            raise ModelError(
                f"the microstates have d = {batch.n_features} features and {batch.n_species} species; this model was "
                f"made for d = {features.d} ({', '.join(features.names)}) and {S} species. Give it microstates of the "
                "same kind (with several species MicrostateBatch.from_arrays(x, species=...)), or train another model."
            )
        require_cell(batch.cell, self.kind.periodic, features.names)

    def __call__(self, batch: MicrostateBatch) -> MicrostateBatch:
        """Describe the particles of B microstates; weights stay, and the cell stays if there are positions.

        Raises
        ------
        MicrostateError
            If a microstate cannot be described.
        """
        if self.plain:
            return batch
        given = batch.to("cpu")
        size = max(1, CHUNK_NUMBERS // (given.points.shape[1] * self.described.n_features))
        points = np.concatenate([self._columns(given[i : i + size]) for i in range(0, len(given), size)])
        features = self.described.features
        there = given.mask.numpy()[..., None]
        described = torch.as_tensor(np.where(there, points, 0.0), dtype=batch.points.dtype, device=batch.points.device)
        return MicrostateBatch(described, batch.weights, features, batch.cell if features.position else None)

    def _columns(self, batch: MicrostateBatch) -> Array:
        columns = []
        for part in self.parts:
            made = np.asarray(part.describe(batch))
            wanted = (*batch.points.shape[:2], part.features(self.kind).d)
            if made.shape != wanted:
                raise ModelError(
                    f"descriptor '{part.part_name}' gave columns of shape {made.shape}; expected {wanted}."
                )
            columns.append(made)
        joined = np.concatenate(columns, axis=-1)[..., self._order]
        finite = np.isfinite(joined).all(axis=-1) | ~batch.mask.numpy()
        if not finite.all():
            b, i = np.argwhere(~finite)[0]
            raise ModelError(
                f"a descriptor gave a number that is not finite for particle {i} of microstate {b} of a batch: "
                f"{joined[b, i].tolist()}."
            )
        return joined
