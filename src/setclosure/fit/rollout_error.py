"""The error of validation rollouts decides which weights of the dynamics are kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from setclosure.dynamics.base import Dynamics
from setclosure.fit.macrostates import Macrostates
from setclosure.seeds import torch_stream

MOST_TRAJECTORIES, MOST_FRAMES = 128, 1024
"""The most validation trajectories that are predicted, evenly chosen, and the most frames of each."""

SAMPLES = 8
"""The number of rollouts of stochastic dynamics from each first frame."""


def rollout_error(dynamics: Dynamics, validation: Macrostates) -> tuple[float, float]:
    """Give the error of the observables in rollouts from the first frames of the validation trajectories.

    Each trajectory is predicted over its own times, with its own context. Observables are in units of their standard
    deviation in training, and each trajectory weighs the same. Only the first view is predicted.

    Parameters
    ----------
    dynamics : Dynamics
        The dynamics, with its statistics set.
    validation : Macrostates
        Macrostates of the validation trajectories.

    Returns
    -------
    (float, float)
        The error and its standard error, from the differences of the validation trajectories. Of deterministic dynamics
        the error is the root mean square over all predicted frames. Of stochastic dynamics it is the continuous ranked
        probability score, which is smallest in the mean for the true distribution: its unbiased estimate from
        :data:`SAMPLES` rollouts, always with the same noise. Zero if no trajectory has a second frame.

    Examples
    --------
    >>> from setclosure.dynamics.ode import ODEConfig
    >>> from setclosure.trajectories.transitions import transitions
    >>> known = transitions([np.arange(5.0)], 1.0, 1.5)
    >>> still = Macrostates(torch.ones(5, 1), torch.zeros(5, 0), np.array([5]), known, [np.ones(4)])
    >>> dynamics = ODEConfig(drift={"hidden": []}).build(dim=1, n_observables=1)
    >>> _ = [torch.nn.init.zeros_(parameter) for parameter in dynamics.parameters()]
    >>> rollout_error(dynamics, still)
    (0.0, 0.0)
    """
    o = dynamics.n_observables
    scale = dynamics.scale[:o].cpu().double()
    samples = SAMPLES if dynamics.stochastic else 1
    score = _crps if dynamics.stochastic else _squared
    errors: list[float] = []
    for members in _together(validation):
        rows = [int(validation.first_rows[m]) + torch.arange(_length(validation, m)) for m in members]
        H = len(rows[0]) - 1
        context = torch.stack([validation.context[_extended(row, H + 1)] for row in rows])
        with torch.no_grad():
            first = validation.z[[int(row[0]) for row in rows], None].to(dynamics.shift)
            state = dynamics.start(first, context[:, :1].to(dynamics.shift))
        dt = torch.as_tensor(validation.ratios[members[0]][:H], dtype=validation.z.dtype)
        noise = torch_stream(0, "validation rollouts", members[0])
        paths = dynamics.simulate(state, context.to(dynamics.shift), dt, samples=samples, generator=noise).observables
        for path, row in zip(paths.cpu().double(), rows, strict=True):
            truth = validation.z[row[1:], :o].double()
            errors.append(float(score(path[:, 1 : len(row)] / scale, truth / scale).mean()))
    if not errors:
        return 0.0, 0.0
    mean, sure = float(np.mean(errors)), float(np.std(errors)) / max(len(errors) - 1, 1) ** 0.5
    if dynamics.stochastic:
        return mean, sure
    return mean**0.5, sure / (2 * mean**0.5) if mean > 0 else 0.0


def _together(validation: Macrostates) -> Iterator[list[int]]:
    """Give groups of trajectories that are predicted together, the longest first: the others begin with its times."""
    usable = np.flatnonzero(validation.lengths > 1)
    if len(usable) > MOST_TRAJECTORIES:
        usable = usable[np.linspace(0, len(usable) - 1, MOST_TRAJECTORIES).round().astype(np.int64)]
    groups: list[list[int]] = []
    for m in sorted(usable.tolist(), key=lambda m: (-_length(validation, m), m)):
        dt = validation.ratios[m][:MOST_FRAMES]
        for group in groups:
            longest = validation.ratios[group[0]][: len(dt)]
            if np.allclose(dt, longest, rtol=1e-4, atol=0):
                group.append(m)
                break
        else:
            groups.append([m])
    yield from groups


def _length(validation: Macrostates, m: int) -> int:
    """Give the number of frames of a trajectory that are compared, the first included."""
    return min(int(validation.lengths[m]), MOST_FRAMES + 1)


def _extended(row: Tensor, n: int) -> Tensor:
    """Repeat the last of some indices, so that there are ``n``."""
    return torch.cat([row, row[-1:].expand(n - len(row))])


def _squared(paths: Tensor, truth: Tensor) -> Tensor:
    """Give the squared error of one path ``(1, T, o)``, ``(T, o)``."""
    return (paths[0] - truth).square()


def _crps(paths: Tensor, truth: Tensor) -> Tensor:
    """Give the fair estimate of the continuous ranked probability score from R paths ``(R, T, o)``, ``(T, o)``."""
    R = len(paths)
    apart = (paths[:, None] - paths[None]).abs().sum((0, 1)) / (R * (R - 1))
    return (paths - truth).abs().mean(0) - 0.5 * apart
