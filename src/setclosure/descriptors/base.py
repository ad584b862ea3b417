"""Every descriptor keeps the protocol here, and its options have the base here."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from setclosure.parts import PartConfig
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

Array = np.ndarray[Any, Any]


class DescriptorConfig(PartConfig):
    """The base of descriptors: a subclass has options as fields, and maps a microstate to vectors of its particles.

    The vectors have roles, as features have: positions first, then vectors, then scalars. Scalars must not change when
    the microstate is shifted, turned or mirrored, and vectors must turn with it.
    """

    def fitted(self, batch: MicrostateBatch) -> Self:
        """Give the descriptor with numbers in the place of options that are chosen from training microstates.

        Parameters
        ----------
        batch : MicrostateBatch
            Training microstates.

        Raises
        ------
        ModelError
            If they give no such numbers.
        """
        return self

    def features(self, kind: MicrostateKind) -> Features:
        """Name the columns that the descriptor gives for microstates of a ``kind``, with their roles.

        Raises
        ------
        ModelError
            If it cannot describe such microstates.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what its columns are")

    def describe(self, batch: MicrostateBatch) -> Array:
        """Describe the particles of B microstates, ``(B, N, d)``; what stands in the places of padding is ignored.

        Raises
        ------
        MicrostateError
            If a microstate cannot be described.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it describes particles")
