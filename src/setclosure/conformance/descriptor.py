"""The promises of descriptors: vectors of particles that follow order, shifts and rotations as their roles say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from setclosure.conformance.report import Report, begun
from setclosure.conformance.require import require, require_finite, require_same, require_shape
from setclosure.conformance.sets import N_PARTICLES, STRAY, batched, random_sets
from setclosure.descriptors.base import DescriptorConfig
from setclosure.descriptors.joined import Descriptors
from setclosure.errors import ModelError
from setclosure.seeds import torch_stream
from setclosure.sets.features import Features
from setclosure.sets.lattice import wrapped
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.sets.symmetry import Symmetry, as_symmetry, random_turns, shifted, turned

_RICH = Features(2, vectors=1, scalars=1)
KINDS = (
    MicrostateKind(2, 1, N_PARTICLES),
    MicrostateKind(_RICH, 2, N_PARTICLES),
    MicrostateKind(_RICH, 3, N_PARTICLES, periodic=(True, True)),
    MicrostateKind(Features(3, vectors=1), 1, N_PARTICLES),
)
"""Kinds of microstates on which descriptors are tried: in the plane, with several species, in a cell, in space."""

SIDE = 8.0
"""The side of the cell."""

TOLERANCE = 3e-5
"""Largest difference, as a share of the largest number; some libraries compute in single precision."""


def check_descriptor(config: DescriptorConfig) -> Report:
    """Check the promises of a descriptor on microstates of several kinds; kinds that it refuses are left out.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.

    Examples
    --------
    >>> from setclosure.descriptors.radial import RadialConfig
    >>> check_descriptor(RadialConfig()).promises[-1]
    'shifts, rotations and mirrors change positions and vectors as their roles say, and scalars not at all'
    """
    report = begun("descriptor", config)
    with report.promise("it describes microstates of one kind at least, and names its columns"):
        tried = [one for one in (_tried(config, kind) for kind in KINDS) if one is not None]
        require(bool(tried), "it refused all kinds of microstates that were tried.")
    checks = {
        "particles have columns (B, N, d), which are finite": _Tried.shapes,
        "what it takes from training microstates is stored and read back": _Tried.stored,
        "the order of the particles changes nothing but the order of the rows": _Tried.order,
        "padding and batch mates change nothing": _Tried.padding,
        "in a cell, wrapping changes nothing": _Tried.wrapping,
        "shifts, rotations and mirrors change positions and vectors as their roles say, and scalars not at all": (
            _Tried.symmetries
        ),
    }
    report.keeps(checks, tried)
    return report


def _tried(config: DescriptorConfig, kind: MicrostateKind) -> _Tried | None:
    try:
        config.features(kind)
    except ModelError:
        return None
    return _Tried(config, kind)


_Change = Callable[[MicrostateBatch], MicrostateBatch]
"""A change of microstates as it acts on what describes their particles."""


class _Tried:
    """A descriptor that is fitted to microstates of one kind."""

    def __init__(self, config: DescriptorConfig, kind: MicrostateKind) -> None:
        self.kind = kind
        self.batch = self._batch((N_PARTICLES, N_PARTICLES, 9, 7))
        self.config = config.fitted(self.batch)
        self.describe = Descriptors([self.config], kind)

    def shapes(self) -> None:
        found = self.describe(self.batch)
        d = self.config.features(self.kind).d
        require_shape(found.points, (*self.batch.points.shape[:2], d), "the described particles")
        require_finite(found.points, "the described particles")

    def stored(self) -> None:
        again = type(self.config).checked(self.config.model_dump(mode="json"))
        require(again == self.config, f"it was read as {again!r}; expected {self.config!r}.")

    def order(self) -> None:
        order = torch.randperm(N_PARTICLES, generator=torch_stream(0, "order"))
        points, weights = self.batch.points[:, order], self.batch.weights[:, :, order]
        moved = MicrostateBatch(points, weights, self.batch.features, self.batch.cell)
        require_same(self.describe(moved).points, self.describe(self.batch).points[:, order], "reordered", TOLERANCE)

    def padding(self) -> None:
        stray = torch.where(self.batch.mask[..., None], self.batch.points, torch.full_like(self.batch.points, STRAY))
        whole = self.describe(self.batch).points
        there = self.batch.mask[..., None]
        padded = self.describe(self.batch.with_points(stray)).points
        require_same(padded * there, whole * there, "with stray padding", TOLERANCE)
        require_same(self.describe(self.batch[2:3]).points, whole[2:3], "alone", TOLERANCE)

    def wrapping(self) -> None:
        if self.batch.cell is None:
            return
        points = wrapped(self.batch.points + 0.0, self.batch.cell)
        k = self.kind.features.position
        far = self.batch.points.clone()
        far[..., :k] += 3 * SIDE
        one, other = (self._scalars(self.describe(self.batch.with_points(p))) for p in (points, far))
        require_same(one, other, "scalars of particles that were wrapped", TOLERANCE)

    def symmetries(self) -> None:
        features = self.kind.features
        symmetry = as_symmetry("euclidean", features)
        for changed, expected in self._changed(symmetry):
            found = self.describe(changed)
            wanted = expected(self.describe(self.batch))
            # positions in a cell are the same up to lattice vectors, so their columns are not compared
            first = found.roles.position if self.batch.cell is not None else 0
            one, other = ((batch.points * self.batch.mask[..., None])[..., first:] for batch in (found, wanted))
            require_same(one, other, "moved particles", TOLERANCE)

    def _changed(self, symmetry: Symmetry) -> Iterator[tuple[MicrostateBatch, _Change]]:
        stream = torch_stream(0, "descriptor")
        shift = torch.randn(len(self.batch), self.kind.features.position, generator=stream, dtype=torch.float64)
        turn = random_turns(symmetry, len(self.batch), stream, self.batch.cell).to(self.batch.points.dtype)

        def as_shifted(batch: MicrostateBatch) -> MicrostateBatch:
            return shifted(batch, shift) if batch.roles.position else batch

        def as_turned(batch: MicrostateBatch) -> MicrostateBatch:
            return turned(batch, turn) if batch.roles.position else batch

        yield shifted(self.batch, shift), as_shifted
        yield turned(self.batch, turn), as_turned

    def _scalars(self, batch: MicrostateBatch) -> Tensor:
        return batch.points[..., batch.roles.position :] * batch.mask[..., None]

    def _batch(self, sizes: tuple[int, ...]) -> MicrostateBatch:
        batch = batched(random_sets(self.kind, sizes), self.kind)
        if not any(self.kind.periodic):
            return batch
        cell = SIDE * torch.eye(self.kind.features.position, dtype=torch.float64)
        return replace(batch, cell=cell.expand(len(batch), -1, -1))
