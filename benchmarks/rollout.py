"""Speed of a rollout: frames per second of 200 paths of 9 numbers, drift of three hidden layers of 128, tanh.

The size is that of the interacting-particle study. The paths are those of an ODE, by Euler, one step a frame.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import torch

from setclosure.dynamics.ode import ODEConfig
from setclosure.dynamics.rollout import rollout
from setclosure.paper.simulators.interacting_particles import InteractingParticles
from setclosure.processes import available_cores
from setclosure.seeds import numpy_stream

PATHS, DIM, STEPS = 200, 9, 300


def rollout_steps(rounds: int = 7) -> dict[str, Any]:
    """Frames per second, all paths together: the median over ``rounds`` rollouts of 300 frames.

    The ratio is to the simulation that a rollout replaces: 200 trajectories of as many frames on all cores, its
    time taken from one trajectory on one core in the same round.
    """
    system = InteractingParticles()
    system.simulate(numpy_stream(0, "warm"))
    cores = available_cores()
    stream = torch.Generator().manual_seed(0)
    dynamics = ODEConfig().build(DIM, 1)
    walks = torch.randn(20, 100, DIM, generator=stream).cumsum(1)
    now = torch.arange(20 * 100).view(20, 100)[:, :-1].flatten()
    dynamics.set_statistics(walks.flatten(0, 1), torch.zeros(20 * 100, 0), now, torch.ones(len(now)))
    z0, dt = torch.randn(PATHS, DIM, generator=stream), torch.ones(STEPS)
    rollout(dynamics, z0, dt[:10])
    seconds, ratios = [], []
    for i in range(rounds):
        start = time.perf_counter()
        rollout(dynamics, z0, dt)
        middle = time.perf_counter()
        system.simulate(numpy_stream(0, "benchmark", i))
        seconds.append(middle - start)
        ratios.append((time.perf_counter() - middle) * PATHS / cores / seconds[-1])
    return {
        "name": "rollout",
        "value": STEPS / statistics.median(seconds),
        "unit": f"frames/s of {PATHS} paths together",
        "ratio": {"simulation": statistics.median(ratios)},
    }


if __name__ == "__main__":
    print(json.dumps(rollout_steps(), indent=2))
