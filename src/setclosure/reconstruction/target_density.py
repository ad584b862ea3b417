"""The target density q_X is the empirical measure of a microstate, smoothed by a Gaussian (Eq. 2).

In a periodic cell the Gaussian is wrapped: all images of a particle are summed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from setclosure.reconstruction.images import log_images
from setclosure.sets.lattice import wrapped
from setclosure.sets.microstates import MicrostateBatch

NO_DOUBLE = ("mps",)
"""Devices without double precision."""


class TargetDensity:
    """The target density of each microstate and species of a batch.

    It is the mixture q_X^s(x) = Σ_i w_{s,i} N(x; x_i, diag(ε²)), which is Eq. 2 with weights. Where the batch has a
    cell, each Gaussian is the sum over its images, and the density is one on the torus.

    Parameters
    ----------
    batch : MicrostateBatch
        Points ``(B, N, d)`` and weights ``(B, S, N)``.
    bandwidth : float or Tensor
        ε, positive, in the units of the points: one number, or one for each feature ``(d,)``. Or a matrix A for each
        microstate, ``(B, d, d)``: the noise is then n A with n ~ N(0, I), as where the axes are those of a cell.

    Examples
    --------
    >>> q = TargetDensity(MicrostateBatch.from_points(torch.zeros(1, 3, 2)), bandwidth=0.5)
    >>> q.sample(10).shape
    torch.Size([1, 1, 10, 2])
    >>> round(q.log_prob(torch.zeros(1, 1, 1, 2)).exp().item(), 4)  # 1 / (2 π ε²)
    0.6366
    """

    def __init__(self, batch: MicrostateBatch, bandwidth: float | Tensor) -> None:
        self.batch = batch
        self.bandwidth = torch.as_tensor(bandwidth, dtype=batch.points.dtype, device=batch.points.device)

    def sample(self, n: int, generator: torch.Generator | None = None, shared: bool = False) -> Tensor:
        """Draw ``n`` points for each microstate and species: ``(B, S, n, d)``.

        A particle is drawn by inverting the cumulative weights, and Gaussian noise is added. The points of a species
        without particles mean nothing.

        Parameters
        ----------
        n : int
            Points of each microstate and species.
        generator : torch.Generator, optional
            Source of the random numbers; PyTorch's global one by default.
        shared : bool
            Whether all microstates get the same random numbers, so that each has what it would have alone.
        """
        points, weights = self.batch.points, self.batch.weights
        B, S, N = weights.shape
        d = points.shape[2]
        # Cumulative weights in float64, so that rounding neither favours a particle nor reaches padding.
        precise = torch.float32 if points.device.type in NO_DOUBLE else torch.float64
        cumulative = weights.to(precise).cumsum(dim=-1).view(B * S, N)
        drawn = 1 if shared else B
        u = torch.rand((drawn * S, n), generator=generator, dtype=precise, device=points.device)
        u = u.view(drawn, S, n).expand(B, S, n).reshape(B * S, n)
        # u < 1, so u·total ≤ total; the first edge above it belongs to a particle of positive weight.
        u = u * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, u, right=True)
        last = (weights > 0).to(points.dtype).mul(torch.arange(1, N + 1, device=points.device)).amax(-1) - 1
        chosen = torch.minimum(chosen, last.long().clamp(min=0).view(B * S, 1)).view(B, S * n, 1)
        centres = points.gather(1, chosen.expand(-1, -1, d)).view(B, S, n, d)
        noise = torch.randn((drawn, S, n, d), generator=generator, dtype=points.dtype, device=points.device)
        x = centres + (noise * self.bandwidth if self.bandwidth.ndim < 3 else noise @ self.bandwidth[:, None])
        if self.batch.cell is None:
            return x
        return wrapped(x.view(B, S * n, d), self.batch.cell).view(B, S, n, d)

    def log_prob(self, x: Tensor, chunk_size: int = 4_000_000) -> Tensor:
        """Evaluate the log density ``(B, S, n)`` at ``x (B, S, n, d)``.

        Coordinates are subtracted before they are squared, so that even a bandwidth of 1e-8 loses nothing to
        cancellation.

        Parameters
        ----------
        x : Tensor
            Points, ``(B, S, n, d)``.
        chunk_size : int
            Pairs of a point and a particle that are held in memory at once.
        """
        points, weights = self.batch.points, self.batch.weights
        B, S, N = weights.shape
        d = points.shape[2]
        if self.bandwidth.ndim == 3 or (self.batch.cell is not None and bool((self.batch.cell != 0).any())):
            return log_images(x, self.batch, self._factors(), chunk_size)
        log_weights = weights.log()[:, :, None]  # (B, S, 1, N); padding is -inf
        scale = self.bandwidth.expand(d)
        step = max(1, chunk_size // (B * S * N))
        parts = []
        for part in x.split(step, dim=2):
            exponent = log_weights.expand(B, S, part.shape[2], N)
            for j in range(d):
                difference = (part[..., j, None] - points[:, None, None, :, j]) / scale[j]
                exponent = exponent - 0.5 * difference.square()
            parts.append(exponent.logsumexp(dim=-1))
        return torch.cat(parts, dim=2) - scale.log().sum() - 0.5 * d * math.log(2.0 * math.pi)

    def _factors(self) -> Tensor:
        """Give the matrices A of the noise, ``(B, d, d)``."""
        if self.bandwidth.ndim == 3:
            return self.bandwidth
        return torch.diag(self.bandwidth.expand(self.batch.n_features)).expand(len(self.batch), -1, -1)
