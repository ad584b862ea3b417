"""The promises of observables: numbers of the set alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from setclosure.conformance.report import Report
from setclosure.conformance.require import require, require_same
from setclosure.conformance.sets import PIXELS, SETS, STRAY, batched, random_sets
from setclosure.observables.registered import Observable, as_observable
from setclosure.registry import find
from setclosure.seeds import numpy_stream
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

KINDS = (
    SETS[0],
    MicrostateKind(2, 2),
    MicrostateKind(3),
    MicrostateKind(3, 2),
    MicrostateKind(Features(2, vectors=1)),
    MicrostateKind(Features(3, vectors=1)),
    SETS[1],
    PIXELS[0],
    MicrostateKind(1),
)
"""Microstates that an observable may be of, in the order in which they are tried."""

SIZES = (12, 5, 30, 9)


def check_observable(
    observable: str | Observable | Callable[[MicrostateBatch], Any],
    kind: MicrostateKind | None = None,
    components: tuple[str, ...] | None = None,
) -> Report:
    """Check the promises of an observable.

    Parameters
    ----------
    observable : str or callable
        A registered name, or a function from a batch of microstates to ``(B,)`` or ``(B, o)``.
    kind : MicrostateKind, optional
        Microstates that it takes; by default the first of :data:`KINDS` that it does not refuse.
    components : tuple of str, optional
        Names of the o numbers of a function; one number by default.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.

    Examples
    --------
    >>> check_observable("extension").promises[-1]
    'microstates alone have the same values as in a batch'
    """
    name = observable if isinstance(observable, str) else getattr(observable, "__name__", "observable")
    report = Report("observable", name)
    with report.promise("it is known by its name, or is a function"):
        if isinstance(observable, str):
            find("observable", observable.partition("(")[0])
        phi = as_observable(observable, components)
    with report.promise(f"microstates have finite values (B, {len(phi.components)}), one for each component"):
        kind = kind or _first_that_goes(phi)
        sets = random_sets(kind, SIZES)
        values = _values(phi, batched(random_sets(kind, (12,) * 3), kind, torch.float32))
        require(values.dtype == torch.float64, f"values are {values.dtype}.")
    with report.promise("padding changes nothing, whatever stands in its places"):
        alone = torch.cat([_values(phi, batched([one], kind, torch.float32)) for one in sets])
        for stray in (0.0, STRAY):
            padded = _values(phi, batched(sets, kind, torch.float32, stray))
            require_same(padded, alone, f"values of padded microstates, and without padding (it is {stray:g})", 1e-5)
    with report.promise("the order of the particles changes nothing"):
        rng = numpy_stream(1, "conformance")
        others = [one.reordered(rng.permutation(len(one.points))) for one in sets]
        found = torch.cat([_values(phi, batched([one], kind, torch.float32)) for one in others])
        require_same(found, alone, "values of particles in another order", 1e-5)
    with report.promise("microstates alone have the same values as in a batch"):
        one_size = random_sets(kind, (12,) * 4, seed=3)
        together = _values(phi, batched(one_size, kind, torch.float32))
        rows = torch.cat([_values(phi, batched([one], kind, torch.float32)) for one in one_size])
        require_same(rows, together, "values alone, and in a batch of equal sizes", 1e-5)
    return report


def _values(phi: Observable, batch: MicrostateBatch) -> torch.Tensor:
    before = batch.points.clone()
    values = torch.from_numpy(np.asarray(phi(batch)))
    require(bool(torch.equal(batch.points, before)), "it changes the points that it is given.")
    return values


def _first_that_goes(phi: Observable) -> MicrostateKind:
    errors: list[Exception] = []
    for kind in KINDS:
        try:
            phi.function(batched(random_sets(kind, (12,) * 2), kind, torch.float32))
            return kind  # what it gives is judged later
        except Exception as error:
            errors.append(error)
    raise errors[0]
