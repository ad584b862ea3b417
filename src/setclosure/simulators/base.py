"""What a campaign asks of a simulator."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from setclosure.data.trajectory import Layout, Trajectory


class Simulator(Protocol):
    """A microscopic system that can be simulated again and again.

    ``model_dump(mode="json")``, which every pydantic model has, gives its configuration; it is kept with the
    ensemble, and a campaign that goes on compares it.
    """

    @property
    def layout(self) -> Layout:
        """What all its trajectories have in common."""

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory, whose every random number comes from ``rng``."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The configuration as JSON values."""
