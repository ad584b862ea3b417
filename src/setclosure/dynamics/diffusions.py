"""The diffusion Σ: constant, diagonal or full, as a lower-triangular factor in standardised coordinates.

A factor is either the diagonal ``(*, D)`` of a diagonal Σ, or a lower-triangular ``(*, D, D)`` with positive
diagonal (the Cholesky factor of ΣΣᵀ, which is all that the law of the process depends on). Its number of axes
tells which of the two it is, so that a diagonal one never becomes a matrix.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import softplus

from setclosure.dynamics.base import DiffusionConfig
from setclosure.dynamics.networks import Perceptron, joined
from setclosure.registry import register

FLOOR = 1e-3
"""Least diagonal entry, in units of the root mean square increment per frame: bounds the likelihood."""

_RAW_ONE = math.log(math.expm1(1.0 - FLOOR))  # what positive() maps to one: the noise of a driftless process


def positive(raw: Tensor) -> Tensor:
    """Softplus plus :data:`FLOOR`, elementwise."""
    return softplus(raw) + FLOOR


@register("diffusion", "constant")
class ConstantConfig(DiffusionConfig):
    """A constant diagonal has no options."""

    def build(self, dim: int, context_dim: int = 0) -> ConstantDiffusion:
        """Make the diffusion of macrostates of ``dim`` = D numbers; it sees no context."""
        return ConstantDiffusion(dim)


@register("diffusion", "diagonal")
class DiagonalConfig(DiffusionConfig):
    """The options of a :class:`DiagonalDiffusion`."""

    hidden: tuple[PositiveInt, ...] = Field(default=(32, 32), description="Widths of the hidden layers.")

    def build(self, dim: int, context_dim: int = 0) -> DiagonalDiffusion:
        """Make the diffusion of macrostates of ``dim`` = D numbers, given ``context_dim`` = p of the context."""
        return DiagonalDiffusion(dim, context_dim, self.hidden)


@register("diffusion", "full")
class FullConfig(DiffusionConfig):
    """The options of a :class:`FullDiffusion`."""

    hidden: tuple[PositiveInt, ...] = Field(default=(32, 32), description="Widths of the hidden layers.")

    def build(self, dim: int, context_dim: int = 0) -> FullDiffusion:
        """Make the diffusion of macrostates of ``dim`` = D numbers, given ``context_dim`` = p of the context."""
        return FullDiffusion(dim, context_dim, self.hidden)


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

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Give the diagonal ``(*, D)``, the same at every macrostate ``(*, D)`` and context ``(*, p)``."""
        return positive(self.raw).expand_as(y)


class DiagonalDiffusion(nn.Module):
    """A state-dependent diagonal Σ: ``(*, D)`` to ``(*, D)``.

    Parameters
    ----------
    dim : int
        D.
    context_dim : int
        p.
    hidden : tuple of int
        Widths of the hidden tanh layers.
    """

    def __init__(self, dim: int, context_dim: int = 0, hidden: tuple[int, ...] = (32, 32)) -> None:
        super().__init__()
        self.network = _starting_at(torch.full((dim,), _RAW_ONE), dim + context_dim, hidden)

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate the diagonal at each macrostate ``(*, D)`` and context ``(*, p)``."""
        return positive(self.network(joined(y, u)))


class FullDiffusion(nn.Module):
    """A state-dependent lower-triangular Σ with positive diagonal: ``(*, D)`` to ``(*, D, D)``.

    Parameters
    ----------
    dim : int
        D.
    context_dim : int
        p.
    hidden : tuple of int
        Widths of the hidden tanh layers.
    """

    def __init__(self, dim: int, context_dim: int = 0, hidden: tuple[int, ...] = (32, 32)) -> None:
        super().__init__()
        self.network = _starting_at(_RAW_ONE * torch.eye(dim).flatten(), dim + context_dim, hidden)

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate the factor at each macrostate ``(*, D)`` and context ``(*, p)``."""
        D = y.shape[-1]
        raw = self.network(joined(y, u)).unflatten(-1, (D, D))
        factor: Tensor = raw.tril(-1) + torch.diag_embed(positive(raw.diagonal(dim1=-2, dim2=-1)))
        return factor


def _starting_at(output: Tensor, n_in: int, hidden: tuple[int, ...]) -> Perceptron:
    """Make a network whose output is ``output`` before training: noise as large as the increments."""
    network = Perceptron(n_in, output.numel(), hidden)
    last = network[-1]
    if isinstance(last, nn.Linear):
        nn.init.zeros_(last.weight)
        last.bias.data.copy_(output)
    return network
