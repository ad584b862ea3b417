"""Options of decoders have the base here; decoders that are conditional densities keep the protocol here."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from setclosure.parts import PartConfig
from setclosure.sets.microstates import MicrostateKind


class DecoderConfig(PartConfig):
    """The base of the options of decoders: a subclass has the options as fields, and builds the decoder."""

    on_circles: ClassVar[bool] = False
    """Whether the decoder takes features that are angles, as :attr:`MicrostateKind.circular` says.

    Its density is then one on the circle: with the period 2π in each angle, and normalised over [-π, π)."""

    def build(self, kind: MicrostateKind, closure_dim: int) -> nn.Module:
        """Make the decoder of microstates of a ``kind``, given ``closure_dim`` = c numbers for each species."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to build its decoder")


@runtime_checkable
class ConditionalDensity(Protocol):
    """A density p(x | context) over R^d; all points of a set share one context.

    ``G`` counts sets of any kind (microstates times species), ``c`` the numbers of a context.
    """

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Evaluate the log density ``(G, K)`` at ``x (G, K, d)``, given one context for each set, ``(G, c)``."""
        ...

    def sample(self, context: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``n`` points for each context of ``(G, c)``, without gradient: ``(G, n, d)``."""
        ...
