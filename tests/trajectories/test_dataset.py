"""What is committed comes back: round trips, fingerprints, bounds, memory, and what may not be committed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trajectories.small import same, small

from setclosure.errors import DatasetError, MicrostateError
from setclosure.sets.cell import cell_matrices
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory

RNG = np.random.default_rng(0)
TIMES = np.arange(3)


@pytest.mark.slow
@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(2, 5), min_size=1, max_size=4),
    d=st.integers(1, 3),
    S=st.integers(1, 3),
    ragged=st.booleans(),
    weighted=st.booleans(),
    boxed=st.booleans(),
    p=st.integers(0, 2),
    seed=st.integers(0, 10_000),
)
def test_what_is_stored_comes_back(tmp_path_factory, lengths, d, S, ragged, weighted, boxed, p, seed):
    """Trajectories of any lengths, sets of any sizes (empty ones, too) with any species, in a cell, with context."""
    rng = np.random.default_rng(seed)
    M, N = len(lengths), 7
    sizes = [rng.integers(0, N + 1, T) if ragged else np.full(T, N) for T in lengths]
    points = [[rng.normal(size=(n, d)) for n in row] for row in sizes]
    species = [[rng.integers(0, S, n) for n in row] for row in sizes]
    masses = [[rng.uniform(0.5, 2, n) for n in row] for row in sizes] if weighted else None
    observables = [rng.normal(size=(T, 2)) for T in lengths]
    times = [rng.uniform(0.5, 2, T).cumsum() for T in lengths]
    cells = [cell_matrices(rng.uniform(1, 2, (T, 1, d)) * np.eye(d), d) for T in lengths] if boxed else None
    context = {f"u{k}": [rng.normal(size=T) for T in lengths] for k in range(p)}
    path = tmp_path_factory.mktemp("e") / "train.zarr"
    TrajectoryDataset.from_arrays(
        path,
        points,
        observables,
        times=times,
        species=species,
        species_names=[f"kind {s}" for s in range(S)],
        masses=masses,
        cell=cells,
        context=context,
    )
    data = TrajectoryDataset.open(path)
    assert (data.n_trajectories, data.n_features, data.n_species) == (M, d, S)
    assert data.lengths.tolist() == lengths
    assert data.verify() == []
    for m in range(M):
        assert np.array_equal(data.times(m), times[m])
        assert np.array_equal(data.observables()[m], observables[m])
        assert data.context(m).shape == (lengths[m], p)
        for k in range(p):
            assert np.array_equal(data.context(m)[:, k], context[f"u{k}"][m])
        expected = MicrostateBatch.from_arrays(
            points[m],
            species=species[m],
            masses=None if masses is None else masses[m],
            n_species=S,
            cell=None if cells is None else cells[m],
        )
        whole = data.trajectory(m)
        assert whole.counts.tolist() == sizes[m].tolist()
        assert same(whole, expected)
        assert whole.cell is None if cells is None else torch.equal(whole.cell, expected.cell)
    m = rng.integers(M, size=6)
    t = rng.integers([lengths[i] for i in m])
    batch = data.microstates(m, t)
    held, read = MicrostateSource(data, 1 << 30), MicrostateSource(data, 0)
    assert (held.in_memory, read.in_memory) == (True, False)
    for source in (held, read):
        got = source.batch(m, t)
        assert torch.equal(got.points, batch.points)
        assert torch.equal(got.weights, batch.weights)
        assert got.cell is None if cells is None else torch.equal(got.cell, batch.cell)
    for b in range(6):
        one = data.microstates([m[b]], [t[b]])
        n = one.points.shape[1]
        assert torch.equal(batch.points[b : b + 1, :n], one.points)


def test_trajectories_of_50_and_73_frames(tmp_path):
    points = [RNG.normal(size=(T, 5, 2)) for T in (50, 73)]
    times = [np.arange(50) * 0.1, np.arange(73) * 0.1]
    data = TrajectoryDataset.from_arrays(tmp_path / "a.zarr", points, "extension", times=times)
    assert data.lengths.tolist() == [50, 73]
    assert data.max_frames == 73
    assert [z.shape for z in data.observables()] == [(50, 1), (73, 1)]
    assert [len(data.trajectory(m)) for m in (0, 1)] == [50, 73]
    assert np.array_equal(data.microstates([1], [72]).points[0], points[1][72].astype(np.float32))
    with pytest.raises(DatasetError, match="frames of trajectory 0 0 to 49; got 50"):
        data.microstates([1, 0], [50, 50])
    assert len(data.transitions([0, 1])) == 49 + 72
    assert "2 trajectories of 50 to 73 frames" in repr(data)


def test_equal_sets_build_no_weights(tmp_path):
    _, data = small(tmp_path / "a.zarr")
    batch = MicrostateSource(data, 1 << 30).batch(np.array([0, 1]), np.array([2, 0]))
    assert batch.weights.untyped_storage().nbytes() == 4


def test_the_fingerprint_knows_content_not_path_order_or_writer(tmp_path):
    points, a = small(tmp_path / "a.zarr")
    b = TrajectoryDataset.create(tmp_path / "deep" / "b.zarr", a.layout, 4, {"source": "somewhere else"})
    for i in (2, 0, 3, 1):
        b.commit(i, Trajectory(points[i], a.observables([i])[0], TIMES))
    assert a.fingerprint == b.fingerprint == TrajectoryDataset.open(b.path).fingerprint
    changed = points.copy()
    changed[3, 2, 4, 1] += 1e-3
    options = {"points": points, "observables": "extension", "times": TIMES}
    fingerprints = {a.fingerprint}
    for number, change in enumerate(
        [
            {"points": changed, "observables": a.observables()},
            {"times": [0, 1, 2.5]},
            {"context": {"T": 1.0}},
            {"context": {"T": 2.0}},
            {"cell": [0.0, 9.0]},
            {"cell": [0.0, 8.0]},
            {"masses": np.arange(1, 6)},
            {"species": [0, 0, 0, 0, 1]},
            {"features": ["x", "charge"], "roles": ["position", "scalar"]},
            {"max_step": 1.0},
        ]
    ):
        fingerprints.add(TrajectoryDataset.from_arrays(tmp_path / f"{number}.zarr", **options | change).fingerprint)
    assert len(fingerprints) == 11
    told = TrajectoryDataset.from_arrays(tmp_path / "told.zarr", **options, description="A sentence for people.")
    assert told.fingerprint == a.fingerprint


def test_it_says_what_it_is(tmp_path):
    layout = Layout(
        "drops", Features(2, 1, 1), 4, 9, "given", ("area", "flow"), ("m2", ""), time_unit="s", ragged=True,
        species_names=("oil", "water"), context_names=("T",), context_units=("K",), has_cell=True,
    )  # fmt: skip
    data = TrajectoryDataset.create(tmp_path / "a.zarr", layout, 3, {"source": "a program"})
    assert TrajectoryDataset.open(data.path).layout == layout
    assert repr(data).splitlines() == [
        f"TrajectoryDataset {tmp_path / 'a.zarr'}: drops",
        "  3 trajectories, 3 of them not committed",
        "  up to 9 particles of oil, water; features x, y, v1x, v1y, s1",
        "  observables area (m2), flow",
        "  context T (K)",
    ]
    assert data.provenance["source"] == "a program"
    assert (data.n_features, data.species_names, data.context_names) == (5, ("oil", "water"), ("T",))
    assert (data.observable, data.observable_units) == ("given", ("m2", ""))


# ── coordinates in 16 bits ────────────────────────────────────────────────────────────────────────────────────────────


def bounded(path, bounds, M=2, T=3, N=50):
    return TrajectoryDataset.create(path, Layout("bounded", 2, T, N, "given", ("z",), bounds=bounds), M)


def test_bounds_keep_coordinates_in_half_the_space_and_within_the_rounding_they_state(tmp_path):
    bounds = ((0.0, 32.0), (-1.0, 1.0))
    low, high = np.array(bounds).T
    data = bounded(tmp_path / "bounded.zarr", bounds)
    points = RNG.uniform(low, high, (2, 3, 50, 2))
    points[0, 0, :2] = low, high
    for m in range(2):
        data.commit(m, Trajectory(points[m], np.zeros((3, 1)), TIMES))
    again = TrajectoryDataset.open(tmp_path / "bounded.zarr")
    back = np.stack([again.trajectory(m).points.numpy() for m in range(2)])
    error = np.abs(back - points).max(axis=(0, 1, 2))
    assert (error <= again.layout.rounding * (1 + 1e-6) + 2e-6).all()  # and the rounding of float32
    assert np.allclose(again.layout.rounding, (high - low) / 131070)
    held = MicrostateSource(again, 10**9)
    assert held.in_memory
    assert same(held.batch(np.array([1]), np.array([2])), again.microstates(np.array([1]), np.array([2])))
    assert again.arrays(0)["points"].dtype == np.uint16


def test_points_outside_the_bounds_are_named(tmp_path):
    data = bounded(tmp_path / "bounded.zarr", ((0.0, 1.0), (0.0, 1.0)), N=3)
    points = np.full((3, 3, 2), 0.5)
    points[1, 2] = 0.5, 1.25
    with pytest.raises(MicrostateError, match=r"frame 1, particle 2 is at \[0.5, 1.25\], outside the bounds"):
        data.commit(0, Trajectory(points, np.zeros((3, 1)), TIMES))


@pytest.mark.parametrize("bounds", [((0.0, 1.0),), ((0.0, 1.0), (1.0, 1.0)), ((0.0, 1.0), (0.0, np.inf))])
def test_bounds_need_a_finite_side_for_each_feature(tmp_path, bounds):
    with pytest.raises(DatasetError, match="low < high for each of the 2 features"):
        bounded(tmp_path / "bounded.zarr", bounds)


def test_sets_are_held_in_the_room_of_the_largest_that_there_is(tmp_path):
    layout = Layout("ragged", 2, 2, 90, "none", ("z",), ragged=True, weighted=True)
    data = TrajectoryDataset.create(tmp_path / "ragged.zarr", layout, 3)
    for m, counts in enumerate(([3, 7], [11, 2], [5, 5])):
        masses = RNG.uniform(1, 2, (2, max(counts)))
        points = RNG.normal(size=(2, max(counts), 2))
        data.commit(m, Trajectory(points, np.zeros((2, 1)), range(2), np.array(counts), masses=masses))
    assert data.largest_set == 11
    held = MicrostateSource(data, 3 * 2 * 11 * (2 * 4 + 4) + 3 * 2 * 4)  # points, masses and counts
    assert held.in_memory
    assert not MicrostateSource(data, 3 * 2 * 11 * (2 * 4 + 4)).in_memory
    where = np.array([0, 1, 1, 2]), np.array([1, 0, 1, 0])
    assert same(held.batch(*where), data.microstates(*where))


# ── what may not be committed, or does not exist ──────────────────────────────────────────────────────────────────────

RICH = Layout(
    "rich", 2, 5, 4, "given", ("z",), ragged=True, weighted=True, has_cell=True,
    species_names=("a", "b"), context_names=("T",),
)  # fmt: skip


def rich(**changes):
    """A trajectory of three frames that fits :data:`RICH`, with changes."""
    values = {
        "points": np.zeros((3, 4, 2)),
        "observables": np.zeros((3, 1)),
        "times": TIMES,
        "counts": np.array([4, 0, 2]),
        "species": np.zeros((3, 4), int),
        "masses": np.ones((3, 4)),
        "cell": np.array([5.0, 5.0]),
        "context": np.array([1.0]),
    }
    return Trajectory(**values | changes)


def changed(array, place, value):
    array = np.array(array, dtype=float)
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": [0, 1, 1]}, r"trajectory 1, frame 2 has the same time as the frame before it \(1 after 1\)"),
        ({"times": [0, 2, 1]}, r"trajectory 1, frame 2 has an earlier time .* \(1 after 2\); expected rising times"),
        ({"times": [0, np.nan, 1]}, "trajectory 1, frame 1 has the time nan; expected a finite number"),
        ({"times": [0]}, r"trajectory 1 has times of shape \(1,\); expected one for each of 2 to 5 frames"),
        ({"times": range(6)}, r"trajectory 1 has times of shape \(6,\)"),
        ({"times": range(4)}, "trajectory 1 has arrays of shapes"),
        ({"points": np.zeros((3, 5, 2))}, "trajectory 1 has arrays of shapes"),
        ({"points": np.zeros((3, 4, 3))}, "trajectory 1 has arrays of shapes"),
        ({"points": np.zeros(3), "counts": None}, "trajectory 1 has arrays of shapes"),
        ({"masses": None}, "trajectory 1 has arrays of shapes"),
        (
            {"points": changed(np.zeros((3, 4, 2)), (2, 1, 0), np.nan)},
            "frame 2, particle 1 has a coordinate that is NaN",
        ),
        ({"observables": changed(np.zeros((3, 1)), 1, np.inf)}, "trajectory 1, frame 1 has an observable that is NaN"),
        ({"context": changed(np.zeros((3, 1)), 2, np.nan)}, "frame 2 has a number of the context that is NaN"),
        ({"counts": [4, 5, 0]}, "trajectory 1, frame 1 has 5 particles; expected 0 to 4"),
        ({"counts": [4, 2, -1]}, "trajectory 1, frame 2 has -1 particles; expected 0 to 4"),
        ({"counts": [4, 2, 1.5]}, "trajectory 1 has counts of particles that are not whole numbers"),
        ({"species": changed(np.zeros((3, 4)), (2, 1), 2)}, "frame 2, particle 1 has species 2.*from 0 to 1"),
        ({"species": changed(np.zeros((3, 4)), (0, 3), -1)}, "frame 0, particle 3 has species -1"),
        ({"species": changed(np.zeros((3, 4)), (0, 0), 0.5)}, "frame 0, particle 0 has species 0.5; expected a whole"),
        ({"masses": changed(np.ones((3, 4)), (2, 1), 0)}, "trajectory 1, frame 2 has a mass that is not positive"),
        ({"masses": changed(np.ones((3, 4)), (2, 0), np.nan)}, "frame 2, particle 0 has a mass that is NaN"),
        ({"cell": [5.0, 5.0, 5.0]}, r"trajectory 1: a cell has shape \(3,\); expected lengths \(2,\) or a matrix"),
        ({"cell": [[1.0, 2.0], [2.0, 4.0]]}, "trajectory 1: the lattice vectors of a cell are parallel"),
        ({"cell": [-1.0, 5.0]}, "trajectory 1: a cell has a negative length: -1"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(tmp_path, changes, message):
    data = TrajectoryDataset.create(tmp_path / "a.zarr", RICH, 2)
    with pytest.raises(MicrostateError, match=message):
        data.commit(1, rich(**changes))
    assert not TrajectoryDataset.open(data.path).committed.any()


def test_what_lies_behind_the_particles_is_not_looked_at(tmp_path):
    data = TrajectoryDataset.create(tmp_path / "a.zarr", RICH, 2)
    data.commit(0, rich())
    points, masses, species = np.zeros((3, 4, 2)), np.ones((3, 4)), np.zeros((3, 4))
    points[1], masses[1], species[1] = np.nan, -1, 9  # a frame without particles
    data.commit(1, rich(points=points, masses=masses, species=species))
    assert same(data.trajectory(0), data.trajectory(1))
    assert data.trajectory(1).counts.tolist() == [4, 0, 2]
    assert all(np.array_equal(a, data.arrays(1)[name]) for name, a in data.arrays(0).items())


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda e: e.microstates([0], [3]), r"has frames of trajectory 0 0 to 2; got 3"),
        (lambda e: e.microstates([0], [-1]), r"0 to 2; got -1"),
        (lambda e: e.microstates([4], [0]), r"has trajectories 0 to 3; got 4"),
        (lambda e: e.microstates([0.5], [0]), r"has trajectories 0 to 3; got 0\.5"),
        (lambda e: e.microstates([0], [0.5]), r"0 to 2; got 0\.5"),
        (lambda e: e.microstates([0, 1, 1], [0, 1]), "3 trajectories and 2 frames; expected a frame for each"),
        (lambda e: e.microstates([], []), "no microstates were asked for"),
        (lambda e: e.observables([9]), r"has trajectories 0 to 3; got 9"),
        (lambda e: e.transitions([-1]), r"has trajectories 0 to 3; got -1"),
        (lambda e: e.trajectory(4), r"has trajectories 0 to 3; got 4"),
        (lambda e: e.times(4), r"has trajectories 0 to 3; got 4"),
        (lambda e: e.context(-1), r"has trajectories 0 to 3; got -1"),
        (lambda e: e.arrays(4), r"has trajectories 0 to 3; got 4"),
        (lambda e: e.commit(-1, Trajectory(np.zeros((3, 5, 2)), np.zeros((3, 1)), TIMES)), r"0 to 3; got -1"),
    ],
)
def test_trajectories_and_frames_that_are_not_there_are_told(tmp_path, use, message):
    _, data = small(tmp_path / "a.zarr")
    with pytest.raises(DatasetError, match=message):
        use(data)
    assert data.usable.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_frames": 1}, "at least two frames; the most of these is 1"),
        ({"max_step": 0.0}, "max_step is 0.0; expected a positive time"),
        ({"max_step": float("nan")}, "max_step is nan; expected a positive time"),
        ({"observable_names": ("a", "a")}, "observable_names: each is expected once"),
        ({"context_names": ("T", "T")}, "context_names: each is expected once"),
        ({"observable_units": ("m", "s")}, "1 observable names and 2 units"),
        ({"context_names": ("T",), "context_units": ("K", "")}, "1 context names and 2 units"),
    ],
)
def test_a_layout_that_cannot_be_is_named(changes, message):
    values = {"name": "x", "features": 2, "max_frames": 3, "max_particles": 4, "observable": "given"}
    with pytest.raises(DatasetError, match=message):
        Layout(**values | {"observable_names": ("z",)} | changes)
