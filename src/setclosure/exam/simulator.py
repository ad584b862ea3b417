"""A system of the exam can be followed again and again from one start, with other noise each time."""

from __future__ import annotations

from typing import Any

import numpy as np

from setclosure.simulate.simulator import SimulatorConfig
from setclosure.trajectories.layout import Trajectory


class ExamSimulator(SimulatorConfig):
    """The base of the exam's systems: a subclass draws a start, and follows it with the noise that it is given."""

    def start(self, rng: np.random.Generator) -> Any:
        """Draw the initial microstate, and whatever is fixed for the trajectory."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it starts")

    def follow(self, start: Any, rng: np.random.Generator) -> Trajectory:
        """Give the trajectory from a start, with noise from ``rng``.

        Raises
        ------
        SimulationError
            If this trajectory cannot be simulated.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it goes on")

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory, with start and noise from ``rng``."""
        return self.follow(self.start(rng), rng)
