"""The bandwidth ε of q_X is chosen from the distance of neighbours, or compared with it."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from setclosure.errors import ModelError, SetclosureWarning
from setclosure.sets.lattice import minimum_image
from setclosure.sets.microstates import MicrostateBatch

Array = np.ndarray[Any, Any]

OF_NEIGHBOURS = 0.5
"""``auto`` takes this share of the usual distance of neighbours."""

FAR_BELOW = 1e-3
"""A bandwidth is far too small below this share of the distance of neighbours."""

MEASURED, QUERIES = 64, 16
"""The number of training microstates in which distances are measured, and of particles of each species in each."""


def spread_and_spacing(batch: MicrostateBatch) -> tuple[Array, Array]:
    """Measure how far particles are spread, and how far neighbours of a species are from each other.

    Distances are measured over all features together, each in units of its spread; the coordinates of a position, and
    of a vector, share one. In a cell they are those of the nearest images.

    Parameters
    ----------
    batch : MicrostateBatch
        Training microstates.

    Returns
    -------
    (array, array)
        For each feature its standard deviation and the usual distance of neighbours, ``(d,)`` each; the distance is NaN
        if no species has two particles.
    """
    points, weights = batch.points.double().cpu().numpy(), batch.weights.cpu().numpy()
    spread = points[batch.mask.cpu().numpy()].std(axis=0)
    k = batch.roles.position
    cells = None if batch.cell is None else batch.cell.double().cpu().numpy()
    if cells is not None:  # a position in the cell is spread evenly at most
        periodic = (cells[0] != 0).any(axis=1)
        of_cell = np.sqrt((cells[:, periodic] ** 2).sum(axis=1).mean(axis=0) / 12)
        spread[:k] = np.where(of_cell > 0, of_cell, spread[:k])
    scale = spread.copy()
    for group in batch.roles.groups():
        scale[group] = np.sqrt(np.mean(spread[group] ** 2))
    scale[scale == 0] = 1.0
    nearest: list[Array] = []
    for b in np.linspace(0, len(points) - 1, min(MEASURED, len(points))).astype(int):
        for of_species in weights[b] > 0:
            x = points[b, of_species]
            if len(x) < 2:
                continue
            asked = np.linspace(0, len(x) - 1, min(QUERIES, len(x))).astype(int)
            offset = x[asked][:, None] - x
            if cells is not None:
                offset[..., :k] = minimum_image(offset[..., :k], cells[b])
            distance = np.sqrt(((offset / scale) ** 2).sum(axis=-1))
            distance[np.arange(len(asked)), asked] = np.inf
            nearest.append(distance.min(axis=1))
    usual = float(np.median(np.concatenate(nearest))) if nearest else math.nan
    return spread, usual * scale


def automatic(batch: MicrostateBatch) -> tuple[float, ...]:
    """Choose ε for each feature from the distance of neighbours in training microstates.

    With more than two features ε is smaller by √(2/d), because the noise of q_X has d components: as far as it moves a
    point, it then stays within the distance of neighbours.

    Raises
    ------
    ModelError
        If most particles coincide with another, or none has a neighbour.
    """
    _, spacing = spread_and_spacing(batch)
    if not (spacing > 0).all():  # NaN, too
        raise ModelError(
            "bandwidth 'auto' needs distances of neighbours, and the training microstates have none: most particles "
            "lie on another one, or are alone. Give bandwidth a number in the units of the features."
        )
    share = OF_NEIGHBOURS * min(1.0, math.sqrt(2.0 / len(spacing)))
    return tuple(float(f"{share * s:.3g}") for s in spacing)


def compare(batch: MicrostateBatch, bandwidth: float | tuple[float, ...]) -> None:
    """Warn of a bandwidth that is far above the spread of a feature, or far below the distance of neighbours.

    Warns
    -----
    SetclosureWarning
        Naming the features.
    """
    spread, spacing = spread_and_spacing(batch)
    epsilon = np.broadcast_to(np.asarray(bandwidth, dtype=float), spread.shape)
    names = np.array(batch.roles.names)
    blurred, spiked = (epsilon > spread) & (spread > 0), epsilon < FAR_BELOW * spacing
    for wrong, than, of in (
        (blurred, "above the spread", spread),
        (spiked, "far below the distance of neighbours", spacing),
    ):
        if wrong.any():
            rows = zip(names[wrong], epsilon[wrong], of[wrong], strict=True)
            which = ", ".join(f"{name}: {e:.3g} and {size:.3g}" for name, e, size in rows)
            warnings.warn(
                f"the bandwidth ε is {than} of features ({which}), so that "
                f"{'the density shows nothing of them' if of is spread else 'every particle is a spike'}. Give model."
                f"bandwidth a number for each feature in its units, or 'auto'.",
                SetclosureWarning,
                stacklevel=3,
            )
