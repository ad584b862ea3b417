"""The promises of simulators: a trajectory is a function of its random stream, and fits the layout."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from setclosure.conformance.report import Report, begun
from setclosure.conformance.require import require
from setclosure.observables.registered import get_observable
from setclosure.seeds import numpy_stream, seeded
from setclosure.simulate.simulator import SimulatorConfig
from setclosure.trajectories.assemble import assemble
from setclosure.trajectories.layout import GIVEN, Layout, Trajectory

MOST_FRAMES = 5
"""Frames of which the observable is computed again."""

ROUNDED = 0.02
"""Difference of an observable that storage may make, as a share of the largest value."""


def check_simulator(config: SimulatorConfig) -> Report:
    """Check the promises of a simulator, by a few trajectories of it: give it small options.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.
    """
    report = begun("simulator", config)
    with report.promise("trajectories fit the layout"):
        require(isinstance(config.layout, Layout), f"layout is a {type(config.layout).__name__}; expected a Layout.")
        with _global_numbers(0):
            first = _packed(config, 0)
    with report.promise("the same stream of random numbers gives the same trajectory"), _global_numbers(1):
        _require_same(_packed(config, 0), first)
    with report.promise("another stream gives another trajectory"):
        other = _packed(config, 1)
        same = other["points"].shape == first["points"].shape and np.array_equal(other["points"], first["points"])
        require(not same, "the particles of two trajectories are at the same places.")
    with report.promise("the observable that it names is the one whose values it gives"):
        _check_observable(config, first)
    if config.in_threads:
        with report.promise("threads simulate side by side, and change nothing"), ThreadPoolExecutor(2) as pool:
            for found, alone in zip(pool.map(lambda i: _packed(config, i), (0, 1)), (first, other), strict=True):
                _require_same(found, alone)
    else:
        with report.promise("it can be sent to other processes"):
            sent = pickle.loads(pickle.dumps(config))
            require(sent == config, f"what arrives is {sent!r}; expected {config!r}.")
    return report


@contextmanager
def _global_numbers(seed: int) -> Iterator[None]:
    """Seed the global streams of random numbers, which a simulator must not use, inside the block."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        with seeded(seed):
            yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def _packed(config: SimulatorConfig, stream: int) -> dict[str, Any]:
    trajectory: Any = config.simulate(numpy_stream(0, "conformance", stream))
    require(
        isinstance(trajectory, Trajectory),
        f"simulate gave a {type(trajectory).__name__}; expected a setclosure.Trajectory.",
    )
    packed: dict[str, Any] = trajectory.packed(config.layout, stream)
    return packed


def _require_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    differing = [key for key in expected if not np.array_equal(found[key], expected[key])]
    require(not differing, f"{', '.join(differing)} differ; take every random number from the stream that is given.")


def _check_observable(config: SimulatorConfig, packed: dict[str, Any]) -> None:
    layout = config.layout
    if layout.observable == GIVEN:
        return
    t = np.unique(np.linspace(0, len(packed["times"]) - 1, MOST_FRAMES).astype(int))
    names = ("points", "counts", "species", "masses", "cell")
    batch = assemble(layout, {name: packed[name][t] for name in names if name in packed})
    phi = get_observable(layout.observable)
    require(
        len(phi.components) == len(layout.observable_names),
        f"'{phi.name}' has {len(phi.components)} numbers and the layout names {len(layout.observable_names)}.",
    )
    found, given = phi(batch), packed["observables"][t]
    gap, size = np.abs(found - given).max(), np.abs(given).max()
    require(
        bool(gap <= ROUNDED * size),
        f"the values of '{phi.name}' at {len(t)} frames differ from those given by up to {gap:.3g}; at most "
        f"{ROUNDED:.0%} of {size:.3g} may come from how coordinates are stored.",
    )
