"""A model sees microstates in standard coordinates, which use the cell and the symmetries that it was told of.

A symmetry of the microscopic law that leaves the observable unchanged need not be learned. Translations are
removed by the centre of mass; rotations and reflections, which have no such simple normal form, are used as
random changes of the training data and as a finite group of *views* over which a prediction is averaged.

In a cell a position has a fraction along each periodic lattice vector, which the decoder sees as an angle θ = 2πf and
the encoder as cos mθ and sin mθ. Translations then go around the torus, and the phase of the particles takes them off;
see :mod:`setclosure.sets.phase`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from setclosure.errors import MicrostateError, ModelError
from setclosure.sets.features import Features
from setclosure.sets.lattice import completed, fractions, require_cell
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.sets.phase import TURN, first_harmonics, largest_weights, phase
from setclosure.sets.symmetry import as_symmetry

HARMONICS = 2
"""Harmonics of a periodic coordinate that an encoder sees, by default."""

_ROUNDING = 8 * torch.finfo(torch.float32).eps
"""A spread that is a smaller share of the size of a feature is nothing but rounding."""


class Coordinates(nn.Module):
    """The standard coordinates of particles: x ↦ (x − centre − shift) / scale, and angles in a cell.

    ``centre`` is the centre of mass of the microstate (the mean over species of their weighted means), along the
    directions in which the symmetry has translations; it is taken off positions alone. ``scale`` is the training
    standard deviation, one for each feature. With rotations the components of a position that they mix, or of a vector,
    share one and have no shift, so that rotations stay rotations. Periodic coordinates are angles in [-π, π), which
    have neither shift nor scale; their centre is a phase.

    Parameters
    ----------
    features : Features
        The roles of the d features.
    symmetry : str, mapping or Symmetry
        Changes of coordinates that neither the microscopic law nor the observable sees, as
        :func:`~setclosure.sets.symmetry.as_symmetry` reads them.
    weight_feature : int, optional
        A feature that multiplies the weights of the particles, such as the grey level of a pixel. It must not be
        negative.
    identity : bool
        Whether particles stay as they are, for models that read features in the units of the data.
    periodic : tuple of bool
        Which lattice directions of the cell are periodic, ``(k,)``; empty for microstates without a cell.
    harmonics : int
        Harmonics of a periodic coordinate that an encoder sees.
    n_species : int
        The number of species, S.
    ignored_scale : float, optional
        The scale of features that never change in training, which the model sees as zero for every particle: that of
        the bandwidth leaves a standard normal density to them. By default they are refused.

    Raises
    ------
    ModelError
        If the symmetry names no coordinate of the position, or particles in a cell should stay as they are.

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
    phase_weights: Tensor
    seen: Tensor

    def __init__(
        self,
        features: Features,
        symmetry: Any,
        weight_feature: int | None = None,
        identity: bool = False,
        *,
        periodic: tuple[bool, ...] = (),
        harmonics: int = HARMONICS,
        n_species: int = 1,
        ignored_scale: Any = None,
    ) -> None:
        super().__init__()
        self.features, self.symmetry, self.n_species = features, as_symmetry(symmetry, features), n_species
        self.weight_feature, self.identity = weight_feature, identity
        self.periodic, self.harmonics = periodic if any(periodic) else (), harmonics
        if identity and self.periodic:
            raise ModelError("the encoder reads features as they are, and has no periodic cell; leave the cell out.")
        self.register_buffer("shift", torch.zeros(features.d))
        self.register_buffer("scale", torch.ones(features.d))
        self.ignored_scale = ignored_scale
        if ignored_scale is not None:
            self.register_buffer("seen", torch.ones(features.d))  # zero for a feature that is left out
        if self.periodic:
            self.register_buffer("phase_weights", torch.full((features.position, n_species), 1.0 / n_species))

    @property
    def circular(self) -> tuple[bool, ...]:
        """Whether each of the d standard coordinates is an angle; empty without a cell."""
        return self.periodic + (False,) * (self.features.d - len(self.periodic)) if self.periodic else ()

    def encoder_kind(self, kind: MicrostateKind) -> MicrostateKind:
        """Give the kind of microstates that the encoder sees: harmonics in the place of periodic coordinates."""
        if not self.periodic:
            return kind
        names = self.features.names
        open_ = [names[i] for i in range(self.features.d) if not self.circular[i]]
        waves = [
            f"{wave}({m}·{names[i]})"
            for i in range(self.features.d)
            if self.circular[i]
            for m in range(1, self.harmonics + 1)
            for wave in ("cos", "sin")
        ]
        seen = Features(0, scalars=len(open_) + len(waves), names=(*open_, *waves))
        return MicrostateKind(seen, kind.n_species, kind.n_particles)

    def decoder_kind(self, kind: MicrostateKind) -> MicrostateKind:
        """Give the kind of microstates whose density the decoder gives: the standard coordinates."""
        if not self.periodic:
            return kind
        return MicrostateKind(kind.features, kind.n_species, kind.n_particles, circular=self.circular)

    def fit(self, batch: MicrostateBatch) -> None:
        """Take shift, scale and the weights of the phase from a batch of training microstates.

        Nothing is taken with ``identity``.

        Raises
        ------
        ModelError
            If a feature never changes, or all particles of every microstate are at the same place.
        """
        if self.identity:
            return
        batch = self._weighed(batch)
        if self.periodic:
            self._fit_phase(batch)
        x = self._centred(batch)
        weights = batch.particle_weights
        n_sets = (weights > 0).any(dim=1).sum()
        w = weights[..., None]  # (B, N, 1), sum one in each set that is not empty
        mean = (w * x).sum(dim=(0, 1)) / n_sets
        variance = (w * (x - mean) ** 2).sum(dim=(0, 1)) / n_sets
        if self.symmetry.turns:
            mean, variance = mean.clone(), variance.clone()
            for columns in self._turned_together():
                mean[columns], variance[columns] = 0.0, variance[columns].mean()
        scale = variance.sqrt()
        size = torch.where(weights[..., None] > 0, batch.points, 0.0).abs().amax(dim=(0, 1))
        tiny = ~(scale > _ROUNDING * size + 1e-30)  # NaN, too: there is no particle at all
        if bool(tiny.any()) and self.ignored_scale is None:
            self._refuse(tiny, batch)
        if self.ignored_scale is not None:
            self.seen.copy_(~tiny)
            ignored = torch.as_tensor(self.ignored_scale, dtype=scale.dtype, device=scale.device)
            scale = torch.where(tiny, ignored.expand_as(scale), scale)
        if self.periodic:
            angles = torch.tensor(self.circular, device=mean.device)
            mean, scale = mean.masked_fill(angles, 0.0), scale.masked_fill(angles, 1.0)
        self.shift.copy_(mean)
        self.scale.copy_(scale)

    def forward(self, batch: MicrostateBatch) -> MicrostateBatch:
        """Give the batch in standard coordinates, and with the weights that the model sees.

        In a cell periodic coordinates are angles, and the cell of the result has 2π for each.

        Raises
        ------
        MicrostateError
            If the feature by which particles weigh is negative, or zero for all particles of a species.
        ModelError
            If the microstates have no cell, or one that is periodic along other directions than in training.
        """
        if self.identity:
            return batch
        batch = self._weighed(batch)
        points = (self._centred(batch) - self.shift) / self.scale
        if self.ignored_scale is not None:
            points = points * self.seen
        if not self.periodic:
            return batch.with_points(points)
        turn = torch.diag(torch.tensor(self.periodic, dtype=points.dtype, device=points.device) * TURN)
        return MicrostateBatch(points, batch.weights, batch.features, turn.expand(len(batch), -1, -1))

    def to_encoder(self, seen: MicrostateBatch) -> MicrostateBatch:
        """Give standard coordinates as the encoder sees them: angles as cosines and sines of their harmonics."""
        if not self.periodic:
            return seen
        circular = torch.tensor(self.circular, device=seen.points.device)
        angles, rest = seen.points[..., circular], seen.points[..., ~circular]
        m = torch.arange(1, self.harmonics + 1, dtype=angles.dtype, device=angles.device)
        waves = angles[..., None] * m  # (B, N, angles, harmonics)
        columns = torch.stack([waves.cos(), waves.sin()], dim=-1).flatten(2)
        kind = self.encoder_kind(MicrostateKind(self.features, seen.n_species))
        return MicrostateBatch(torch.cat([rest, columns], dim=-1), seen.weights, kind.features)

    def smoothing(self, batch: MicrostateBatch, bandwidth: float | Tensor) -> Tensor:
        """Give the noise of q_X in standard coordinates.

        Parameters
        ----------
        batch : MicrostateBatch
            B microstates in the units of the data.
        bandwidth : float or Tensor
            ε in the units of the data, one number or ``(d,)``.

        Returns
        -------
        Tensor
            ε for each standard coordinate ``(d,)``; in a cell the matrices A ``(B, d, d)`` of the noise n A, with
            n ~ N(0, I).
        """
        if not self.periodic:
            return bandwidth / self.scale
        epsilon = torch.as_tensor(bandwidth, dtype=self.scale.dtype, device=self.scale.device).expand(self.features.d)
        factors: Tensor = torch.diag(epsilon) @ self._jacobian(batch)
        return factors

    def log_volume(self, batch: MicrostateBatch) -> Tensor:
        """Give ``log |det J|`` of the map from the data to standard coordinates: a number, or ``(B, 1)`` in a cell."""
        if not self.periodic:
            return -self.scale.log().sum()
        log_volume: Tensor = torch.linalg.slogdet(self._jacobian(batch)).logabsdet[:, None]
        return log_volume

    def points_seen(self, x: Tensor, batch: MicrostateBatch) -> Tensor:
        """Give points ``(B, n, d)`` in the standard coordinates of each microstate."""
        if not self.periodic:
            return (x - self._offset(batch)) / self.scale
        origin = self._origin(self._weighed(batch), self._fractions(batch.points, batch))
        return (self._moved(x, self._fractions(x, batch), origin) - self.shift) / self.scale

    def points_of(self, u: Tensor, batch: MicrostateBatch) -> Tensor:
        """Give standard coordinates ``(B, n, d)`` in the units of each microstate, inside its cell."""
        if not self.periodic:
            return u * self.scale + self._offset(batch)
        k = self.features.position
        x = u * self.scale + self.shift
        origin = self._origin(self._weighed(batch), self._fractions(batch.points, batch))
        f = x[..., :k] / self._turns() + origin
        f = torch.where(torch.tensor(self.periodic, device=f.device), f - f.floor(), f)
        return torch.cat([f @ completed(self._cell(batch)), x[..., k:]], dim=-1)

    def _offset(self, batch: MicrostateBatch) -> Tensor:
        """Give the origin of the coordinates in the units of each microstate, ``(B, 1, d)``."""
        seen: MicrostateBatch = self(batch)
        return batch.points[:, :1] - seen.points[:, :1] * self.scale

    def _turned_together(self) -> list[Tensor]:
        """List the columns that rotations mix: those of a position, by blocks, and of each vector."""
        k, blocks = self.features.position, torch.tensor(self.symmetry.blocks)
        open_ = ~torch.tensor(self.periodic) if self.periodic else torch.ones(k, dtype=torch.bool)
        groups = []
        for n, group in enumerate(self.features.groups()):
            first = group.start or 0
            if n and self.periodic:  # the point group of a triclinic cell mixes all components of a vector
                groups.append(torch.arange(first, first + k))
                continue
            parts = [first + torch.nonzero((blocks == part) & (open_ if n == 0 else True)).flatten() for part in (0, 1)]
            groups += [part for part in parts if len(part)]
        return groups

    def _refuse(self, tiny: Tensor, batch: MicrostateBatch) -> None:
        """Say why features have no spread: they never change, or the particles of every microstate coincide."""
        names = ", ".join(self.features.names[i] for i in torch.nonzero(tiny).flatten().tolist())
        w = batch.particle_weights[..., None]
        x = torch.where(w > 0, batch.points, torch.nan)[..., tiny]
        moves = (x.nan_to_num(-torch.inf).amax((0, 1)) - x.nan_to_num(torch.inf).amin((0, 1))) > 0
        if any(self.symmetry.translation) and bool(moves.any()):
            raise ModelError(
                f"the particles of every training microstate coincide in {names}: under symmetry 'translation' the "
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
        if self.periodic:
            f = self._fractions(batch.points, batch)
            return self._moved(batch.points, f, self._origin(batch, f))
        if not any(self.symmetry.translation):
            return batch.points
        with torch.autocast(batch.points.device.type, enabled=False):
            centre = batch.particle_weights[:, None] @ batch.points  # (B, 1, d)
            return batch.points - self._along_symmetry(centre)

    def _along_symmetry(self, centre: Tensor) -> Tensor:
        """Keep the columns of ``centre (B, 1, d)`` along which translations change nothing."""
        moved = self.symmetry.translation + (False,) * (self.features.d - self.features.position)
        if all(moved):
            return centre
        return torch.where(torch.tensor(moved, device=centre.device), centre, torch.zeros_like(centre))

    # ── in a cell ─────────────────────────────────────────────────────────────────────────────────────────────

    def check_cell(self, batch: MicrostateBatch) -> None:
        """Refuse microstates that are periodic along other directions than in training.

        Raises
        ------
        ModelError
            If they are; the message says along which.
        """
        require_cell(batch.cell, self.periodic, self.features.names)

    def _cell(self, batch: MicrostateBatch) -> Tensor:
        """Give the cells of a batch, which must be periodic as in training."""
        self.check_cell(batch)
        if batch.cell is None:  # never behind the check; for the type checker
            raise ModelError("the microstates have no cell.")
        return batch.cell

    def _turns(self) -> Tensor:
        """Give 2π for each periodic coordinate of a position and one for each other, ``(k,)``."""
        periodic = torch.tensor(self.periodic, dtype=self.scale.dtype, device=self.scale.device)
        return 1.0 + periodic * (TURN - 1.0)

    def _jacobian(self, batch: MicrostateBatch) -> Tensor:
        """Give the matrices J ``(B, d, d)`` of differences: those of standard coordinates are (x − y) J."""
        k = self.features.position
        frame = completed(self._cell(batch)).to(self.scale.dtype)
        jacobian = torch.diag(1.0 / self.scale).repeat(len(batch), 1, 1)
        jacobian[:, :k, :k] = torch.linalg.inv(frame) * (self._turns() / self.scale[:k])
        return jacobian

    def _fractions(self, points: Tensor, batch: MicrostateBatch) -> Tensor:
        """Give the positions of points ``(B, n, d)`` along the lattice of each microstate, ``(B, n, k)``."""
        with torch.autocast(points.device.type, enabled=False):
            return fractions(points[..., : self.features.position], completed(self._cell(batch)))

    def _moved(self, points: Tensor, f: Tensor, origin: Tensor) -> Tensor:
        """Give points ``(B, n, d)`` at ``f`` as angles in [-π, π) and lengths from ``origin (B, 1, k)``, unscaled."""
        f = f - origin
        periodic = torch.tensor(self.periodic, device=f.device)
        # the nearest whole number of turns is taken off, so that wrapping changes nothing
        turned = torch.where(periodic, (f - (f + 0.5).floor()) * TURN, f)
        return torch.cat([turned, points[..., self.features.position :]], dim=-1)

    def _origin(self, batch: MicrostateBatch, f: Tensor) -> Tensor:
        """Give the origin along the lattice, ``(B, 1, k)``: a phase, or a centre of mass along open directions."""
        if not any(self.symmetry.translation):
            return f.new_zeros(len(batch), 1, f.shape[-1])
        with torch.autocast(batch.points.device.type, enabled=False):
            turn = phase(first_harmonics(batch.weights, f), self.phase_weights)
            centre = (batch.particle_weights[:, None] @ f)[:, 0]
            origin = torch.where(torch.tensor(self.periodic, device=f.device), turn, centre)
            moved = torch.tensor(self.symmetry.translation, device=f.device)
            return torch.where(moved, origin, torch.zeros_like(origin))[:, None]

    def _fit_phase(self, batch: MicrostateBatch) -> None:
        """Weigh the species so that the harmonic, whose phase is the origin, is as large as it can be."""
        if self.n_species > 1:
            harmonics = first_harmonics(batch.weights, self._fractions(batch.points, batch))
            self.phase_weights.copy_(largest_weights(harmonics))
