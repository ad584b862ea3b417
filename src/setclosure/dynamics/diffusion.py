"""The diffusion Σ: constant, diagonal or full, as a lower-triangular factor in standardised coordinates.

A factor is either the diagonal ``(*, D)`` of a diagonal Σ, or a lower-triangular ``(*, D, D)`` with positive
diagonal (the Cholesky factor of ΣΣᵀ, which is all that the law of the process depends on). Its number of axes
tells which of the two it is, so that a diagonal one never becomes a matrix.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from setclosure.dynamics.networks import Perceptron

FLOOR = 1e-3
"""Least diagonal entry, in units of the root mean square increment per frame: bounds the likelihood."""

_RAW_ONE = math.log(math.expm1(1.0 - FLOOR))  # what positive() maps to one: the noise of a driftless process


def positive(raw: Tensor) -> Tensor:
    """Softplus plus :data:`FLOOR`, elementwise."""
    return softplus(raw) + FLOOR


def times_noise(factor: Tensor, noise: Tensor) -> Tensor:
    """Multiply a factor, ``(*, D)`` or ``(*, D, D)``, with noise ``(*, D)``: Σ ξ, ``(*, D)``."""
    if factor.ndim == noise.ndim:
        return factor * noise
    return (factor @ noise.unsqueeze(-1)).squeeze(-1)


class ConstantDiffusion(nn.Module):
    """A diagonal Σ that does not depend on the state: ``(*, D)`` to ``(*, D)``.

    Parameters
    ----------
    dim : int
        D.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((dim,), _RAW_ONE))

    def forward(self, y: Tensor) -> Tensor:
        """Give the diagonal, the same at every macrostate."""
        return positive(self.raw).expand_as(y)


class DiagonalDiffusion(nn.Module):
    """A state-dependent diagonal Σ: ``(*, D)`` to ``(*, D)``.

    Parameters
    ----------
    dim : int
        D.
    hidden : tuple of int
        Widths of the hidden tanh layers.
    """

    def __init__(self, dim: int, hidden: tuple[int, ...] = (32, 32)) -> None:
        super().__init__()
        self.network = _starting_at(torch.full((dim,), _RAW_ONE), dim, hidden)

    def forward(self, y: Tensor) -> Tensor:
        """Evaluate the diagonal at each macrostate."""
        return positive(self.network(y))


class FullDiffusion(nn.Module):
    """A state-dependent lower-triangular Σ with positive diagonal: ``(*, D)`` to ``(*, D, D)``.

    Parameters
    ----------
    dim : int
        D.
    hidden : tuple of int
        Widths of the hidden tanh layers.
    """

    def __init__(self, dim: int, hidden: tuple[int, ...] = (32, 32)) -> None:
        super().__init__()
        self.network = _starting_at(_RAW_ONE * torch.eye(dim).flatten(), dim, hidden)

    def forward(self, y: Tensor) -> Tensor:
        """Evaluate the factor at each macrostate."""
        D = y.shape[-1]
        raw = self.network(y).unflatten(-1, (D, D))
        factor: Tensor = raw.tril(-1) + torch.diag_embed(positive(raw.diagonal(dim1=-2, dim2=-1)))
        return factor


def _starting_at(output: Tensor, dim: int, hidden: tuple[int, ...]) -> Perceptron:
    """Make a network whose output is ``output`` before training: noise as large as the increments."""
    network = Perceptron(dim, output.numel(), hidden)
    last = network[-1]
    if isinstance(last, nn.Linear):
        nn.init.zeros_(last.weight)
        last.bias.data.copy_(output)
    return network
