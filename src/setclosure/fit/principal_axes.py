"""A closure is turned to its principal axes after stage one, and axes that carry next to nothing are dropped.

Surplus numbers of a closure are not harmless: dynamics sees each in units of its own spread, so that noise is as large
as what matters, and leads a drift astray where it extrapolates. An axis carries next to nothing if it has a tiny share
of the variance of all, or varies no more than it changes when some particles are left out.

What changes under a rotation is not counted as noise: an axis that turns with the microstate still says, together with
another one, how far from round it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from setclosure.fit.split import Split
from setclosure.model.autoencoder import Autoencoder
from setclosure.seeds import numpy_stream, torch_stream
from setclosure.sets.microstates import MicrostateBatch

SETS, REPEATS = 512, 4
"""The number of training microstates by which axes are judged, and how often particles are left out of each."""

LEFT_OUT = 0.1
"""The share of the particles that is left out."""

LEAST_SHARE = 1e-3
"""An axis is kept if it has more than this share of the variance of all."""


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
    """Find the principal axes of the closures of training microstates that carry something; one is kept at least.

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
    for repeat in range(REPEATS):
        fewer = _with_fewer(batch, torch_stream(seed, "principal axes", repeat))
        noise += ((autoencoder.encode(fewer).double() - z) @ axes).square().mean(dim=0) / REPEATS
    kept = (variance > noise) & (variance > LEAST_SHARE * variance.sum())
    kept[-1] = True
    order = [i for i in reversed(range(len(variance))) if kept[i]]
    return Axes(shift.float(), axes[:, order].float())


def _with_fewer(batch: MicrostateBatch, stream: torch.Generator) -> MicrostateBatch:
    """Leave some particles out of each microstate, but never all of a species."""
    stays = torch.rand(batch.weights.shape[0], 1, batch.weights.shape[2], generator=stream) >= LEFT_OUT
    weights = torch.where(stays, batch.weights, torch.zeros_like(batch.weights))
    total = weights.sum(dim=2, keepdim=True)
    return batch.with_weights(torch.where(total > 0, weights / total.clamp_min(1e-30), batch.weights))
