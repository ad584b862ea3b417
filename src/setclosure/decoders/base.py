"""What a conditional density is: the protocol behind which every density decoder stands."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


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
