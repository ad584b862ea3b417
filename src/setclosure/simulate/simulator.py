"""What a campaign asks of a simulator."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from setclosure.trajectories.layout import Layout, Trajectory


class Simulator(Protocol):
    """A microscopic system that can be simulated again and again.

    ``model_dump(mode="json")``, which every pydantic model has, gives its configuration; it is kept with the
    data set, and a campaign that goes on compares it.
    """

    @property
    def in_threads(self) -> bool:
        """Whether threads of one process may simulate side by side, because the kernels release the lock."""

    @property
    def layout(self) -> Layout:
        """What all its trajectories have in common."""

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory, whose every random number comes from ``rng``.

        Raises
        ------
        SimulationError
            If this trajectory cannot be simulated; the campaign goes on with the others.
        """

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The configuration as JSON values."""
