"""The extension of a set along its first feature (polymers, Sec. 4.4)."""

from __future__ import annotations

import torch

from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch


@register("observable", "extension")
def extension(microstates: MicrostateBatch) -> torch.Tensor:
    """Give the largest minus the smallest first feature of the particles, ``(B,)``.

    Of an image as a set of pixels that is its last minus its first column with a pixel that is not white.
    """
    x, there = microstates.points[..., 0], microstates.mask
    return x.masked_fill(~there, -torch.inf).amax(dim=1) - x.masked_fill(~there, torch.inf).amin(dim=1)
