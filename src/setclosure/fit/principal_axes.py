"""A closure is turned to its principal axes after stage one, and axes that carry only the encoder's noise are dropped.

Surplus numbers of a closure are not harmless: noise that dynamics cannot predict leads a drift astray where it
extrapolates. The noise of an encoder is what changes when nothing that matters does: when some particles are left out,
and under the symmetry that was declared.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from setclosure.fit.split import Split
from setclosure.model.autoencoder import Autoencoder
from setclosure.seeds import numpy_stream, torch_stream
from setclosure.sets.microstates import MicrostateBatch
from setclosure.sets.symmetry import random_turns, turned

SETS, REPEATS = 512, 4
"""The number of training microstates by which axes are judged, and of changes of each."""

LEFT_OUT = 0.1
"""The share of the particles that is left out."""

ABOVE_NOISE = 2.0
"""An axis is kept if the variance along it is more than so many times that of the noise."""


@dataclass(frozen=True)
class Axes:
    """The principal axes of a closure that are kept.

    Attributes
    ----------
    shift : Tensor
        The mean closure, ``(C,)``.
    axes : Tensor
        The kept axes as columns, ``(C, n)``.
    """

    shift: Tensor
    axes: Tensor


def principal_axes(autoencoder: Autoencoder, training: Split, seed: int) -> Axes:
    """Find the principal axes of the closures of training microstates, and keep those above the noise; one at least.

    Parameters
    ----------
    autoencoder : Autoencoder
        The trained autoencoder, whose closure has not been turned yet.
    training : Split
        The training trajectories.
    seed : int
        Root seed of the microstates, and of the particles that are left out.
    """
    batch = training.some(SETS, False, numpy_stream(seed, "principal axes"))
    z = autoencoder.encode(batch).double()
    shift = z.mean(dim=0)
    variance, axes = torch.linalg.eigh((z - shift).mT @ (z - shift) / len(z))  # rising
    noise = torch.zeros_like(variance)
    symmetry = autoencoder.coordinates.symmetry
    for repeat in range(REPEATS):
        stream = torch_stream(seed, "principal axes", repeat)
        changed = _with_fewer(batch, stream)
        if symmetry.turns:
            changed = turned(changed, random_turns(symmetry, len(batch), stream, batch.cell))
        noise += ((autoencoder.encode(changed).double() - z) @ axes).square().mean(dim=0) / REPEATS
    kept = variance > ABOVE_NOISE * noise
    kept[-1] = True
    order = [i for i in reversed(range(len(variance))) if kept[i]]
    return Axes(shift.float(), axes[:, order].float())


def _with_fewer(batch: MicrostateBatch, stream: torch.Generator) -> MicrostateBatch:
    """Leave some particles out of each microstate, but never all of a species."""
    stays = torch.rand(batch.weights.shape[0], 1, batch.weights.shape[2], generator=stream) >= LEFT_OUT
    weights = torch.where(stays, batch.weights, torch.zeros_like(batch.weights))
    total = weights.sum(dim=2, keepdim=True)
    return batch.with_weights(torch.where(total > 0, weights / total.clamp_min(1e-30), batch.weights))
