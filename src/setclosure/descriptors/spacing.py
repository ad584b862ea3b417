"""Two lengths of training microstates: the usual distance of neighbours, and how wide a microstate is."""

from __future__ import annotations

from typing import Any

import numpy as np

from setclosure.sets.cell_lists import completed_frames
from setclosure.sets.lattice import minimum_image
from setclosure.sets.microstates import MicrostateBatch

MEASURED, QUERIES = 64, 32
"""The number of microstates in which distances are measured, and of particles in each."""

OF_EVEN_SPREAD = 12**0.5
"""The width of a set that is spread evenly over a line, in units of its standard deviation."""


def usual_spacing(batch: MicrostateBatch) -> float:
    """Give the median distance of a particle to its nearest neighbour of any species; NaN if none has one.

    Examples
    --------
    >>> usual_spacing(MicrostateBatch.from_arrays([[[0.0], [2.0], [4.0]]]))
    2.0
    """
    nearest = []
    mask, positions = batch.mask.cpu().numpy(), batch.positions.double().cpu().numpy()
    for b in np.linspace(0, len(batch) - 1, min(MEASURED, len(batch))).astype(int):
        x = positions[b, mask[b]]
        if len(x) < 2:
            continue
        asked = np.linspace(0, len(x) - 1, min(QUERIES, len(x))).astype(int)
        offset = x[asked][:, None] - x
        if batch.cell is not None:
            offset = minimum_image(offset, batch.cell[b].double().cpu().numpy())
        distance = np.linalg.norm(offset, axis=-1)
        distance[np.arange(len(asked)), asked] = np.inf
        nearest.append(distance.min(axis=1))
    return float(np.median(np.concatenate(nearest))) if nearest else float("nan")


def extent(batch: MicrostateBatch) -> float:
    """Give the width of the microstates along their narrowest periodic direction, or along their widest if none is.

    Of a cell it is the distance of opposite faces, the least of all microstates. In open space it is the width of a set
    that is spread evenly and has the same standard deviation, on average.

    Examples
    --------
    >>> extent(MicrostateBatch.from_arrays([[[0.0, 0.0]]], cell=[6.0, 4.0]))
    4.0
    """
    k = batch.roles.position
    cells = None if batch.cell is None else batch.cell.cpu().numpy()
    _, periodic, heights = completed_frames(cells, len(batch), k)
    if periodic.any():
        return float(heights[:, periodic].min())
    spread: Any = batch.standard_deviation()[:, :k].double().square().mean(dim=0).sqrt().max()
    return float(OF_EVEN_SPREAD * spread)
