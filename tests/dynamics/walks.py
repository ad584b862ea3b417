"""Macrostates for the tests of dynamics, and their statistics."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from setclosure.dynamics.markov import MarkovDynamics

Markov = TypeVar("Markov", bound=MarkovDynamics)


def walks(M: int = 30, T: int = 40, D: int = 3) -> Tensor:
    """Give random walks ``(M, T, D)`` whose columns have very different sizes."""
    steps = torch.randn(M, T, D, generator=torch.Generator().manual_seed(1))
    return 5.0 + steps.cumsum(1) * torch.tensor([1.0, 100.0, 1e-4])[:D]


def measured(dynamics: Markov, z: Tensor, context: Tensor | None = None, dt: Tensor | None = None) -> Markov:
    """Take the statistics of trajectories ``(M, T, D)`` with context ``(M, T, p)`` and times between ``(M, T − 1)``."""
    M, T, _ = z.shape
    now = torch.arange(M * T).view(M, T)[:, :-1].flatten()
    u = z.new_zeros(M * T, 0) if context is None else context.flatten(0, 1)
    dynamics.set_statistics(z.flatten(0, 1), u, now, torch.ones(len(now)) if dt is None else dt.flatten())
    return dynamics


def no_context(z: Tensor) -> Tensor:
    """Give the context ``(*, 0)`` of macrostates ``(*, D)`` of which nothing is known from outside."""
    return z.new_zeros(*z.shape[:-1], 0)


def one_step(dynamics: MarkovDynamics, now: Tensor, after: Tensor, dt: float | Tensor = 1.0) -> Tensor:
    """Evaluate the loss of pairs of macrostates ``(B, D)``, ``dt`` time steps apart."""
    z = torch.stack([now, after], dim=1)
    return dynamics.loss(z, no_context(z), torch.as_tensor(dt, dtype=z.dtype).expand(len(z)).reshape(-1, 1))
