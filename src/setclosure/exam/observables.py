"""Observables of the exam: the share of like neighbours, and the polar order of a flock."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from setclosure.errors import MicrostateError
from setclosure.observables.mixing_ratio import pairs_within
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch

Array = np.ndarray[Any, Any]


def like_share_of(points: Array, species: Array, radius: float, cells: Array | None) -> Array:
    """Give the share of neighbours within ``radius`` that are of the same species, over all pairs, ``(B,)``.

    Parameters
    ----------
    points : array
        ``(B, N, k)``.
    species : array
        0 or 1 for each particle, −1 for none, ``(B, N)``.
    radius : float
        Cut-off.
    cells : array or None
        Lattice vectors as rows, ``(B, k, k)``.

    Examples
    --------
    >>> line = np.array([[[0.0], [1.0], [2.0]]])
    >>> like_share_of(line, np.array([[0, 0, 1]]), 1.5, None).tolist()
    [0.5]
    """
    pairs = pairs_within(points, species, radius, cells)  # (B, 3): AA, AB, BB
    return np.asarray((pairs[:, 0] + pairs[:, 2]) / np.maximum(pairs.sum(axis=1), 1))


@register("observable", "like_share", components=("share of like neighbours",))
def like_share(microstates: MicrostateBatch, radius: float = 1.5) -> Array:
    """Give the share of neighbours of two species that are of the same one, ``(B, 1)``.

    Parameters
    ----------
    microstates : MicrostateBatch
        B microstates with S = 2.
    radius : float
        Cut-off, in the units of the positions.

    Raises
    ------
    MicrostateError
        If there are not two species, or a cell is narrower than twice the radius.
    """
    if microstates.n_species != 2:
        raise MicrostateError(f"like_share is of two species; these microstates have {microstates.n_species}.")
    there = (microstates.weights > 0).cpu().numpy()
    species = np.where(there[:, 0], 0, np.where(there[:, 1], 1, -1))
    cells = None if microstates.cell is None else microstates.cell.cpu().numpy()
    return like_share_of(microstates.positions.detach().cpu().numpy(), species, radius, cells)[:, None]


@register("observable", "polar_order", components=("polar order",))
def polar_order(microstates: MicrostateBatch) -> Tensor:
    """Give the size of the mean direction of the particles' first vector, ``(B, 1)``: 1 if all are aligned.

    Raises
    ------
    MicrostateError
        If particles have no vector.

    Examples
    --------
    >>> from setclosure.sets.features import Features
    >>> pair = MicrostateBatch.from_arrays([[[0.0, 0, 1, 0], [1, 0, 0, 1]]], features=Features(2, vectors=1))
    >>> round(float(polar_order(pair)), 3)
    0.707
    """
    groups = microstates.roles.groups()[1:]
    if not groups:
        raise MicrostateError("polar_order is of vectors, such as headings or velocities, and particles have none.")
    v = microstates.points[..., groups[0]]
    direction = torch.nn.functional.normalize(v, dim=-1)
    mean = (microstates.particle_weights[:, None] @ direction)[:, 0]
    order: Tensor = mean.norm(dim=-1, keepdim=True)
    return order
