"""A summary of a data set answers what a person would ask of it, and names what looks suspicious."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Array, Trajectory
from setclosure.trajectories.suspicions import wrapped

MOST_TRAJECTORIES = 200
"""Trajectories whose particles are looked at; numbers of whole frames are read of all."""

MOST_FRAMES = 32
"""First frames of a trajectory whose particles are looked at."""

FAR = 1e6
"""A number that is so many times as large as the usual ones looks like a mark for a missing one."""


@dataclass
class Summary:
    """The content of a data set, over what was looked at.

    Attributes
    ----------
    frames : int
        All frames of all trajectories.
    lengths, particles : (int, int) or None
        The least and the most frames of a trajectory, and particles of a frame; None if nothing is there.
    species : list of (int, int)
        The fewest and the most particles of each species in a frame.
    features, observables, context : list of (float, float)
        The least and the largest value of each.
    constant_context : list of bool
        Whether each number of the context stays the same along every trajectory.
    cell : list of (float, float)
        The least and largest length of each lattice vector; zero is a direction that is not periodic.
    times : (float, float) or None
        The earliest and the latest time.
    gaps : list of (int, int)
        Trajectory and frame before each gap.
    suspicious : list of str
        A sentence for each thing that a person should look at.
    """

    frames: int = 0
    lengths: tuple[int, int] | None = None
    particles: tuple[int, int] | None = None
    species: list[tuple[int, int]] = field(default_factory=list)
    features: list[tuple[float, float]] = field(default_factory=list)
    observables: list[tuple[float, float]] = field(default_factory=list)
    context: list[tuple[float, float]] = field(default_factory=list)
    constant_context: list[bool] = field(default_factory=list)
    cell: list[tuple[float, float]] = field(default_factory=list)
    times: tuple[float, float] | None = None
    gaps: list[tuple[int, int]] = field(default_factory=list)
    suspicious: list[str] = field(default_factory=list)


def summarise(data: TrajectoryDataset, sound: Array) -> Summary:
    """Summarise some trajectories of a data set.

    Parameters
    ----------
    data : TrajectoryDataset
        The data set.
    sound : array
        Indices of trajectories that are there and undamaged.
    """
    summary = Summary()
    if not len(sound):
        return summary
    lengths, times = data.lengths[sound], [data.times(int(m)) for m in sound]
    summary.frames, summary.lengths = int(lengths.sum()), (int(lengths.min()), int(lengths.max()))
    summary.times = (min(float(t[0]) for t in times), max(float(t[-1]) for t in times))
    for m, t in zip(sound.tolist(), times, strict=True):
        far = np.flatnonzero(np.diff(t) > data.longest_step * (1 + 1e-6))
        summary.gaps += [(m, int(k)) for k in far]
    values = data.observables(sound)
    summary.observables = _ranges(np.concatenate(values))
    if data.context_names:
        context = [data.context(int(m)) for m in sound]
        summary.context = _ranges(np.concatenate(context))
        summary.constant_context = np.all([np.ptp(of, axis=0) == 0 for of in context], axis=0).tolist()
    summary.suspicious += _of_values(data, values)
    _look_at_particles(data, sound[:MOST_TRAJECTORIES], summary)
    summary.suspicious += _of_digests(data, sound)
    return summary


def _ranges(rows: Array) -> list[tuple[float, float]]:
    return [(float(low), float(high)) for low, high in zip(rows.min(axis=0), rows.max(axis=0), strict=True)]


def _look_at_particles(data: TrajectoryDataset, chosen: Array, summary: Summary) -> None:
    """Look at the first frames of some trajectories, and fill in what concerns particles."""
    low, high = np.full(data.n_features, np.inf), np.full(data.n_features, -np.inf)
    sizes, species, cells, medians = [], [], [], []
    still: list[int] = []
    jumps: list[str] = []
    together: list[tuple[int, int]] = []
    for m in chosen.tolist():
        rows = data.arrays(m, np.arange(min(int(data.lengths[m]), MOST_FRAMES)))
        x = data.layout.restored(rows["points"]).astype(np.float64)
        counts = rows.get("counts", np.full(len(x), data.max_particles))
        there = np.arange(x.shape[1]) < counts[:, None]
        sizes.append(counts)
        if data.n_species > 1:
            of = np.where(there, rows["species"], data.n_species)
            species.append(np.stack([(of == s).sum(axis=1) for s in range(data.n_species)], axis=1))
        if "cell" in rows:
            cells.append(np.linalg.norm(rows["cell"], axis=-1))
        if not there.any():
            continue
        low, high = np.minimum(low, x[there].min(axis=0)), np.maximum(high, x[there].max(axis=0))
        medians.append(np.median(np.abs(x[there]), axis=0))
        if (counts == counts[0]).all() and (x[:, : int(counts[0])] == x[0, : int(counts[0])]).all():
            still.append(m)
        trajectory = Trajectory(x, np.zeros((len(x), 0)), np.arange(len(x)), counts, cell=rows.get("cell"))
        jump = wrapped(data.features, [trajectory], first=m)
        jumps += [] if jump is None else [jump]
        together += [(m, t) for t in (0, len(x) - 1) if _coincide(x[t, : counts[t]])]
    counted = np.concatenate(sizes)
    summary.particles = (int(counted.min()), int(counted.max()))
    summary.features = list(zip(low.tolist(), high.tolist(), strict=True))
    summary.species = [] if not species else [(int(a), int(b)) for a, b in _ranges(np.concatenate(species))]
    summary.cell = [] if not cells else _ranges(np.concatenate(cells))
    names = data.features.names
    for k in np.flatnonzero(low == high):
        summary.suspicious.append(f"the feature '{names[k]}' is {low[k]:g} of every particle; leave it out.")
    usual = np.median(medians, axis=0) if medians else np.zeros(data.n_features)
    for k in np.flatnonzero((usual > 0) & (np.maximum(np.abs(low), np.abs(high)) > FAR * usual)):
        summary.suspicious.append(
            f"the feature '{names[k]}' reaches from {low[k]:.3g} to {high[k]:.3g}, and is usually about "
            f"{usual[k]:.3g}. Is that a mark for a missing value?"
        )
    if still:
        summary.suspicious.append(
            f"no particle moves in {len(still)} of {len(chosen)} trajectories, trajectory {still[0]} for instance."
        )
    if jumps:
        others = f" So it is in {len(jumps)} of the {len(chosen)} trajectories looked at." if len(jumps) > 1 else ""
        summary.suspicious.append(f"{jumps[0]}{others}")
    if together:
        m, t = together[0]
        summary.suspicious.append(f"two particles are at one place in all features: trajectory {m}, frame {t}.")


def _coincide(x: Array) -> bool:
    return len(np.unique(x, axis=0)) < len(x)


def _of_values(data: TrajectoryDataset, values: list[Array]) -> list[str]:
    said, rows = [], np.concatenate(values)
    usual = np.median(np.abs(rows), axis=0)
    for k, name in enumerate(data.observable_names):
        if np.ptp(rows[:, k]) == 0:
            said.append(f"the observable '{name}' is {rows[0, k]:g} in every frame, so there is nothing to predict.")
        elif usual[k] > 0 and np.abs(rows[:, k]).max() > FAR * usual[k]:
            said.append(
                f"the observable '{name}' reaches {rows[np.argmax(np.abs(rows[:, k])), k]:.3g}, and is usually about "
                f"{usual[k]:.3g}. Is that a mark for a missing value?"
            )
    return said


def _of_digests(data: TrajectoryDataset, sound: Array) -> list[str]:
    first: dict[Any, int] = {}
    for m in sound.tolist():
        digest = data.digest(m)
        if digest is not None and digest in first:
            return [f"trajectories {first[digest]} and {m} are the same, number by number."]
        first[digest] = m
    return []
