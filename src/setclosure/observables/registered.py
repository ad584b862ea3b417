"""Observables by name, so that an ensemble or a model on disk can say how its z̄ was computed."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from setclosure.errors import ConfigurationError, MicrostateError
from setclosure.sets.microstates import MicrostateBatch, as_microstates

Function = Callable[[MicrostateBatch], Any]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Observable:
    """The macroscopic observable z̄ = φ̄(X): o intensive numbers of a microstate.

    Parameters
    ----------
    name : str
        What ensembles and models write down.
    components : tuple of str
        Names of the o numbers.
    function : callable
        From a :class:`~setclosure.MicrostateBatch` of B microstates to an array or tensor ``(B, o)`` or ``(B,)``.
    """

    name: str
    components: tuple[str, ...]
    function: Callable[..., Any]

    def __call__(self, x: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Observables of microstates (arrays or a batch), ``(B, o)``.

        Raises
        ------
        MicrostateError
            If the function gives another shape, or a number that is not finite.
        """
        batch = as_microstates(x)
        value = self.function(batch)
        z = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value, dtype=np.float64)
        if z.shape == (len(batch),):
            z = z[:, None]
        if z.shape != (len(batch), len(self.components)):
            raise MicrostateError(
                f"the observable '{self.name}' gave shape {z.shape} for {len(batch)} microstates; expected "
                f"({len(batch)}, {len(self.components)}): one row each, with {', '.join(self.components)}."
            )
        if not np.isfinite(z).all():
            bad = int(np.flatnonzero(~np.isfinite(z).all(axis=1))[0])
            raise MicrostateError(f"the observable '{self.name}' of microstate {bad} is not finite: {z[bad]}.")
        return z


_REGISTERED: dict[str, Observable] = {}


def register(name: str, components: tuple[str, ...] | None = None) -> Callable[[F], F]:
    """Decorate a function from microstates to ``(B, o)`` so that it is known by ``name``.

    Parameters
    ----------
    name : str
        Letters, digits, ``_``, ``-`` and ``.``; parameters with defaults can be changed in the name that
        :func:`get_observable` is given.
    components : tuple of str, optional
        Names of the o numbers; one number called ``name`` by default.

    Raises
    ------
    ConfigurationError
        If another function has that name, or the name has other characters.

    Examples
    --------
    >>> @register("spread")
    ... def spread(microstates):
    ...     return microstates.points.std(dim=1).mean(dim=1)
    >>> get_observable("spread")([[0.0], [1.0]]).shape
    (1, 1)
    """
    if not re.fullmatch(r"[\w.-]+", name):
        raise ConfigurationError(f"an observable's name has letters, digits, '_', '-' and '.'; got {name!r}.")

    def keep(function: F) -> F:
        known = _REGISTERED.get(name)
        # running a notebook cell again defines the same function anew: that is no conflict
        if known is not None and _where(known.function) != _where(function):
            raise ConfigurationError(
                f"the observable '{name}' exists already ({'.'.join(_where(known.function))}). Choose another name."
            )
        _REGISTERED[name] = Observable(name, components or (name,), function)
        return function

    return keep


def get_observable(name: str) -> Observable:
    """Look an observable up by name; ``"pair_energy(a=2, b=0)"`` changes parameters of its function.

    Raises
    ------
    ConfigurationError
        If the name is unknown, with the known ones, or its parameters cannot be read.
    """
    import setclosure.observables.extension
    import setclosure.observables.mixing_ratio
    import setclosure.observables.pair_energy  # noqa: F401  they register themselves

    match = re.fullmatch(r"([\w.-]+)(?:\((.*)\))?", name)
    base = _REGISTERED.get(match[1]) if match else None
    if match is None or base is None:
        raise ConfigurationError(
            f"there is no observable '{name}'. Known: {', '.join(sorted(_REGISTERED))}. "
            "Register your own with @setclosure.register('name'), or give a function instead of a name."
        )
    if not match[2]:
        return base
    try:
        pairs = (part.split("=") for part in match[2].split(","))
        parameters = {key.strip(): float(value) for key, value in pairs}
        inspect.signature(base.function).bind_partial(**parameters)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"the parameters of '{name}' are not numbers that its function takes, as in (a=4, b=0.1): {error}."
        ) from error
    return Observable(name, base.components, functools.partial(base.function, **parameters))


def as_observable(value: str | Observable | Function, components: tuple[str, ...] | None = None) -> Observable:
    """An observable from a registered name or from a function, whose name it takes.

    ``components`` names the numbers that a function gives; one number by default.
    """
    if isinstance(value, Observable):
        return value
    if isinstance(value, str):
        return get_observable(value)
    name = getattr(value, "__name__", "observable")
    return Observable(name, components or (name,), value)


def _where(function: Callable[..., Any]) -> tuple[str, str]:
    return str(getattr(function, "__module__", "")), str(getattr(function, "__qualname__", repr(function)))
