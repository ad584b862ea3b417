"""The diffusion Σ is constant, diagonal or full, and given by a factor in standardised coordinates.

A factor is either the diagonal ``(*, D)`` of a diagonal Σ, or a lower-triangular matrix ``(*, D, D)`` with positive
diagonal, the Cholesky factor of ΣΣᵀ, on which alone the law of the process depends. The number of axes tells which of
the two a factor is, so that a diagonal one never becomes a matrix.
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
"""The least diagonal entry, in units of the root mean square increment of a time step; it bounds the likelihood."""

_RAW_ONE = math.log(math.expm1(1.0 - FLOOR))  # positive() maps this to one, the noise of a process without drift


def positive(raw: Tensor) -> Tensor:
    """Map numbers to positive ones, elementwise, by softplus plus :data:`FLOOR`.

    Examples
    --------
    >>> bool((positive(torch.tensor([-100.0, 0.0])) >= FLOOR).all())
    True
    """
    return softplus(raw) + FLOOR


@register("diffusion", "constant")
class ConstantConfig(DiffusionConfig):
    """The options of a :class:`ConstantDiffusion`, which has none."""

    def build(self, dim: int, context_dim: int = 0) -> ConstantDiffusion:
        """Make the diffusion of macrostates of ``dim`` = D numbers, which sees no context."""
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
    """A diagonal Σ that depends neither on the state nor on the context.

    Parameters
    ----------
    dim : int
        Numbers of a macrostate, D.
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
        The output before training, noise as large as the increments.
    n_in : int
        Numbers of macrostate and context, D + p.
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
    """A diagonal Σ that depends on state and context.

    Parameters
    ----------
    dim, context_dim : int
        Numbers of a macrostate and of the context, D and p.
    hidden : tuple of int
        Widths of the hidden tanh layers.

    Examples
    --------
    >>> DiagonalDiffusion(3)(torch.zeros(5, 3), torch.zeros(5, 0)).shape
    torch.Size([5, 3])
    """

    def __init__(self, dim: int, context_dim: int = 0, hidden: tuple[int, ...] = (32, 32)) -> None:
        super().__init__(torch.full((dim,), _RAW_ONE), dim + context_dim, hidden)

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate the diagonal ``(*, D)`` at macrostates ``(*, D)`` and context ``(*, p)``."""
        return positive(self.network(joined(y, u)))


class FullDiffusion(_StateDependent):
    """A lower-triangular Σ with positive diagonal that depends on state and context.

    Parameters
    ----------
    dim, context_dim, hidden
        As in :class:`DiagonalDiffusion`.

    Examples
    --------
    >>> FullDiffusion(3)(torch.zeros(5, 3), torch.zeros(5, 0)).shape
    torch.Size([5, 3, 3])
    """

    def __init__(self, dim: int, context_dim: int = 0, hidden: tuple[int, ...] = (32, 32)) -> None:
        super().__init__(_RAW_ONE * torch.eye(dim).flatten(), dim + context_dim, hidden)

    def forward(self, y: Tensor, u: Tensor) -> Tensor:
        """Evaluate the factor ``(*, D, D)`` at macrostates ``(*, D)`` and context ``(*, p)``."""
        D = y.shape[-1]
        raw = self.network(joined(y, u)).unflatten(-1, (D, D))
        factor: Tensor = raw.tril(-1) + torch.diag_embed(positive(raw.diagonal(dim1=-2, dim2=-1)))
        return factor
