"""A model sees microstates in standard coordinates, which use the symmetries that it was told of.

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
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch

_ROUNDING = 8 * torch.finfo(torch.float32).eps
"""A spread that is a smaller share of the size of a feature is nothing but rounding."""

Symmetry = Literal["none", "translation", "euclidean"]
"""The changes of coordinates that neither the microscopic law nor the observable sees."""


class Coordinates(nn.Module):
    """The standard coordinates of particles: x ↦ (x − centre − shift) / scale.

    ``centre`` is the centre of mass of the microstate (the mean over species of their weighted means) unless the
    symmetry is ``none``; it is taken off positions alone. ``scale`` is the training standard deviation, one for each
    feature. Under ``euclidean`` the components of a position, or of a vector, share one and have no shift, so that
    rotations stay rotations.

    Parameters
    ----------
    features : Features
        The roles of the d features.
    symmetry : {"none", "translation", "euclidean"}
        Changes of coordinates that neither the microscopic law nor the observable sees.
    weight_feature : int, optional
        A feature that multiplies the weights of the particles, such as the grey level of a pixel. It must not be
        negative.
    identity : bool
        Whether particles stay as they are, for models that read features in the units of the data.
    ignored_scale : float, optional
        The scale of features that never change in training, which the model sees as zero for every particle: that of
        the bandwidth leaves a standard normal density to them. By default they are refused.

    Examples
    --------
    >>> batch = MicrostateBatch.from_arrays([[[1.0], [3.0]], [[5.0], [7.0]]])
    >>> coordinates = Coordinates(batch.roles, "translation")
    >>> coordinates.fit(batch)
    >>> coordinates(batch).points.flatten().tolist()
    [-1.0, 1.0, -1.0, 1.0]
    """

    shift: Tensor
    scale: Tensor
    seen: Tensor

    def __init__(
        self,
        features: Features,
        symmetry: Symmetry,
        weight_feature: int | None = None,
        identity: bool = False,
        ignored_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.features, self.symmetry = features, symmetry
        self.weight_feature, self.identity = weight_feature, identity
        self.register_buffer("shift", torch.zeros(features.d))
        self.register_buffer("scale", torch.ones(features.d))
        self.ignored_scale = ignored_scale
        if ignored_scale is not None:
            self.register_buffer("seen", torch.ones(features.d))  # zero for a feature that is left out

    def fit(self, batch: MicrostateBatch) -> None:
        """Take shift and scale from a batch of training microstates.

        Nothing is taken with ``identity``.

        Raises
        ------
        ModelError
            If a feature never changes, or all particles of every microstate are at the same place.
        """
        if self.identity:
            return
        batch = self._weighed(batch)
        x = self._centred(batch)
        weights = batch.particle_weights
        n_sets = (weights > 0).any(dim=1).sum()
        w = weights[..., None]  # (B, N, 1), sum one in each set that is not empty
        mean = (w * x).sum(dim=(0, 1)) / n_sets
        variance = (w * (x - mean) ** 2).sum(dim=(0, 1)) / n_sets
        if self.symmetry == "euclidean":
            mean, variance = mean.clone(), variance.clone()
            for group in self.features.groups():
                mean[group], variance[group] = 0.0, variance[group].mean()
        scale = variance.sqrt()
        size = torch.where(weights[..., None] > 0, batch.points, 0.0).abs().amax(dim=(0, 1))
        tiny = ~(scale > _ROUNDING * size + 1e-30)  # NaN, too: there is no particle at all
        if bool(tiny.any()) and self.ignored_scale is None:
            self._refuse(tiny, batch)
        if self.ignored_scale is not None:
            self.seen.copy_(~tiny)
            scale = torch.where(tiny, torch.full_like(scale, self.ignored_scale), scale)
        self.shift.copy_(mean)
        self.scale.copy_(scale)

    def forward(self, batch: MicrostateBatch) -> MicrostateBatch:
        """Give the batch in standard coordinates, and with the weights that the model sees.

        Raises
        ------
        MicrostateError
            If the feature by which particles weigh is negative, or zero for all particles of a species.
        """
        if self.identity:
            return batch
        batch = self._weighed(batch)
        points = (self._centred(batch) - self.shift) / self.scale
        return batch.with_points(points if self.ignored_scale is None else points * self.seen)

    def _refuse(self, tiny: Tensor, batch: MicrostateBatch) -> None:
        """Say why features have no spread: they never change, or the particles of every microstate coincide."""
        names = ", ".join(self.features.names[i] for i in torch.nonzero(tiny).flatten().tolist())
        w = batch.particle_weights[..., None]
        x = torch.where(w > 0, batch.points, torch.nan)[..., tiny]
        moves = (x.nan_to_num(-torch.inf).amax((0, 1)) - x.nan_to_num(torch.inf).amin((0, 1))) > 0
        if self.symmetry != "none" and bool(moves.any()):
            raise ModelError(
                f"the particles of every training microstate coincide in {names}: under symmetry '{self.symmetry}' the "
                "centre of mass is taken off, and nothing but rounding is left. Such sets have no shape to learn; use "
                "symmetry 'none' if their common place matters, or leave these features out "
                "(model.ignore_constant_features)."
            )
        raise ModelError(
            f"feature(s) {names} of the particles never change in training beyond rounding. Leave them out of the "
            "data, or set model.ignore_constant_features: true (ignore_constant_features=True)."
        )

    def _weighed(self, batch: MicrostateBatch) -> MicrostateBatch:
        if self.weight_feature is None:
            return batch
        weights = batch.weights * batch.points[..., self.weight_feature][:, None]
        total = weights.sum(dim=2, keepdim=True)
        lacking = batch.present[..., None] & (total <= 0)
        wrong = ((weights < 0).any(dim=2, keepdim=True) | lacking).flatten(1).any(dim=1)
        if bool(wrong.any()):
            raise MicrostateError(
                f"microstate {int(wrong.nonzero()[0])} of a batch: particles weigh as much as their feature "
                f"'{self.features.names[self.weight_feature]}', which must not be negative, and must be positive for "
                "some of every species; with weight_feature null all weigh alike."
            )
        return batch.with_weights(weights / torch.where(total > 0, total, torch.ones_like(total)))

    def _centred(self, batch: MicrostateBatch) -> Tensor:
        if self.symmetry == "none":
            return batch.points
        k = self.features.position
        with torch.autocast(batch.points.device.type, enabled=False):
            centre = batch.particle_weights[:, None] @ batch.points  # (B, 1, d)
            if k < self.features.d:  # vectors and scalars have no origin
                centre = torch.cat([centre[..., :k], torch.zeros_like(centre[..., k:])], dim=-1)
            return batch.points - centre


def random_orthogonal(n: int, k: int, generator: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
    """Draw orthogonal matrices ``(n, k, k)``, uniform in O(k), by QR with the signs of R's diagonal (Mezzadri 2007).

    Examples
    --------
    >>> q = random_orthogonal(5, 3, torch.Generator().manual_seed(0))
    >>> torch.allclose(q @ q.mT, torch.eye(3), atol=1e-6)
    True
    """
    drawn = torch.randn(n, k, k, generator=generator, device=device)
    if drawn.device.type == "mps":  # has no QR
        q, r = (part.to(device) for part in torch.linalg.qr(drawn.cpu()))
    else:
        q, r = torch.linalg.qr(drawn)
    signs = r.diagonal(dim1=-2, dim2=-1).sign()
    oriented: Tensor = q * torch.where(signs == 0, torch.ones_like(signs), signs)[:, None, :]
    return oriented


def views(symmetry: Symmetry, k: int) -> Tensor:
    """List the orthogonal matrices ``(V, k, k)`` over which predictions are averaged, the identity first.

    Under ``euclidean`` they are the signed permutations of the k axes of a position (2 for k = 1, 8 for k = 2, 48
    for k = 3), a group that needs no interpolation and is exact in floating point. Otherwise they are the identity
    alone.

    Examples
    --------
    >>> views("euclidean", 2).shape, views("translation", 2).shape
    (torch.Size([8, 2, 2]), torch.Size([1, 2, 2]))
    """
    if symmetry != "euclidean":
        return torch.eye(k)[None]
    members = []
    for order in itertools.permutations(range(k)):
        permuted = torch.eye(k)[list(order)]
        members += [permuted * torch.tensor(signs) for signs in itertools.product((1.0, -1.0), repeat=k)]
    return torch.stack(members)


def rotated(batch: MicrostateBatch, matrices: Tensor) -> MicrostateBatch:
    """Turn each microstate by its own matrix ``(B, k, k)``, or all by one ``(k, k)``.

    Positions and vectors turn, scalars stay, and the lattice vectors of a cell turn with the positions.

    Examples
    --------
    >>> batch = MicrostateBatch.from_arrays([[[1.0, 0.0]]])
    >>> rotated(batch, torch.tensor([[0.0, -1.0], [1.0, 0.0]])).points.tolist()
    [[[0.0, 1.0]]]
    """
    features = batch.roles
    turn = matrices.transpose(-1, -2)
    with torch.autocast(batch.points.device.type, enabled=False):  # coordinates are never rounded to half precision
        if features.d == features.position:
            points = batch.points @ turn
        else:
            parts = [batch.points[..., group] @ turn for group in features.groups()]
            scalars = batch.points[..., features.d - features.scalars :]
            points = torch.cat([*parts, scalars], dim=-1)
        cell = None if batch.cell is None else batch.cell @ turn
    return MicrostateBatch(points, batch.weights, batch.features, cell)
