"""Statistics of macrostates are the units in which dynamics see states and their changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_CONSTANT = 1e-6
"""The share of its size by which a column must vary, as float32 rounds by about as much."""


@dataclass(frozen=True)
class Statistics:
    """The shift and scale of macrostates, and the size of their change from frame to frame.

    Attributes
    ----------
    shift, scale : Tensor
        Mean and standard deviation of each column, ``(D,)``. The scale of a column that does not vary is its own size,
        or one if the column is zero, so nothing is ever divided by zero.
    rate : Tensor
        Root mean square change of each column in one time step, ``(D,)``; at least a millionth of the scale.
    """

    shift: Tensor
    scale: Tensor
    rate: Tensor

    @classmethod
    def of(cls, z: Tensor, changes: Callable[[Tensor], Tensor]) -> Statistics:
        """Measure macrostates, with gradients through the statistics.

        Parameters
        ----------
        z : Tensor
            Macrostates, ``(*, D)``.
        changes : callable
            Gives the changes from frame to frame of macrostates, ``(*, D)``, each in units of one time step.

        Examples
        --------
        >>> Statistics.of(torch.tensor([[1.0], [3.0]]), lambda z: z[1:] - z[:-1]).scale
        tensor([1.])
        """
        every = tuple(range(z.ndim - 1))
        size = z.detach().abs().amax(every)
        size = torch.where(size > 0, size, torch.ones_like(size))
        variance = z.var(every, correction=0)
        moved = changes(z)
        squared = moved.square().mean(tuple(range(moved.ndim - 1)))
        least = (_CONSTANT * size).square()
        # the root has an infinite gradient at zero, so constant columns take their own size before it
        scale = torch.where(variance > least, variance, size.square()).sqrt()
        rate = torch.maximum(squared, (_CONSTANT * scale).square()).sqrt()
        return cls(z.mean(every), scale, rate)


def steps_ahead(now: Tensor, n: int) -> Tensor:
    """Count the successive steps without a gap that follow each frame.

    Parameters
    ----------
    now : Tensor
        The frames of a row of ``n`` from which a step to the next one is known, ``(m,)``.
    n : int
        The number of frames in the row.

    Returns
    -------
    Tensor
        The number of steps that follow each frame, ``(n,)``; zero where a trajectory or a stretch ends.

    Examples
    --------
    >>> steps_ahead(torch.tensor([0, 1, 3]), 5)
    tensor([2, 1, 0, 1, 0])
    """
    ends = torch.ones(n + 1, dtype=torch.bool)
    ends[now.cpu()] = False
    last = ends.nonzero().flatten()  # the frames from which no step is known
    frames = torch.arange(n)
    return last[torch.searchsorted(last, frames)] - frames
