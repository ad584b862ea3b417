"""Observables have names, so that a data set or a model on disk can say how its z̄ was computed."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from setclosure.errors import ConfigurationError, MicrostateError
from setclosure.registry import find
from setclosure.sets.microstates import MicrostateBatch, as_microstates

Function = Callable[[MicrostateBatch], Any]
"""A function from B microstates to an array or tensor ``(B, o)`` or ``(B,)``."""


PADDING = 3
"""An observable is tried with so many empty places when it is first used."""


@dataclass(frozen=True)
class Observable:
    """A macroscopic observable z̄ = φ̄(X) with its name: o intensive numbers of a microstate.

    Parameters
    ----------
    name : str
        The name that data sets and models write down.
    components : tuple of str
        Names of the o numbers.
    function : callable
        A function from a :class:`~setclosure.MicrostateBatch` of B microstates to an array or tensor ``(B, o)`` or
        ``(B,)``.
    units : tuple of str
        Units of the o numbers, which are shown and not computed with.
    """

    name: str
    components: tuple[str, ...]
    function: Callable[..., Any]
    units: tuple[str, ...] = ()

    def __call__(self, x: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Evaluate the observables of microstates (arrays or a batch), ``(B, o)``.

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


def require_no_padding(observable: Observable, batch: MicrostateBatch) -> None:
    """Evaluate an observable of one microstate alone and with empty places behind, where both must agree.

    Sets of different sizes are padded with places of weight zero. A function that looks at the places and not at the
    weights gives another value then, for which nothing else would be a sign.

    Parameters
    ----------
    observable : Observable
        The observable, which is about to be used for the first time.
    batch : MicrostateBatch
        Microstates to which it belongs; the first that is not empty is taken.

    Raises
    ------
    MicrostateError
        If the values differ, or the function cannot be evaluated with empty places.
    """
    filled = torch.nonzero(batch.counts > 0).flatten()
    if not len(filled):
        return
    one = batch[filled[:1]]
    there = one.mask[0]
    alone = MicrostateBatch(one.points[:, there], one.weights[..., there], one.features, one.cell)
    value, padded = observable(alone), _padded(alone)
    try:
        other = observable(padded)
    except Exception as error:  # of a user's function: any
        said = f"it stops with {type(error).__name__} ({error})"
    else:
        if np.allclose(other, value, rtol=1e-3, atol=1e-6 * float(np.abs(value).max())):
            return
        said = f"it is {other[0].tolist()} and not {value[0].tolist()}"
    raise MicrostateError(
        f"the observable '{observable.name}' depends on padding: with {PADDING} empty places behind its particles "
        f"{said}. Sets of different sizes are padded with places of weight zero, so let the function use "
        "microstates.weights or microstates.mask, or microstates.mean() and microstates.standard_deviation()."
    )


def _padded(batch: MicrostateBatch) -> MicrostateBatch:
    points, weights = (
        torch.nn.functional.pad(x, pad)
        for x, pad in ((batch.points, (0, 0, 0, PADDING)), (batch.weights, (0, PADDING)))
    )
    return MicrostateBatch(points, weights, batch.features, batch.cell)


def get_observable(name: str) -> Observable:
    """Look an observable up by its name, in which parameters of its function may stand.

    Parameters
    ----------
    name : str
        A registered name, such as ``"pair_energy"``, or one with parameters: ``"pair_energy(a=2, b=0)"``.

    Raises
    ------
    ConfigurationError
        If the name is unknown, or its parameters cannot be read; the message has the known names.

    Examples
    --------
    >>> get_observable("extension")([[0.0], [3.0]])
    array([[3.]])
    """
    match = re.fullmatch(r"([\w.-]+)(?:\((.*)\))?", name)
    if match is None:
        raise ConfigurationError(
            f"'{name}' is no name of an observable; expected one like 'pair_energy' or 'pair_energy(a=4, b=0.1)'."
        )
    known = find("observable", match[1])
    components = tuple(known.facts.get("components") or (match[1],))
    units = tuple(known.facts.get("units") or ("",) * len(components))
    if not match[2]:
        return Observable(name, components, known.value, units)
    try:
        pairs = (part.split("=") for part in match[2].split(","))
        parameters = {key.strip(): float(value) for key, value in pairs}
        inspect.signature(known.value).bind_partial(**parameters)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"the parameters of '{name}' are not numbers that its function takes, as in (a=4, b=0.1): {error}."
        ) from error
    return Observable(name, components, functools.partial(known.value, **parameters), units)


def as_observable(value: str | Observable | Function, components: tuple[str, ...] | None = None) -> Observable:
    """Make an observable from a registered name or from a function.

    Parameters
    ----------
    value : str, Observable or callable
        A registered name; an observable, which is returned as it is; or a function, whose name the observable takes.
    components : tuple of str, optional
        Names of the numbers that a function gives; by default one number with the name of the function.

    Raises
    ------
    ConfigurationError
        If a name is unknown.

    Examples
    --------
    >>> as_observable(lambda batch: batch.counts, ("particles",))([[[0.0], [3.0]]])
    array([[2.]])
    """
    if isinstance(value, Observable):
        return value
    if isinstance(value, str):
        return get_observable(value)
    name = getattr(value, "__name__", "observable")
    return Observable(name, components or (name,), value)
