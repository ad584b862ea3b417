"""A declared symmetry is checked on training microstates: their observables must not change with it."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setclosure.errors import ModelError
from setclosure.observables.registered import Observable
from setclosure.sets.features import Features
from setclosure.sets.lattice import completed, wrapped
from setclosure.sets.microstates import MicrostateBatch
from setclosure.sets.symmetry import Symmetry, random_turns, shifted, turned

_log = logging.getLogger(__name__)

CHECKED = 32
"""The number of training microstates that are shifted, turned and mirrored."""

OF_SPREAD, OF_SIZE = 0.02, 1e-4
"""Shares of an observable's standard deviation in training, and of its size, by which it may change."""


def check_symmetry(
    batch: MicrostateBatch, symmetry: Symmetry, observable: Observable | None, spread: np.ndarray[Any, Any], seed: int
) -> None:
    """Compare the observables of training microstates before and after the changes of a declared symmetry.

    Parameters
    ----------
    batch : MicrostateBatch
        Training microstates.
    symmetry : Symmetry
        The declared symmetry.
    observable : Observable or None
        The function φ̄; None where the observables were given and have no function.
    spread : array
        Standard deviation of each observable in training, ``(o,)``.
    seed : int
        Seed of the shifts and rotations.

    Raises
    ------
    ModelError
        If an observable changes; the message names it, and the features that were changed.
    """
    if not (any(symmetry.translation) or symmetry.turns):
        return
    if observable is None:
        _log.warning(
            "the declared symmetry cannot be checked: the observables were given, and no function of them is known. "
            "Give fit(observable=…) the function, or be sure that they do not change with it."
        )
        return
    before = observable(batch)
    allowed = OF_SPREAD * spread + OF_SIZE * np.abs(before).max(axis=0)
    for what, which, other in _changed(batch, symmetry, torch.Generator().manual_seed(seed)):
        change = np.sqrt(np.mean((observable(other) - before) ** 2, axis=0))
        if (change > allowed).any():
            worst = int(np.argmax(change / np.maximum(allowed, 1e-300)))
            raise ModelError(
                f"the data do not have the symmetry that model.symmetry declares: {what} changes the observable "
                f"'{observable.components[worst]}' by {change[worst]:.3g} on average, and it varies by "
                f"{spread[worst]:.3g} in training. Declare a symmetry without it ({which}), or give features that are "
                "no coordinates of a place the role vector or scalar."
            )


def _changed(
    batch: MicrostateBatch, symmetry: Symmetry, stream: torch.Generator
) -> Iterator[tuple[str, str, MicrostateBatch]]:
    """Give each kind of change in words, how to do without it, and the changed microstates."""
    features, k = batch.roles, batch.roles.position
    names = features.names[:k]
    for j in (j for j in range(k) if symmetry.translation[j]):
        others = ", ".join(name for i, name in enumerate(names) if symmetry.translation[i] and i != j)
        yield f"a shift of '{names[j]}'", f"translation: [{others}]", _shifted(batch, j, stream)
    if not symmetry.turns:
        return
    without = "rotation: none"
    if batch.cell is not None and bool((batch.cell != 0).any()):
        matrices = random_turns(symmetry, len(batch), stream, batch.cell)
        yield f"a rotation of the cell's own point group of {_words(features)}", without, turned(batch, matrices)
        return
    for i, j in itertools.combinations(range(k), 2):
        if symmetry.blocks[i] == symmetry.blocks[j]:
            yield f"a rotation of '{names[i]}' and '{names[j]}'{_with(features)}", without, _turned(batch, i, j, stream)
        elif symmetry.rotation == "proper":
            both = f"turning over '{names[i]}' and '{names[j]}'{_with(features)}"
            yield both, without, turned(batch, _mirror(k, i, j))
    if symmetry.rotation == "reflections":
        for i in range(k):
            what = f"mirroring '{names[i]}'{_with(features)}"
            yield what, "rotation: proper, or none", turned(batch, _mirror(k, i))


def _shifted(batch: MicrostateBatch, j: int, stream: torch.Generator) -> MicrostateBatch:
    """Shift microstates along one direction, in a cell by a share of the lattice vector, and wrap them again."""
    k = batch.roles.position
    share = torch.rand(len(batch), 1, generator=stream) + 0.5
    if batch.cell is None:
        axis = torch.zeros(k)
        axis[j] = float(batch.points[batch.mask][:, j].std(correction=0))
        return shifted(batch, share * axis)
    size = torch.ones(len(batch), 1)
    if not bool((batch.cell[:, j] != 0).any()):
        size = size * float(batch.points[batch.mask][:, :k].std(correction=0))
    moved = shifted(batch, share * size * completed(batch.cell)[:, j])
    return moved.with_points(wrapped(moved.points, batch.cell))


def _turned(batch: MicrostateBatch, i: int, j: int, stream: torch.Generator) -> MicrostateBatch:
    angle = 2 * torch.pi * torch.rand(len(batch), generator=stream)
    matrices = torch.eye(batch.roles.position).repeat(len(batch), 1, 1)
    matrices[:, i, i] = matrices[:, j, j] = angle.cos()
    matrices[:, i, j], matrices[:, j, i] = -angle.sin(), angle.sin()
    return turned(batch, matrices)


def _mirror(k: int, *axes: int) -> Tensor:
    signs = torch.ones(k)
    signs[list(axes)] = -1.0
    return torch.diag(signs)


def _with(features: Features) -> str:
    return " together with all vectors" if features.vectors else ""


def _words(features: Features) -> str:
    return ", ".join(features.names[: features.position]) + _with(features)
