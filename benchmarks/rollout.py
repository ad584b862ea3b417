"""Speed of a rollout: frames per second of 200 paths of 9 numbers, drift of three hidden layers of 128, tanh.

The size is that of the interacting-particle study. The paths are those of an ODE, by Euler, one step a frame.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import torch

from setclosure.dynamics.macro_dynamics import MacroDynamics
from setclosure.dynamics.rollout import rollout

PATHS, DIM, STEPS = 200, 9, 300


def rollout_steps(rounds: int = 7) -> dict[str, Any]:
    """Frames per second, all paths together: the median over ``rounds`` rollouts of 300 frames."""
    stream = torch.Generator().manual_seed(0)
    dynamics = MacroDynamics(DIM, 1)
    dynamics.set_statistics(torch.randn(20, 100, DIM, generator=stream).cumsum(1))
    z0 = torch.randn(PATHS, DIM, generator=stream)
    rollout(dynamics, z0, 10)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        rollout(dynamics, z0, STEPS)
        seconds.append(time.perf_counter() - start)
    return {
        "name": "rollout",
        "value": STEPS / statistics.median(seconds),
        "unit": f"frames/s of {PATHS} paths together",
        "ratio": {},
    }


if __name__ == "__main__":
    print(json.dumps(rollout_steps(), indent=2))
