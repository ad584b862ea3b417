"""The extension of a set is its size along the first feature, the observable of polymers (Sec. 4.4).

In a cell that is periodic along this direction a set has no end, and the extension is refused.
"""

from __future__ import annotations

import torch

from setclosure.errors import MicrostateError
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch


@register("observable", "extension")
def extension(microstates: MicrostateBatch) -> torch.Tensor:
    """Give the largest minus the smallest first feature of the particles, ``(B,)``.

    For an image as a set of pixels this is the last minus the first column with a pixel that is not white.

    Raises
    ------
    MicrostateError
        If a lattice vector of a periodic cell has a part along the first feature.

    Examples
    --------
    >>> extension(MicrostateBatch.from_arrays([[[0.0, 5.0], [3.0, 1.0]]]))
    tensor([3.])
    """
    if microstates.cell is not None and bool((microstates.cell[..., 0] != 0).any()):
        raise MicrostateError(
            f"the extension is that along '{microstates.roles.names[0]}', and the cell is periodic along it: a set "
            "has no end there. Give unwrapped positions without a cell, or another observable."
        )
    x, there = microstates.points[..., 0], microstates.mask
    return x.masked_fill(~there, -torch.inf).amax(dim=1) - x.masked_fill(~there, torch.inf).amin(dim=1)
