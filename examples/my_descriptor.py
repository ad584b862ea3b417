"""A descriptor of one's own: how far the nearest neighbour of a particle is, and the one after it.

    setclosure check-part descriptor nearest --plugin examples/my_descriptor.py
    setclosure --plugin examples/my_descriptor.py run my.yaml --out runs/nearest --set "model.descriptors=[nearest]"

Its numbers are scalars, so shifts and rotations must not change them; the conformance suite tries them.
"""

import numpy as np
from pydantic import Field

import setclosure
from setclosure.descriptors.base import Array, DescriptorConfig
from setclosure.sets.features import Features
from setclosure.sets.lattice import minimum_image
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


@setclosure.register("descriptor", "nearest")
class NearestConfig(DescriptorConfig):
    """Options of the descriptor: what a configuration may set, and checks."""

    neighbours: int = Field(2, ge=1, description="Nearest neighbours.")

    def features(self, kind: MicrostateKind) -> Features:
        """Name the columns, all of them scalars."""
        names = tuple(f"distance {i + 1}" for i in range(self.neighbours))
        return Features(position=0, scalars=self.neighbours, names=names)

    def describe(self, batch: MicrostateBatch) -> Array:
        """Give the distances ``(B, N, neighbours)``; zero where a particle has not so many neighbours."""
        mask, x = batch.mask.numpy(), batch.positions.double().numpy()
        out = np.zeros((*mask.shape, self.neighbours))
        for b in range(len(batch)):
            there = x[b, mask[b]]
            difference = there[:, None] - there
            if batch.cell is not None:
                difference = minimum_image(difference, batch.cell[b].double().numpy())
            distance = np.sort(np.linalg.norm(difference, axis=-1), axis=1)[:, 1 : 1 + self.neighbours]
            out[b, mask[b], : distance.shape[1]] = distance
        return out
