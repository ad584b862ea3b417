"""Transitions: the pairs of successive frames from which dynamics are learned, and the time between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from setclosure.trajectories.layout import Array

_EQUAL = 1e-6
"""Steps that differ by a smaller share are equal."""

_GAP = 1.5
"""A step this many times as long as the usual ones is a gap."""

_USUAL = 0.9
"""Quantile of all steps that counts as usual."""


@dataclass(frozen=True)
class Transitions:
    """Pairs of successive frames, in the order of trajectories and frames.

    Attributes
    ----------
    trajectory, frame : array
        Where each pair begins, ``(n,)``; it ends one frame later.
    ratio : array
        Time between its two frames in units of the time step, ``(n,)``; exactly one where the two are equal.
    n_gaps : int
        Successive frames that are too far apart to make a pair.
    """

    trajectory: Array
    frame: Array
    ratio: Array
    n_gaps: int

    def __len__(self) -> int:
        return len(self.frame)


def rounding_of(times: Array) -> float:
    """Give the difference of two times that may be rounding alone, in the precision in which they were kept.

    Times that single precision cannot hold were kept in double precision, and whole numbers were not rounded.

    Examples
    --------
    >>> rounding_of(np.float32([0.0, 0.1, 0.2])) > 1e-8, rounding_of(np.array([1.7e9, 1.7e9 + 1]))
    (True, 0.0)
    """
    times = np.asarray(times, dtype=np.float64)
    largest = np.abs(times).max(initial=0.0)
    if (times == np.rint(times)).all():
        return 0.0
    with np.errstate(over="ignore"):
        single = (times == times.astype(np.float32)).all()
    return float(2 * np.spacing(np.float32(largest) if single else largest))


def step_ratios(times: Array, step: float) -> Array:
    """Give the times between successive frames in units of ``step``, exactly one where the two are equal.

    Examples
    --------
    >>> step_ratios(np.float32([0.1, 0.2, 0.3, 0.5]), 0.1).round(3).tolist()
    [1.0, 1.0, 2.0]
    """
    dt = np.diff(np.asarray(times, dtype=np.float64))
    equal = np.abs(dt - step) <= max(_EQUAL * step, rounding_of(times))
    return np.where(equal, 1.0, dt / step)


def regular_step(times: Array) -> float:
    """Give the step between the frames of one trajectory: the mean of equal steps, else the median one.

    Examples
    --------
    >>> float(regular_step(np.float32([0.1, 0.2, 0.3]))), regular_step(np.array([0.0, 1.0, 2.0, 4.0]))
    (0.1000000..., 1.0)
    """
    times = np.asarray(times, dtype=np.float64)
    steps = np.diff(times)
    mean = (times[-1] - times[0]) / len(steps)
    if np.abs(steps - mean).max() <= max(_EQUAL * mean, rounding_of(times)):
        return float(mean)
    return float(np.quantile(steps, 0.5, method="lower"))


def time_step(times: Sequence[Array]) -> float:
    """Give the usual step of several trajectories: the median of their :func:`regular_step`."""
    return float(np.quantile([regular_step(t) for t in times], 0.5, method="lower"))


def longest_step(times: Sequence[Array]) -> float:
    """Give the longest time between successive frames that is no gap: 1.5 times what nine tenths of all steps keep.

    Examples
    --------
    >>> longest_step([np.array([0.0, 1.0, 2.0, 3.0, 5.0])])  # a frame is missing before the last
    1.5
    """
    steps = np.concatenate([np.diff(t) for t in times])
    return float(_GAP * np.quantile(steps, _USUAL, method="lower"))


def transitions(times: Sequence[Array], step: float, longest: float) -> Transitions:
    """List the transitions of several trajectories.

    Parameters
    ----------
    times : sequence of array
        Times of the frames of each trajectory, ``(T_m,)``.
    step : float
        The time step in whose units :attr:`Transitions.ratio` is.
    longest : float
        Successive frames further apart are a gap, which makes no pair.
    """
    rows: list[tuple[Array, Array, Array]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    n_gaps = 0
    for m, of_m in enumerate(times):
        dt = np.diff(np.asarray(of_m, dtype=np.float64))
        kept = np.flatnonzero(dt <= longest + rounding_of(of_m))
        n_gaps += len(dt) - len(kept)
        rows.append((np.full(len(kept), m), kept, step_ratios(of_m, step)[kept]))
    trajectory, frame, ratio = (np.concatenate(part) for part in zip(*rows, strict=True))
    return Transitions(trajectory, frame, ratio, n_gaps)
