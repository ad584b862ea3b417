"""The d features of a particle have names and roles: position, vector or scalar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from setclosure.errors import MicrostateError

Role = Literal["position", "vector", "scalar"]
"""The role of a feature, which says how shifts and rotations of the coordinates change it."""

ROLES: tuple[Role, ...] = ("position", "vector", "scalar")
"""All roles, in the order in which the columns of a particle have them."""

_AXES = "xyz"


@dataclass(frozen=True)
class Features:
    """The roles of the d features of a particle, in this order: a position, then vectors, then scalars.

    A shift of the origin changes positions alone, a rotation changes positions and vectors, and scalars stay.

    Parameters
    ----------
    position : int
        Coordinates of the position, k.
    vectors : int
        Vectors of k components each, such as a velocity or a director.
    scalars : int
        Numbers that no change of coordinates touches, such as a charge.
    names : tuple of str, optional
        A name for each of the d = k + k · vectors + scalars columns.

    Raises
    ------
    MicrostateError
        If a number is negative, nothing is left, there are vectors without a position, or the names do not fit.

    Examples
    --------
    >>> Features(position=2, vectors=1, scalars=1).names
    ('x', 'y', 'v1x', 'v1y', 's1')
    >>> Features.of(("x", "y", "vx", "vy"), ("position", "position", "vector", "vector")).vectors
    1
    """

    position: int
    vectors: int = 0
    scalars: int = 0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        counts = (self.position, self.vectors, self.scalars)
        if not all(isinstance(n, int) and n >= 0 for n in counts) or self.d < 1:
            raise MicrostateError(
                f"features count {counts} coordinates of a position, vectors and scalars; expected whole numbers, not "
                "negative, and at least one feature."
            )
        if self.vectors and not self.position:
            raise MicrostateError("vectors have as many components as the position, and there is no position.")
        names = tuple(self.names) or self._default_names()
        if len(names) != self.d or len(set(names)) < len(names):
            raise MicrostateError(
                f"particles have {self.d} features and the names {names}; expected one name for each."
            )
        object.__setattr__(self, "names", names)

    @classmethod
    def of(cls, names: Sequence[str], roles: Sequence[str] | None = None) -> Features:
        """Make features from the names of the columns and the role of each; all are positions by default.

        Raises
        ------
        MicrostateError
            If a role is unknown, the columns are in another order than position, vectors, scalars, or a vector has
            another number of components than the position.
        """
        names = tuple(names)
        given = tuple(roles) if roles is not None else ("position",) * len(names)
        if len(given) != len(names) or not set(given) <= set(ROLES):
            raise MicrostateError(
                f"roles are {given} for the features {names}; expected one of {', '.join(ROLES)} for each."
            )
        if list(given) != sorted(given, key=ROLES.index):
            raise MicrostateError(
                f"the features {names} have the roles {given}; expected the position first, then vectors, then "
                "scalars. Put the columns in that order."
            )
        k, of_vectors = given.count("position"), given.count("vector")
        if of_vectors and (k == 0 or of_vectors % k):
            raise MicrostateError(
                f"{of_vectors} features are components of vectors, and a position has {k} coordinates; expected a "
                "multiple of that: every vector has as many components as the position."
            )
        return cls(k, of_vectors // k if of_vectors else 0, given.count("scalar"), names)

    @property
    def d(self) -> int:
        """The number of features of a particle, d."""
        return self.position * (1 + self.vectors) + self.scalars

    @property
    def roles(self) -> tuple[Role, ...]:
        """The role of each column, ``(d,)``."""
        k = self.position
        names: list[Role] = ["position"] * k
        names += ["vector"] * (k * self.vectors)
        names += ["scalar"] * self.scalars
        return tuple(names)

    def groups(self) -> list[slice]:
        """List the columns of the position and of each vector, which a rotation turns together."""
        k = self.position
        return [slice(i * k, (i + 1) * k) for i in range(1 + self.vectors)] if k else []

    def to_json(self) -> dict[str, Any]:
        """Give the features as JSON values, which :meth:`from_json` reads."""
        return {
            "position": self.position,
            "vectors": self.vectors,
            "scalars": self.scalars,
            "names": list(self.names),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Features:
        """Make features from the JSON values of :meth:`to_json`."""
        return cls(values["position"], values["vectors"], values["scalars"], tuple(values["names"]))

    def _default_names(self) -> tuple[str, ...]:
        k = self.position
        axes = tuple(_AXES[:k]) if k <= len(_AXES) else tuple(f"x{i + 1}" for i in range(k))
        vectors = tuple(f"v{i + 1}{axis}" for i in range(self.vectors) for axis in axes)
        return axes + vectors + tuple(f"s{i + 1}" for i in range(self.scalars))


def as_features(value: Features | Sequence[str] | int, roles: Sequence[str] | None = None) -> Features:
    """Make features from any accepted form.

    Parameters
    ----------
    value : Features, sequence of str, or int
        Features, which are returned as they are; the names of the columns; or the number of coordinates.
    roles : sequence of str, optional
        The role of each name.

    Raises
    ------
    MicrostateError
        If the roles do not fit the names.

    Examples
    --------
    >>> as_features(("x", "q"), ("position", "scalar"))
    Features(position=1, vectors=0, scalars=1, names=('x', 'q'))
    """
    if isinstance(value, Features):
        return value
    return Features(value) if isinstance(value, int) else Features.of(value, roles)
