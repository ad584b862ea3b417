"""A model sees observables in coordinates of its own: transformed where that was asked for, and shifted where needed.

The dynamics works in single precision. Where an observable has a large offset, that is taken off in double precision
before, and put on again afterwards. A transform keeps predictions of a positive number positive.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from setclosure.errors import ModelError, SetclosureWarning

Array = np.ndarray[Any, Any]

Transform = Literal["none", "log", "logit"]
"""The function by which a model sees an observable; ``log`` is for positive numbers, ``logit`` for those in (0, 1)."""

_LARGEST_EXPONENT = 700.0
"""The exponential of a larger number is infinite in double precision."""

_COARSE = 0.01
"""An offset is taken off where single precision is coarser than this share of the change from frame to frame."""

_TOO_COARSE = 0.1
"""A share of the change from frame to frame by which numbers are so coarse that a warning is given."""


def _log(z: Array) -> Array:
    return np.asarray(np.log(z))


def _exp(y: Array) -> Array:
    return np.asarray(np.exp(np.clip(y, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)))


def _logit(z: Array) -> Array:
    return np.asarray(np.log(z) - np.log1p(-z))


def _sigmoid(y: Array) -> Array:
    small = np.exp(-np.abs(np.clip(y, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)))
    return np.asarray(np.where(y >= 0, 1 / (1 + small), small / (1 + small)))


_FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "log": (_log, _exp),
    "logit": (_logit, _sigmoid),
}
_DOMAIN = {"log": (0.0, np.inf, "positive"), "logit": (0.0, 1.0, "between 0 and 1")}


@dataclass(frozen=True)
class ObservableMap:
    """The map from o observables to the coordinates in which a dynamics sees them: y = f(z̄) − offset.

    Attributes
    ----------
    names : tuple of str
        Names of the observables.
    transforms : tuple of str
        The function f of each: ``"none"``, ``"log"`` or ``"logit"``.
    offsets : tuple of float
        What is taken off each; zero where single precision is fine enough without.
    spreads : tuple of float
        The standard deviation of each over the training frames, in its own unit.

    Examples
    --------
    >>> seen = ObservableMap(("energy", "share"), ("none", "logit"), (100.0, 0.0), (1.0, 0.1))
    >>> seen.forward(np.array([[101.0, 0.5]])).tolist(), seen.inverse(np.array([[1.0, 0.0]])).tolist()
    ([[1.0, 0.0]], [[101.0, 0.5]])
    """

    names: tuple[str, ...]
    transforms: tuple[str, ...]
    offsets: tuple[float, ...]
    spreads: tuple[float, ...]

    @classmethod
    def plain(cls, names: Sequence[str]) -> ObservableMap:
        """Give the map that changes nothing."""
        o = len(names)
        return cls(tuple(names), ("none",) * o, (0.0,) * o, (1.0,) * o)

    @classmethod
    def fitted(
        cls, names: Sequence[str], chosen: Mapping[str, str], observables: Sequence[Array], indices: Sequence[int]
    ) -> ObservableMap:
        """Make the map for the observables of training trajectories.

        Parameters
        ----------
        names : sequence of str
            Names of the o observables.
        chosen : mapping
            Name → transform; the others have none.
        observables : sequence of array
            Observables ``(T_m, o)`` of each training trajectory.
        indices : sequence of int
            The number of each trajectory, for messages.

        Raises
        ------
        ModelError
            If a name is unknown, or an observable is outside the domain of its transform.

        Warns
        -----
        SetclosureWarning
            If an observable is too coarse for what happens from frame to frame, even without its offset.
        """
        unknown = sorted(set(chosen) - set(names))
        if unknown:
            raise ModelError(
                f"model.observables names {', '.join(unknown)}, and the data have the observables {', '.join(names)}."
            )
        transforms = tuple(chosen.get(name, "none") for name in names)
        o = len(names)
        free = cls(tuple(names), transforms, (0.0,) * o, (1.0,) * o)
        for m, z in zip(indices, observables, strict=True):
            free.require_inside(z, f"trajectory {m}, frame ")
        seen = [free.forward(z) for z in observables]
        offsets = tuple(_offset(name, [y[:, k] for y in seen]) for k, name in enumerate(names))
        for k, name in enumerate(names):
            _warn_if_coarse(name, [z[:, k] for z in observables])
        spreads = tuple(np.concatenate(list(observables)).astype(np.float64).std(axis=0).tolist())
        return cls(tuple(names), transforms, offsets, spreads)

    @property
    def is_plain(self) -> bool:
        """Whether the map changes nothing."""
        return not any(self.offsets) and set(self.transforms) <= {"none"}

    def forward(self, z: Array) -> Array:
        """Give the coordinates y ``(*, o)`` of observables ``(*, o)``, in double precision."""
        return self._columns(z, lambda k, of_k: self._function(k, 0)(of_k) - self.offsets[k])

    def inverse(self, y: Array) -> Array:
        """Give the observables ``(*, o)`` of coordinates ``(*, o)``."""
        return self._columns(y, lambda k, of_k: self._function(k, 1)(of_k + self.offsets[k]))

    def require_inside(self, z: Array, where: str) -> None:
        """Refuse observables ``(n, o)`` outside the domain of their transform; the row is named after ``where``.

        Raises
        ------
        ModelError
            If there are some.
        """
        for k, transform in enumerate(self.transforms):
            if transform == "none":
                continue
            low, high, words = _DOMAIN[transform]
            wrong = np.flatnonzero(~((z[:, k] > low) & (z[:, k] < high)))
            if len(wrong):
                raise ModelError(
                    f"{where}{wrong[0]}: the observable '{self.names[k]}' is {z[wrong[0], k]:g}, and its transform "
                    f"'{transform}' takes numbers that are {words}. Choose another transform in model.observables, or "
                    "none."
                )

    def _function(self, k: int, way: int) -> Callable[[Array], Array]:
        transform = self.transforms[k]
        return _FUNCTIONS[transform][way] if transform != "none" else _same

    def _columns(self, values: Array, change: Callable[[int, Array], Array]) -> Array:
        if self.is_plain:
            return values
        values = np.asarray(values, dtype=np.float64)
        return np.stack([change(k, values[..., k]) for k in range(len(self.names))], axis=-1)


def _same(values: Array) -> Array:
    return values


def _change(columns: Sequence[Array]) -> float:
    """Give the root mean square change from frame to frame, or the spread if nothing changes."""
    steps = np.concatenate([np.diff(column) for column in columns])
    change = float(np.sqrt(np.mean(steps**2))) if len(steps) else 0.0
    return change or float(np.concatenate(list(columns)).std())


def _single(size: float) -> float:
    """Give the distance of neighbouring numbers of single precision at ``size``."""
    return float(np.spacing(np.float32(size)))


def _offset(name: str, columns: Sequence[Array]) -> float:
    values = np.concatenate(list(columns))
    change = _change(columns)
    if _single(float(np.abs(values).max())) <= _COARSE * change or change == 0:
        return 0.0
    offset = float(values.mean())
    left = _single(float(np.abs(values - offset).max()))
    if left > _TOO_COARSE * change:
        warnings.warn(
            f"the observable '{name}' changes by {change:.2g} from frame to frame, and a model sees it in steps of "
            f"{left:.2g}, because it reaches {np.abs(values - offset).max():.3g} from its mean: fewer frames, further "
            "apart, would show its changes.",
            SetclosureWarning,
            stacklevel=2,
        )
    return offset


def _warn_if_coarse(name: str, columns: Sequence[Array]) -> None:
    """Warn where the numbers of the data are too coarse, as those computed in single precision may be."""
    values = np.concatenate(list(columns)).astype(np.float64)
    change, size = _change(columns), float(np.abs(values).max())
    single = bool((values == values.astype(np.float32)).all())
    step = _single(size) if single else float(np.spacing(size))
    if change > 0 and step > _TOO_COARSE * change:
        kind = "single" if single else "double"
        warnings.warn(
            f"the observable '{name}' reaches {size:.4g}, where numbers of {kind} precision have steps of {step:.2g}, "
            f"and it changes by {change:.2g} from frame to frame: its changes are mostly rounding. Take a common "
            "offset off where it is computed" + (", in double precision." if single else "."),
            SetclosureWarning,
            stacklevel=2,
        )
