"""The order of the bonds of a particle with its nearest neighbours, by freud (Ramasubramani et al. 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field, PositiveInt

from setclosure.descriptors.base import Array, DescriptorConfig
from setclosure.errors import MissingExtraError, ModelError
from setclosure.registry import register
from setclosure.sets.cell_lists import completed_frames
from setclosure.sets.features import Features
from setclosure.sets.lattice import fractions
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

IN_SPACE = 12
"""The number of nearest neighbours in space."""

_ROOM = 3.0
"""The box of an open direction, in widths of the set: so wide that no image is a nearest neighbour."""


@register("descriptor", "bond_order")
class BondOrderConfig(DescriptorConfig):
    """The options of bond order: the size of ψ_n in the plane, and q_l in space.

    ψ_n (Nelson & Halperin 1979) is the mean of exp(i n θ) over the bonds with the n nearest neighbours, at angles θ.
    q_l (Steinhardt et al. 1983) is the rotationally invariant size of the mean spherical harmonics of degree l over the
    bonds with the nearest neighbours. Species do not matter.
    """

    orders: tuple[PositiveInt, ...] = Field((4, 6), min_length=1, description="Orders n in the plane, or degrees l.")
    neighbours: PositiveInt | None = Field(
        None, description="Nearest neighbours; n in the plane and 12 in space by default."
    )

    def features(self, kind: MicrostateKind) -> Features:
        """Name the columns, one for each order.

        Raises
        ------
        ModelError
            If positions have not two or three coordinates.
        """
        k = kind.features.position
        if k not in (2, 3):
            raise ModelError(f"descriptor 'bond_order' is for the plane and for space; positions have {k} coordinates.")
        symbol = "psi" if k == 2 else "q"
        return Features(position=0, scalars=len(self.orders), names=tuple(f"{symbol}{n}" for n in self.orders))

    def describe(self, batch: MicrostateBatch) -> Array:
        """Give the bond orders of the particles, ``(B, N, orders)``; zero for a particle that is alone.

        Raises
        ------
        MissingExtraError
            If freud is not installed.
        """
        try:
            import freud
        except ModuleNotFoundError as error:
            raise MissingExtraError("descriptor 'bond_order' needs: pip install 'setclosure[freud]'") from error
        k = batch.roles.position
        cells = None if batch.cell is None else batch.cell.cpu().numpy()
        frames, periodic, _ = completed_frames(cells, len(batch), k)
        mask, positions = batch.mask.cpu().numpy(), batch.positions.double().cpu()
        out = np.zeros((*mask.shape, len(self.orders)))
        for b in range(len(batch)):
            if mask[b].sum() < 2:
                continue
            x, frame = positions[b, mask[b]], frames[b, :k, :k]
            box, points = _in_box(freud, x, frame, periodic[:k])
            for column, n in enumerate(self.orders):
                out[b, mask[b], column] = self._orders(freud, box, points, n, k)
        return out

    def _orders(self, freud: Any, box: Any, points: Array, n: int, k: int) -> Array:
        if k == 2:
            query = {"num_neighbors": min(self.neighbours or n, len(points) - 1), "exclude_ii": True}
            return np.asarray(np.abs(freud.order.Hexatic(k=n).compute((box, points), neighbors=query).particle_order))
        query = {"num_neighbors": min(self.neighbours or IN_SPACE, len(points) - 1), "exclude_ii": True}
        return np.asarray(freud.order.Steinhardt(n).compute((box, points), neighbors=query).particle_order)


def _in_box(freud: Any, x: Any, frame: Array, periodic: Array) -> tuple[Any, Array]:
    """Give a box of freud, whose lattice is turned to lower-triangular form, and the points in it."""
    import torch

    k = len(frame)
    f = fractions(x[None], torch.from_numpy(frame)[None])[0].numpy()
    rows = frame.copy()
    for axis in range(k):
        if not periodic[axis]:
            width = _ROOM * max(float(np.ptp(f[:, axis])), 1e-6)
            f[:, axis] = (f[:, axis] - f[:, axis].mean()) / width
            rows[axis] *= width
    triangle = np.linalg.qr(rows.T)[1].T  # lower-triangular rows: the lattice, turned
    triangle *= np.sign(np.diag(triangle))
    h = np.eye(3)
    h[:k, :k] = triangle
    box = freud.box.Box(
        h[0, 0], h[1, 1], h[2, 2] if k == 3 else 0, h[1, 0] / h[1, 1], h[2, 0] / h[2, 2], h[2, 1] / h[2, 2], is2D=k == 2
    )
    points = np.zeros((len(x), 3), np.float32)
    points[:, :k] = (f - np.rint(f)) @ triangle
    return box, points
