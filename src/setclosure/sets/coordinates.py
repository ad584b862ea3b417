"""Coordinates in which a model sees microstates, and the symmetries it may use.

A symmetry of the microscopic law that leaves the observable unchanged need not be learned. Translations are
removed by the centre of mass; rotations and reflections, which have no such simple normal form, are used as
random changes of the training data and as a finite group of *views* over which a prediction is averaged.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from torch import Tensor, nn

from setclosure.errors import MicrostateError, ModelError
from setclosure.sets.microstates import MicrostateBatch

Symmetry = Literal["none", "translation", "euclidean"]


class ParticleFrame(nn.Module):
    """Standardise particles: x ↦ (x − centre − shift) / scale.

    ``centre`` is the microstate's own centre of mass (the mean over species of their weighted means) unless the
    symmetry is ``none``. ``scale`` is the training standard deviation: one number for all features under
    ``euclidean``, so that rotations stay rotations, else one per feature.

    Parameters
    ----------
    n_features : int
        Features of a particle, d.
    symmetry : {"none", "translation", "euclidean"}
        What the microscopic law and the observable do not see.
    weight_feature : int, optional
        A feature that multiplies the weights of the particles, such as the grey level of a pixel. It must not be
        negative.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, n_features: int, symmetry: Symmetry, weight_feature: int | None = None) -> None:
        super().__init__()
        self.symmetry, self.weight_feature = symmetry, weight_feature
        self.register_buffer("shift", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    def fit(self, batch: MicrostateBatch) -> None:
        """Take shift and scale from a batch of training microstates."""
        batch = self._weighed(batch)
        x = self._centred(batch)
        w = batch.weights.mean(dim=1)[..., None]  # (B, N, 1), sum one in each set
        mean = (w * x).sum(dim=(0, 1)) / len(batch)
        variance = (w * (x - mean) ** 2).sum(dim=(0, 1)) / len(batch)
        if self.symmetry == "euclidean":
            mean, variance = torch.zeros_like(mean), variance.mean().expand_as(variance)
        tiny = variance.sqrt() <= 1e-12 * (1 + mean.abs())
        if bool(tiny.any()):
            constant = torch.nonzero(tiny).flatten().tolist()
            raise ModelError(f"feature(s) {constant} of the particles never change in training; leave them out.")
        self.shift.copy_(mean)
        self.scale.copy_(variance.sqrt())

    def forward(self, batch: MicrostateBatch) -> MicrostateBatch:
        """The batch in standardised coordinates, and with the weights that the model sees."""
        batch = self._weighed(batch)
        return batch.with_points((self._centred(batch) - self.shift) / self.scale)

    def _weighed(self, batch: MicrostateBatch) -> MicrostateBatch:
        if self.weight_feature is None:
            return batch
        weights = batch.weights * batch.points[..., self.weight_feature][:, None]
        total = weights.sum(dim=2, keepdim=True)
        wrong = ((weights < 0).any(dim=2, keepdim=True) | (total <= 0)).flatten(1).any(dim=1)
        if bool(wrong.any()):
            raise MicrostateError(
                f"microstate {int(wrong.nonzero()[0])} of a batch: particles weigh as much as their feature "
                f"{self.weight_feature}, which must not be negative, and must be positive for some of every species; "
                "with weight_feature null all weigh alike."
            )
        return MicrostateBatch(batch.points, weights / total)

    def _centred(self, batch: MicrostateBatch) -> Tensor:
        if self.symmetry == "none":
            return batch.points
        weights = batch.weights.mean(dim=1, keepdim=True)  # (B, 1, N)
        with torch.autocast(batch.points.device.type, enabled=False):
            return batch.points - weights @ batch.points


class RawFrame(ParticleFrame):
    """No change of coordinates, for models of images: a pixel keeps its row, its column and its grey level."""

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features, "none")

    def fit(self, batch: MicrostateBatch) -> None:
        """Leave the shift at zero and the scale at one."""

    def forward(self, batch: MicrostateBatch) -> MicrostateBatch:
        """The batch itself."""
        return batch


def random_orthogonal(n: int, d: int, generator: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
    """Orthogonal matrices ``(n, d, d)``, uniform in O(d) by QR with the signs of R's diagonal (Mezzadri 2007)."""
    q, r = torch.linalg.qr(torch.randn(n, d, d, generator=generator, device=device))
    signs = r.diagonal(dim1=-2, dim2=-1).sign()
    oriented: Tensor = q * torch.where(signs == 0, torch.ones_like(signs), signs)[:, None, :]
    return oriented


def views(symmetry: Symmetry, d: int) -> Tensor:
    """The finite group ``(V, d, d)`` over which predictions are averaged, the identity first.

    Under ``euclidean`` these are the signed permutations of the axes (2 for d = 1, 8 for d = 2, 48 for d = 3):
    a group that needs no interpolation and is exact in floating point. Otherwise the identity alone.

    Examples
    --------
    >>> views("euclidean", 2).shape, views("translation", 2).shape
    (torch.Size([8, 2, 2]), torch.Size([1, 2, 2]))
    """
    if symmetry != "euclidean":
        return torch.eye(d)[None]
    members = []
    for order in itertools.permutations(range(d)):
        permuted = torch.eye(d)[list(order)]
        members += [permuted * torch.tensor(signs) for signs in itertools.product((1.0, -1.0), repeat=d)]
    return torch.stack(members)


def rotated(batch: MicrostateBatch, matrices: Tensor) -> MicrostateBatch:
    """Each microstate under its own matrix ``(B, d, d)``, or all under one ``(d, d)``."""
    with torch.autocast(batch.points.device.type, enabled=False):  # coordinates are never rounded to half precision
        return batch.with_points(batch.points @ matrices.transpose(-1, -2))
