"""Promises that drifts and diffusions share: both are functions of a macrostate and a context, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from setclosure.conformance.require import (
    require,
    require_different,
    require_finite,
    require_gradients,
    require_reload,
    require_same,
    require_shape,
)
from setclosure.dynamics.base import Dynamics
from setclosure.dynamics.rollout import RolloutStatus
from setclosure.seeds import seeded, torch_stream

DIM, CONTEXTS = 3, (0, 2)
"""Numbers of a macrostate, and numbers of the context with which a function is tried."""

LEADING: tuple[tuple[int, ...], ...] = ((), (5,), (4, 7))
"""Leading axes of the macrostates."""


class Field:
    """A function of macrostates y ``(*, D)`` and context u ``(*, p)``, with some of both.

    Parameters
    ----------
    build : callable
        From (D, p) to the module.
    p : int
        Numbers of the context.
    """

    def __init__(self, build: Callable[[int, int], Any], p: int) -> None:
        self.build, self.p = build, p
        self.module = self.made()
        self.y, self.u = self.inputs((6,))

    def made(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> Any:
        """Make the function."""
        with seeded(seed, "conformance"):
            module = self.build(DIM, self.p)
        require(isinstance(module, nn.Module), f"build gave a {type(module).__name__}; expected a torch.nn.Module.")
        return module.to(dtype).eval()

    def inputs(self, leading: tuple[int, ...], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Draw macrostates and context with leading axes."""
        stream = torch_stream(0, "fields", *leading)
        y = torch.randn(*leading, DIM, generator=stream, dtype=torch.float64)
        return y.to(dtype), torch.randn(*leading, self.p, generator=stream, dtype=torch.float64).to(dtype)

    def shapes(self, fits: Callable[[Tensor, Tensor], None]) -> None:
        """Require results that fit macrostates with any leading axes, in both precisions."""
        for dtype in (torch.float64, torch.float32):
            module = self.made(dtype=dtype)
            for leading in LEADING:
                y, u = self.inputs(leading, dtype)
                value = module(y, u)
                fits(value, y)
                require_finite(value, f"the result for y of shape {tuple(y.shape)}")

    def rows(self) -> None:
        """Require that each row depends on itself alone."""
        together = self.module(self.y, self.u)
        alone = torch.stack([self.module(y, u) for y, u in zip(self.y, self.u, strict=True)])
        require_same(alone, together, "the results of rows alone, and together", 1e-10)

    def gradients(self) -> None:
        """Require finite gradients."""
        require_gradients(self.module, (self.module(self.y, self.u) - 1).square().sum())  # it may begin with zeros

    def far(self) -> None:
        """Require finite results far outside of the data, where gradients are off."""
        with torch.inference_mode():
            for size in (1e2, 1e4):
                require_finite(self.module(size * self.y, size * self.u), f"the result at {size:g} standard deviations")

    def context(self) -> None:
        """Require that the context enters, if there is one."""
        if self.p:
            require_different(self.module(self.y, self.u + 1), self.module(self.y, self.u), "two contexts")

    def reload(self) -> None:
        """Require that weights are saved and loaded."""
        require_reload(self.module, self.made(seed=1), lambda module: module(self.y, self.u))


def require_paths(dynamics: Dynamics, samples: int = 1) -> None:
    """Require paths of five steps from the mean of the data, none of which diverges."""
    paths = dynamics.simulate(torch.zeros(2, DIM), torch.zeros(2, 6, 0), torch.ones(5), samples=samples)
    require_shape(paths.states, (2, samples, 6, DIM), "the states of a rollout")
    lost = int((paths.status == RolloutStatus.DIVERGED).sum())
    require(lost == 0, f"{lost} of {2 * samples} paths that start at the mean of the data diverged.")
