"""Pooled statistics are a closure that needs no training: means and spreads of the particles, turned by PCA."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from setclosure.encoders.base import EncoderConfig
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

_LEAST = 1e-6
"""A statistic that varies by a smaller share of its size carries rounding alone."""


@register("encoder", "pooled")
class PooledConfig(EncoderConfig):
    """The statistics of a :class:`Pooled`, beside the mean and the standard deviation of every column."""

    trained: ClassVar[bool] = False
    joint: ClassVar[bool] = True

    third_moments: bool = Field(False, description="Whether the (cube roots of) third moments are pooled, too.")
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="Quantiles that are pooled, too, such as [0.1, 0.5, 0.9]."
    )

    def build(self, kind: MicrostateKind, closure_dim: int) -> Pooled:
        """Make the encoder of microstates of a ``kind``, with ``closure_dim`` = c numbers for all species together."""
        return Pooled(kind.n_features, kind.n_species, closure_dim, self)


class Pooled(nn.Module):
    """An encoder that pools the particles of each species and keeps the c directions in which training varies most.

    :meth:`statistics` gives weighted means and standard deviations of all columns over the particles of each species.
    :meth:`fit` turns those of training microstates, each in units of its spread, by a principal component analysis.

    Parameters
    ----------
    n_features : int
        Columns of a particle, d.
    n_species : int
        Species, S.
    closure_dim : int
        Numbers of the closure, c, for all species together.
    config : PooledConfig, optional
        The statistics.

    Examples
    --------
    >>> batch = MicrostateBatch.from_points(torch.randn(20, 10, 2))
    >>> encoder = Pooled(2, 1, 3)
    >>> encoder.fit(encoder.statistics(batch))
    >>> encoder(batch).shape
    torch.Size([20, 1, 3])
    """

    shift: Tensor
    axes: Tensor

    def __init__(self, n_features: int, n_species: int, closure_dim: int, config: PooledConfig | None = None) -> None:
        super().__init__()
        self.config = config or PooledConfig()
        m = n_species * n_features * (2 + self.config.third_moments + len(self.config.quantiles))
        self.register_buffer("shift", torch.zeros(m))
        self.register_buffer("axes", torch.zeros(m, closure_dim))

    def statistics(self, batch: MicrostateBatch) -> Tensor:
        """Pool the particles of B microstates, ``(B, m)``; a species without particles has zeros."""
        x, w = batch.points, batch.weights
        mean = w @ x  # (B, S, d)
        deviation = x[:, None] - mean[:, :, None]  # (B, S, N, d)
        weights = w[..., None]
        parts = [mean, (weights * deviation**2).sum(dim=2).clamp(min=0).sqrt()]
        if self.config.third_moments:
            third = (weights * deviation**3).sum(dim=2)
            parts.append(third.sign() * third.abs() ** (1 / 3))
        parts += self._quantiles(x, w)
        return torch.stack(parts, dim=1).flatten(1)

    @torch.no_grad()
    def fit(self, statistics: Tensor) -> None:
        """Take the directions from the statistics of training microstates, ``(F, m)``.

        Where there are fewer than c directions in which they vary, the others are zero.
        """
        from sklearn.decomposition import PCA  # which those who only predict need not have

        given = statistics.double()
        spread, size = given.std(dim=0, correction=0), given.abs().amax(dim=0)
        varies = spread > _LEAST * size
        self.shift.copy_(given.mean(dim=0))
        self.axes.zero_()
        kept = torch.nonzero(varies).flatten()
        n = min(self.axes.shape[1], len(kept), len(given))
        if n == 0:
            return
        standard = (given - given.mean(dim=0))[:, kept] / spread[kept]
        found = PCA(n, svd_solver="full").fit(standard.numpy()).components_  # (n, kept)
        axes = torch.zeros(self.axes.shape, dtype=torch.float64)
        axes[kept, :n] = torch.from_numpy(found.T) / spread[kept, None]
        self.axes.copy_(axes)

    def forward(self, batch: MicrostateBatch) -> Tensor:
        """Give the closure of each microstate, ``(B, 1, c)``."""
        closure: Tensor = (self.statistics(batch) - self.shift) @ self.axes
        return closure[:, None]

    def _quantiles(self, x: Tensor, w: Tensor) -> list[Tensor]:
        """Give weighted quantiles ``(B, S, d)``, each the first value at which the weights reach the share."""
        if not self.config.quantiles:
            return []
        value, order = x.sort(dim=1)  # (B, N, d)
        found = []
        reached = torch.stack(
            [w[:, s, :, None].expand_as(x).gather(1, order).cumsum(dim=1) for s in range(w.shape[1])], 1
        )
        for share in self.config.quantiles:
            at = (reached >= share - 1e-6).to(torch.uint8).argmax(dim=2, keepdim=True)  # (B, S, 1, d)
            chosen = value[:, None].expand(-1, w.shape[1], -1, -1).gather(2, at)[:, :, 0]
            found.append(torch.where((w > 0).any(dim=2)[..., None], chosen, torch.zeros_like(chosen)))
        return found
