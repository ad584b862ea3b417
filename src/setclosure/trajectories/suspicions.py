"""Trajectories that look as if they were not what their owner believes are warned of, and never changed.

Every check takes arrays as a reader or a user gives them, so that readers of files can use them, too.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from setclosure.errors import SetclosureWarning
from setclosure.sets.features import Features
from setclosure.trajectories.layout import Array, Layout, Trajectory

_JUMP = 0.75
"""A particle jumps if it moves by so much of the extent of a trajectory in one step."""

_BETWEEN = (0.3, 0.6)
"""A particle that crosses a boundary never moves by a share of the extent in between, nor do most others exceed it."""

_FEW = 0.25
"""At most so many of all moves are jumps."""

_LEAST_MOVES = 16
"""The number of moves below which nothing is said about jumps."""

_TURN = {"2π": 2 * np.pi, "360": 360.0}
"""The extents of an angle."""

_SAMPLES, _STEPS = 256, 8
"""So many particles, in so many steps of a data set, are followed from place to place."""

_SHARE_OF_SWAPS = 0.2
"""The share of particles found at another's place below which it may be chance."""


_ROUNDED = 0.01
"""Spacing of single precision, as a share of the spread of a set, from which on rounding is worth a warning."""

_COINCIDENT = 1e-14
"""Particles coincide if they spread over a smaller share of their coordinate."""


def warn_of_suspicions(layout: Layout, trajectories: Sequence[Trajectory], by_place: Sequence[str] = ()) -> None:
    """Warn of trajectories whose frames do not change, whose positions are wrapped, or whose particles swap places.

    Parameters
    ----------
    layout : Layout
        The layout of the trajectories.
    trajectories : sequence of Trajectory
        All trajectories of a data set, or some.
    by_place : sequence of str
        What was given for places and not for frames, such as ``species``.

    Warns
    -----
    SetclosureWarning
        With the trajectory, the frame and the particle that show it, and what to do.
    """
    for warning in (
        unchanging(trajectories),
        wrapped(layout.features, trajectories),
        swapped(layout.features, trajectories, by_place) if by_place else None,
    ):
        if warning:
            warnings.warn(warning, SetclosureWarning, stacklevel=4)


def unchanging(trajectories: Sequence[Trajectory]) -> str | None:
    """Say that nothing changes in time, if all frames of every trajectory have the same particles.

    Examples
    --------
    >>> still = Trajectory(np.ones((3, 4, 2)), np.zeros((3, 1)), np.arange(3))
    >>> unchanging([still])[:50]
    'in every trajectory all frames have the same parti'
    """
    for trajectory in trajectories:
        points = np.asarray(trajectory.points)
        if points.shape[1] == 0 or (points[1:] != points[:1]).any():
            return None
        if trajectory.counts is not None and len(np.unique(trajectory.counts)) > 1:
            return None
    return (
        "in every trajectory all frames have the same particles at the same places: nothing changes in time, and a fit "
        "of it says nothing. A simulation that appends the same array at each step gives its last state everywhere: "
        "append a copy."
    )


def wrapped(features: Features, trajectories: Sequence[Trajectory], first: int = 0) -> str | None:
    """Say where a particle jumps by about the extent of the system, as wrapped positions and angles do.

    Particles are compared at the same place in successive frames of equal size. Directions in which a cell is periodic
    are not looked at. ``first`` is the number of the first trajectory in its data set.

    Examples
    --------
    >>> x = (np.arange(30.0)[:, None] + np.arange(0, 10, 2.0)) % 10
    >>> wrapped(Features(1), [Trajectory(x[..., None], np.zeros((30, 1)), np.arange(30))])[:61]
    "trajectory 0: particle 4 jumps along 'x' from 9 in frame 1 to"
    """
    for column, role in enumerate(features.roles):
        if role == "vector":
            continue
        for m, trajectory in enumerate(trajectories, first):
            if role == "position" and _is_periodic(trajectory, column):
                continue
            found = _jump(trajectory, column, angle=role == "scalar")
            if found is None:
                continue
            t, i, before, after, extent = found
            where = (
                f"trajectory {m}: particle {i} jumps along '{features.names[column]}' from {before:.4g} in frame {t} "
                f"to {after:.4g} in frame {t + 1}, as far as all particles reach ({extent:.4g})"
            )
            if any(abs(extent - turn) < 0.02 * turn for turn in _TURN.values()):
                return (
                    f"{where}. It looks like an angle, whose jumps would be taken for motion. Give its cosine and sine "
                    "instead, as a vector if it is a direction in the plane."
                )
            return (
                f"{where}. It looks like positions that are wrapped into a periodic box, whose jumps would be taken "
                "for motion. Give the box: cell=[length, …], with 0 for a direction that is not periodic, or lattice "
                "vectors; or unwrap the positions."
            )
    return None


def swapped(features: Features, trajectories: Sequence[Trajectory], what: Sequence[str]) -> str | None:
    """Say where particles are found at other places of the array than one frame before.

    That is so if a particle's place holds one that is far away, while another place holds one that is near.
    """
    k, rng = features.position, np.random.default_rng(0)
    if k == 0:
        return None
    steps = [(m, t) for m, trajectory in enumerate(trajectories) for t in range(len(trajectory.times) - 1)]
    chosen = rng.choice(len(steps), size=min(_STEPS, len(steps)), replace=False)
    for m, t in (steps[int(s)] for s in np.sort(chosen)):
        trajectory = trajectories[m]
        n = _same_size(trajectory, t)
        if n < 8:
            continue
        now, after = (np.asarray(trajectory.points[frame], dtype=np.float64)[:n, :k] for frame in (t, t + 1))
        lengths = _box(trajectory, t, k)
        some = rng.choice(n, size=min(n, _SAMPLES), replace=False)
        neighbour = _distances(now[some], now, lengths)
        neighbour[np.arange(len(some)), some] = np.inf
        spacing = np.median(neighbour.min(axis=1))
        to_all = _distances(now[some], after, lengths)
        own, nearest = to_all[np.arange(len(some)), some], to_all.min(axis=1)
        moved = (nearest < 0.25 * spacing) & (own > 2 * spacing)
        if moved.mean() > _SHARE_OF_SWAPS:
            first = int(np.argmax(moved))
            i, j = int(some[first]), int(to_all[first].argmin())
            return (
                f"trajectory {m}: the particle at place {i} in frame {t} is found at place {j} in frame {t + 1}, so "
                f"particles change their places, but the {' and '.join(what)} were given once for each place. Shapes "
                "(N,) and (M, N) mean that a particle keeps its place: give (M, T, N), for each frame, or sort the "
                "particles of every frame by their identity."
            )
    return None


def rounded(features: Features, sets: Sequence[Array]) -> list[str]:
    """Say for which features single precision, in which coordinates are kept, is coarse for the particles of a set.

    Examples
    --------
    >>> rounded(Features(1), [1e8 + np.arange(5.0)[:, None]])[0][:56]
    "feature 0 ('x') of the particles reaches 1e+08 and sprea"
    """
    filled = [x for x in sets if len(x)]
    if not filled:
        return []
    largest = np.max([np.abs(x).max(axis=0) for x in filled], axis=0)
    spread = np.sqrt(np.mean([x.var(axis=0) for x in filled], axis=0))
    spacing = np.spacing(largest.astype(np.float32))
    coincide = spread <= _COINCIDENT * largest  # all differences are rounding in double precision
    return [
        f"feature {k} ('{features.names[k]}') of the particles reaches {largest[k]:.3g} and spreads over "
        f"{spread[k]:.3g} in a set, and data sets keep it in single precision, in steps of {spacing[k]:.2g}: "
        "subtract a common offset first."
        for k in np.flatnonzero(~coincide & (spacing > _ROUNDED * spread))
    ]


def _is_periodic(trajectory: Trajectory, column: int) -> bool:
    if trajectory.cell is None:
        return False
    cell = np.asarray(trajectory.cell)
    matrix = cell if cell.ndim < 3 else cell[0]
    return bool(matrix[column].any() if matrix.ndim == 2 else matrix[column] != 0)


def _jump(trajectory: Trajectory, column: int, angle: bool) -> tuple[int, int, float, float, float] | None:
    """Find a jump: frame, particle, coordinate before and after, extent of all."""
    x = np.asarray(trajectory.points)[..., column]
    T, N = x.shape
    there = np.ones((T, N), bool)
    if trajectory.counts is not None:
        counts = np.asarray(trajectory.counts)
        there = np.arange(N) < counts[:, None]
    if not there.any():
        return None
    extent = float(np.where(there, x, -np.inf).max() - np.where(there, x, np.inf).min())
    if not extent > 0 or (angle and not any(abs(extent - turn) < 0.02 * turn for turn in _TURN.values())):
        return None
    both = there[1:] & there[:-1] & (there[1:].sum(1) == there[:-1].sum(1))[:, None]
    share = np.abs(np.diff(x, axis=0)) / extent
    jumps = both & (share > _JUMP)
    n, n_jumps = int(both.sum()), int(jumps.sum())
    if n < _LEAST_MOVES or n_jumps == 0 or n_jumps > _FEW * n:
        return None
    between = both & (share > _BETWEEN[0]) & (share <= _BETWEEN[1])
    if between.sum() > 0.02 * n_jumps or (jumps.sum(axis=1) > 0.5 * both.sum(axis=1)).any():
        return None
    t, i = (int(index) for index in np.argwhere(jumps)[0])
    return t, i, float(x[t, i]), float(x[t + 1, i]), extent


def _same_size(trajectory: Trajectory, t: int) -> int:
    """Give the particles of two successive frames, or 0 if they have different numbers."""
    if trajectory.counts is None:
        return int(np.shape(trajectory.points)[1])
    n = int(trajectory.counts[t])
    return n if int(trajectory.counts[t + 1]) == n else 0


def _box(trajectory: Trajectory, t: int, k: int) -> Array | None:
    """Give the lengths of a box along the axes, or None if there is none or it is oblique."""
    if trajectory.cell is None:
        return None
    cell = np.asarray(trajectory.cell, dtype=np.float64)
    matrix = cell[t] if cell.ndim == 3 else cell
    if matrix.ndim == 1:
        return matrix
    return matrix.diagonal() if np.array_equal(matrix, np.diag(matrix.diagonal())) else None


def _distances(a: Array, b: Array, lengths: Array | None) -> Array:
    """Give all distances ``(n, N)``, by the nearest image in a box along the axes."""
    squared = np.zeros((len(a), len(b)))
    for axis in range(a.shape[1]):
        d = a[:, None, axis] - b[None, :, axis]
        if lengths is not None and lengths[axis]:
            d -= lengths[axis] * np.rint(d / lengths[axis])
        squared += d * d
    return np.sqrt(squared)
