"""The features as they are: the descriptor of the paper."""

from __future__ import annotations

from pydantic import Field

from setclosure.descriptors.base import Array, DescriptorConfig
from setclosure.errors import ModelError
from setclosure.registry import register
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


@register("descriptor", "features")
class FeaturesConfig(DescriptorConfig):
    """The options of features as they are.

    Examples
    --------
    >>> FeaturesConfig(keep=("q",)).features(MicrostateKind(Features(position=2, scalars=1, names=("x", "y", "q"))))
    Features(position=0, vectors=0, scalars=1, names=('q',))
    """

    keep: tuple[str, ...] = Field((), description="Names of the features that are kept; all by default.")

    def features(self, kind: MicrostateKind) -> Features:
        """Name the kept features; a position or a vector is kept as a whole, and vectors need the position.

        Raises
        ------
        ModelError
            If there is no such feature, or a part of a position or a vector is left out.
        """
        given = kind.features
        unknown = [name for name in self.keep if name not in given.names]
        if unknown:
            raise ModelError(
                f"descriptor 'features' was to keep {', '.join(unknown)}; particles have {', '.join(given.names)}."
            )
        columns = self._columns(given)
        kept = set(columns)
        for group in given.groups():
            of_group = set(range(given.d)[group])
            if kept & of_group and not of_group <= kept:
                names = ", ".join(given.names[group])
                raise ModelError(f"descriptor 'features': {names} belong together; keep all of them, or none.")
        roles = [given.roles[i] for i in columns]
        if "vector" in roles and "position" not in roles:
            raise ModelError(
                "descriptor 'features': vectors are kept together with the position. Keep the position, too, or take "
                "numbers that do not turn, such as those of 'environment' or 'radial'."
            )
        return Features.of([given.names[i] for i in columns], roles)

    def describe(self, batch: MicrostateBatch) -> Array:
        """Give the kept columns, ``(B, N, d)``."""
        return batch.points[..., self._columns(batch.roles)].numpy()

    def _columns(self, given: Features) -> list[int]:
        return [i for i, name in enumerate(given.names) if not self.keep or name in self.keep]
