"""Wrapped Gaussians are sums over the periodic images of their centres.

All is done in units of the noise, in which a Gaussian is round and the lattice of a cell is another lattice.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import Tensor

from setclosure.sets.lattice import completed, fractions, image_range
from setclosure.sets.microstates import MicrostateBatch

NEGLIGIBLE = 70.0
"""Twice the logarithm of how much smaller than the nearest image the ones may be that are left out, about 1e15."""


def log_images(x: Tensor, batch: MicrostateBatch, factors: Tensor, chunk_size: int) -> Tensor:
    """Evaluate the log density of the mixture Σ_i w_i Σ_images N(x; x_i + image, AᵀA), ``(B, S, n)``.

    Where the lattice vectors are at right angles in units of the noise, images are summed along each of them by itself,
    and else over all combinations.

    Parameters
    ----------
    x : Tensor
        Points, ``(B, S, n, d)``.
    batch : MicrostateBatch
        Centres ``(B, N, d)``, weights ``(B, S, N)`` and perhaps cells ``(B, k, k)``.
    factors : Tensor
        The matrices A of the noise, ``(B, d, d)``, which mix positions with no other features.
    chunk_size : int
        Numbers of pairs of a point and a particle that are held in memory at once.
    """
    points, weights = batch.points, batch.weights
    B, S, N = weights.shape
    d, k = points.shape[2], batch.roles.position
    cell = torch.zeros(B, k, k, dtype=points.dtype, device=points.device) if batch.cell is None else batch.cell
    whiten = torch.linalg.inv(factors)
    lattice = cell @ whiten[:, :k, :k]
    straight = _is_straight(lattice)
    images = _steps(lattice) if straight else _combinations(lattice)
    log_weights = weights.log()[:, :, None]  # (B, S, 1, N); padding is -inf
    frame, periodic = completed(lattice), (cell != 0).any(dim=-1)[:, None]
    step = max(1, chunk_size // (B * S * N * images.shape[1]))
    parts = []
    for part in x.split(step, dim=2):
        n = part.shape[2]
        # coordinates are subtracted before they are scaled, so that a small bandwidth loses nothing to cancellation
        offset: Tensor = (part[:, :, :, None] - points[:, None, None]).reshape(B, -1, d) @ whiten  # (B, S·n·N, d)
        f = fractions(offset[..., :k], frame)
        f = torch.where(periodic, f - f.round(), f)
        exponent = -0.5 * offset[..., k:].square().sum(dim=-1)
        exponent = exponent + (_along_each(f, images, frame) if straight else _over_all(f, images, frame))
        parts.append((log_weights + exponent.view(B, S, n, N)).logsumexp(dim=-1))
    log_volume: Tensor = torch.linalg.slogdet(factors).logabsdet[:, None, None]
    return torch.cat(parts, dim=2) - log_volume - 0.5 * d * math.log(2.0 * math.pi)


def _is_straight(lattice: Tensor) -> bool:
    """Tell whether the vectors of all lattices are at right angles."""
    gram = lattice @ lattice.mT
    size = gram.diagonal(dim1=-2, dim2=-1).sqrt()
    cosines = gram / torch.where(size > 0, size, 1.0)[:, :, None] / torch.where(size > 0, size, 1.0)[:, None]
    beside = cosines - torch.diag_embed(cosines.diagonal(dim1=-2, dim2=-1))
    return bool((beside.abs() < 16 * torch.finfo(lattice.dtype).eps).all())


def _steps(lattice: Tensor) -> Tensor:
    """List whole numbers ``(1, images, k)`` for each lattice vector by itself; zeros where it is open."""
    lengths = lattice.norm(dim=-1)  # (B, k)
    periodic = lengths > 0
    shortest = float(torch.where(periodic, lengths, torch.inf).amin()) if bool(periodic.any()) else torch.inf
    # image m of an offset of half a length is exp(−(m² − m) L² / 2) times smaller than the nearest
    most = math.ceil(0.5 + math.sqrt(0.25 + NEGLIGIBLE / shortest**2))
    m = torch.arange(-most, most + 1, dtype=lattice.dtype, device=lattice.device)
    steps: Tensor = (m[:, None] * periodic[0])[None]
    return steps


def _along_each(f: Tensor, images: Tensor, frame: Tensor) -> Tensor:
    """Sum the images of coordinates ``f (B, P, k)`` along each vector of a frame at right angles, ``(B, P)``."""
    lengths = frame.norm(dim=-1)[:, None]  # (B, 1, k)
    total = torch.zeros_like(f[..., 0])
    for j in range(f.shape[-1]):
        of_j = images[0, :, j]
        if not bool(of_j.any()):
            total = total - 0.5 * (f[..., j] * lengths[..., j]).square()
        else:
            steps = (f[..., j, None] + of_j) * lengths[..., j, None]
            total = total + (-0.5 * steps.square()).logsumexp(dim=-1)
    return total


def _combinations(lattice: Tensor) -> Tensor:
    """List whole numbers ``(1, images, k)`` of lattice vectors whose combinations count for some cell."""
    most = np.zeros(lattice.shape[-1], dtype=int)
    for h in lattice.double().cpu().numpy():
        periodic = (h != 0).any(axis=1)
        frame = completed(torch.from_numpy(h)[None])[0].numpy()
        # the nearest image is at most half the diagonal of the box away that Gram–Schmidt makes of the lattice
        steps = np.abs(np.diag(np.linalg.qr(h[periodic].T)[1]))
        reach = math.sqrt(0.25 * (steps**2).sum() + NEGLIGIBLE)
        most = np.maximum(most, np.where(periodic, image_range(frame, reach), 0))
    whole = np.array(list(itertools.product(*(range(-m, m + 1) for m in most))), dtype=float)
    return torch.as_tensor(whole, dtype=lattice.dtype, device=lattice.device)[None]


def _over_all(f: Tensor, images: Tensor, frame: Tensor) -> Tensor:
    """Sum the images of coordinates ``f (B, P, k)`` over all combinations of lattice vectors, ``(B, P)``."""
    places = (f[:, :, None] + images[:, None]) @ frame[:, None]  # (B, P, images, k)
    total: Tensor = (-0.5 * places.square().sum(dim=-1)).logsumexp(dim=-1)
    return total
