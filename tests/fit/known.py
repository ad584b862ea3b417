"""Macrostates that are made from a few numbers, for the tests of stage two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from setclosure.fit.macrostates import Macrostates
from setclosure.trajectories.transitions import step_ratios, transitions

Array = np.ndarray[Any, Any]


def macrostates(
    z: Sequence[Array], times: Sequence[Array] | None = None, context: Sequence[Array] | None = None, views: int = 1
) -> Macrostates:
    """Put trajectories ``(T_m, D)`` in a row, a unit of time apart by default; steps above 2.5 of it are gaps."""
    lengths = np.array([len(rows) for rows in z])
    times = [np.arange(float(T)) for T in lengths] if times is None else times
    u = np.zeros((lengths.sum(), 0)) if context is None else np.concatenate(context)
    return Macrostates(
        torch.as_tensor(np.tile(np.concatenate(z), (views, 1)), dtype=torch.float32),
        torch.as_tensor(np.tile(u, (views, 1)), dtype=torch.float32),
        lengths,
        transitions(times, 1.0, 2.5),
        [step_ratios(t, 1.0) for t in times],
    )
