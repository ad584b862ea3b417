"""The motion of particles about their common centre, in numbers that no shift and no rotation changes."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from setclosure.descriptors.base import Array, DescriptorConfig
from setclosure.errors import ModelError
from setclosure.registry import register
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

_OF_VELOCITY = ("speed", "radial velocity", "tangential velocity", "angular momentum")


@register("descriptor", "radial")
class RadialConfig(DescriptorConfig):
    """The options of distance, speed, radial and tangential velocity and angular momentum about the centre.

    Distances are from the centre of mass, and velocities are relative to the mean velocity. The angular momentum of a
    particle is that of a unit mass, r × v.

    Examples
    --------
    >>> pair = MicrostateBatch.from_arrays([[[3.0, 4.0], [-3.0, -4.0]]])
    >>> RadialConfig().describe(pair)[0].tolist()
    [[5.0], [5.0]]
    """

    velocity: str | None = Field(
        None, description="Name of the first component of the velocity; the first vector by default."
    )
    signed: bool = Field(
        False,
        description="Whether, in the plane, tangential velocity and angular momentum have a sign, which mirroring "
        "changes.",
    )

    def features(self, kind: MicrostateKind) -> Features:
        """Name the columns: the distance and, if particles have a velocity, four numbers of it.

        Raises
        ------
        ModelError
            If particles have no position or lie in a periodic cell, or there is no such vector.
        """
        if kind.features.position < 1:
            raise ModelError("descriptor 'radial' needs positions, and particles have none. Leave it out.")
        if any(kind.periodic):
            raise ModelError(
                "descriptor 'radial' describes motion about a centre, and a periodic cell has none. Use 'environment'."
            )
        if self.signed and kind.features.position != 2:
            raise ModelError(
                "descriptor 'radial': signs (signed: true) are for the plane; positions have "
                f"{kind.features.position} coordinates."
            )
        names = ("distance", *_OF_VELOCITY) if self._columns(kind.features) is not None else ("distance",)
        return Features(position=0, scalars=len(names), names=names)

    def describe(self, batch: MicrostateBatch) -> Array:
        """Give the motion of the particles about the centre, ``(B, N, 1)`` or ``(B, N, 5)``."""
        roles = batch.roles
        relative = (batch.points.double() - batch.mean().double()[:, None]).cpu().numpy()
        r = relative[..., : roles.position]
        distance = np.linalg.norm(r, axis=-1)
        columns = self._columns(roles)
        if columns is None:
            return np.asarray(distance[..., None])
        v = relative[..., columns]
        direction = np.divide(r, distance[..., None], out=np.zeros_like(r), where=distance[..., None] > 0)
        radial = (direction * v).sum(axis=-1)
        if self.signed:
            tangential = direction[..., 0] * v[..., 1] - direction[..., 1] * v[..., 0]
        else:
            tangential = np.linalg.norm(v - radial[..., None] * direction, axis=-1)
        return np.stack([distance, np.linalg.norm(v, axis=-1), radial, tangential, distance * tangential], axis=-1)

    def _columns(self, features: Features) -> slice | None:
        """Find the columns of the velocity; None where there is no vector."""
        vectors = features.groups()[1:]
        if self.velocity is None:
            return vectors[0] if vectors else None
        for group in vectors:
            if features.names[group][0] == self.velocity:
                return group
        raise ModelError(
            f"descriptor 'radial': there is no vector whose first component is '{self.velocity}'; vectors begin with "
            f"{', '.join(features.names[group][0] for group in vectors) or 'none'}."
        )
