"""Every simulator keeps the protocol here, through which a campaign uses it."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np

from setclosure.parts import PartConfig
from setclosure.trajectories.layout import Layout, Trajectory


class Simulator(Protocol):
    """A microscopic system that can be simulated again and again.

    ``model_dump(mode="json")``, which every pydantic model has, gives its configuration. The configuration is kept with
    the data set, and a campaign that goes on compares it.
    """

    @property
    def in_threads(self) -> bool:
        """Whether threads of one process may simulate side by side, because the kernels release the lock."""

    @property
    def layout(self) -> Layout:
        """The facts that all its trajectories have in common."""

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory, and take every random number from ``rng``.

        Raises
        ------
        SimulationError
            If this trajectory cannot be simulated; the campaign goes on with the others.
        """

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Give the configuration as JSON values."""


class SimulatorConfig(PartConfig):
    """The base of registered simulators, whose fields are the options of the system.

    A subclass has the property ``layout`` and the method ``simulate`` of :class:`Simulator`.
    """

    in_threads: ClassVar[bool] = True
    """Whether threads of one process may simulate side by side; else each process simulates one trajectory."""

    @property
    def layout(self) -> Layout:
        """The facts that all its trajectories have in common."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its layout is")

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory, and take every random number from ``rng``.

        Raises
        ------
        SimulationError
            If this trajectory cannot be simulated; a campaign goes on with the others.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it simulates")
