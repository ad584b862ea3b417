"""The base of the options of decoders, and the protocol of those that are conditional densities."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from setclosure.parts import PartConfig
from setclosure.sets.microstates import MicrostateKind


class DecoderConfig(PartConfig):
    """Options of a decoder; a subclass has its fields, and makes it."""

    def build(self, kind: MicrostateKind, closure_dim: int) -> nn.Module:
        """Make the decoder of microstates of a ``kind`` from embeddings of ``closure_dim`` = c numbers a species."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its decoder")


@runtime_checkable
class ConditionalDensity(Protocol):
    """A density p(x | context) over R^d; all points of a set share one context.

    ``G`` counts sets of any kind (microstates times species), ``c`` the numbers of a context.
    """

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Log density ``(G, K)`` of the points ``x (G, K, d)``, given one context a set, ``(G, c)``."""
        ...

    def sample(self, context: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``n`` points of each of the densities of ``context (G, c)``: ``(G, n, d)``, without gradient."""
        ...
