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


class _NetworkConfig(DiffusionConfig):
    """The options of a diffusion that a network gives."""

    hidden: tuple[PositiveInt, ...] = Field(default=(32, 32), description="Widths of the hidden layers.")


@register("diffusion", "diagonal")
class DiagonalConfig(_NetworkConfig):
    """The options of a :class:`DiagonalDiffusion`."""

    def build(self, dim: int, context_dim: int = 0) -> DiagonalDiffusion:
        """Make the diffusion of macrostates of ``dim`` = D numbers, given ``context_dim`` = p of the context."""
        return DiagonalDiffusion(dim, context_dim, self.hidden)


@register("diffusion", "full")
class FullConfig(_NetworkConfig):
    """The options of a :class:`FullDiffusion`."""

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


class _StateDependent(nn.Module):
    """A network of macrostate and context whose output is ``start`` before training.

    Parameters
    ----------
    start : Tensor
        The first output: noise as large as the increments.
    n_in : int
        D + p.
    hidden : tuple of int
        Widths of the hidden tanh layers.
    """

    def __init__(self, start: Tensor, n_in: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.network = Perceptron(n_in, start.numel(), hidden)
        last = self.network[-1]
        if isinstance(last, nn.Linear):
            nn.init.zeros_(last.weight)
            last.bias.data.copy_(start)


class DiagonalDiffusion(_StateDependent):
    """A state-dependent diagonal Σ: ``(*, D)`` to ``(*, D)``.

    Parameters
    ----------
    dim, context_dim : int
        D and p.
    hidden : tuple of int
        Widths of the hidden tanh layers.
    """

    def __init__(self, dim: int, context_dim: int = 0, hidden: tuple[int, ...] = (32, 32)) -> None:
        super().__init__(torch.full((dim,), _RAW_ONE), dim + context_dim, hidden)

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate the diagonal at each macrostate ``(*, D)`` and context ``(*, p)``."""
        return positive(self.network(joined(y, u)))


class FullDiffusion(_StateDependent):
    """A state-dependent lower-triangular Σ with positive diagonal: ``(*, D)`` to ``(*, D, D)``.

    Parameters
    ----------
    dim, context_dim, hidden
        As in :class:`DiagonalDiffusion`.
    """

    def __init__(self, dim: int, context_dim: int = 0, hidden: tuple[int, ...] = (32, 32)) -> None:
        super().__init__(_RAW_ONE * torch.eye(dim).flatten(), dim + context_dim, hidden)

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate the factor at each macrostate ``(*, D)`` and context ``(*, p)``."""
        D = y.shape[-1]
        raw = self.network(joined(y, u)).unflatten(-1, (D, D))
        factor: Tensor = raw.tril(-1) + torch.diag_embed(positive(raw.diagonal(dim1=-2, dim2=-1)))
        return factor
