"""The extension of a set is its size along the first feature, the observable of polymers (Sec. 4.4)."""

from __future__ import annotations

import torch

from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch


@register("observable", "extension")
def extension(microstates: MicrostateBatch) -> torch.Tensor:
    """Give the largest minus the smallest first feature of the particles, ``(B,)``.

    For an image as a set of pixels this is the last minus the first column with a pixel that is not white.

    Examples
    --------
    >>> extension(MicrostateBatch.from_arrays([[[0.0, 5.0], [3.0, 1.0]]]))
    tensor([3.])
    """
    x, there = microstates.points[..., 0], microstates.mask
    return x.masked_fill(~there, -torch.inf).amax(dim=1) - x.masked_fill(~there, torch.inf).amin(dim=1)
