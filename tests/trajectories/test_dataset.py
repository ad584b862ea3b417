from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory
from setclosure.errors import (
    DamagedFileError,
    DatasetError,
    MicrostateError,
    SchemaVersionError,
    SetclosureWarning,
    StorageError,
)
from setclosure.sets.microstates import MicrostateBatch

RNG = np.random.default_rng(0)


def small(path, M=4, T=3, N=5, d=2):
    points = np.random.default_rng(1).normal(size=(M, T, N, d))
    return points, TrajectoryDataset.from_arrays(path, points, "extension", times=range(T))


def boxed(path, box, M=2, T=3, N=50):
    layout = Layout("boxed", tuple(range(T)), 2, N, "extension", ("extension",), box=box)
    return TrajectoryDataset.create(path, layout, M)


def test_a_box_keeps_coordinates_in_half_the_space_and_within_the_rounding_it_states(tmp_path):
    box = ((0.0, 32.0), (-1.0, 1.0))
    low, high = np.array(box).T
    data = boxed(tmp_path / "boxed.zarr", box)
    points = RNG.uniform(low, high, (2, 3, 50, 2))
    points[0, 0, :2] = low, high
    for m in range(2):
        data.commit(m, Trajectory(points[m], np.zeros((3, 1))))
    again = TrajectoryDataset.open(tmp_path / "boxed.zarr")
    back = np.stack([again.trajectory(m).points.numpy() for m in range(2)])
    error = np.abs(back - points).max(axis=(0, 1, 2))
    assert (error <= again.layout.rounding * (1 + 1e-6) + 2e-6).all()  # and the rounding of float32
    assert np.allclose(again.layout.rounding, (high - low) / 131070)
    held = MicrostateSource(again, 10**9)
    assert held.in_memory
    assert same(held.batch(np.array([1]), np.array([2])), again.microstates(np.array([1]), np.array([2])))
    assert again.arrays(0)["points"].dtype == np.uint16
    assert again.layout.schema == 2


def test_sets_are_held_in_the_room_of_the_largest_that_there_is(tmp_path):
    layout = Layout("ragged", (0.0, 1.0), 2, 90, "none", ("z",), ragged=True, weighted=True)
    data = TrajectoryDataset.create(tmp_path / "ragged.zarr", layout, 3)
    for m, counts in enumerate(([3, 7], [11, 2], [5, 5])):
        masses = RNG.uniform(1, 2, (2, max(counts)))
        points = RNG.normal(size=(2, max(counts), 2))
        data.commit(m, Trajectory(points, np.zeros((2, 1)), np.array(counts), masses=masses))
    assert data.largest_set == 11
    held = MicrostateSource(data, 3 * 2 * 11 * (2 * 4 + 4) + 3 * 2 * 4)  # points, masses and counts
    assert held.in_memory
    assert not MicrostateSource(data, 3 * 2 * 11 * (2 * 4 + 4)).in_memory
    where = np.array([0, 1, 1, 2]), np.array([1, 0, 1, 0])
    assert same(held.batch(*where), data.microstates(*where))


def test_points_outside_the_box_are_named(tmp_path):
    data = boxed(tmp_path / "boxed.zarr", ((0.0, 1.0), (0.0, 1.0)), N=3)
    points = np.full((3, 3, 2), 0.5)
    points[1, 2] = 0.5, 1.25
    with pytest.raises(MicrostateError, match=r"frame 1, particle 2 is at \[0.5, 1.25\], outside the box"):
        data.commit(0, Trajectory(points, np.zeros((3, 1))))


@pytest.mark.parametrize("box", [((0.0, 1.0),), ((0.0, 1.0), (1.0, 1.0)), ((0.0, 1.0), (0.0, np.inf))])
def test_a_box_needs_a_finite_side_for_each_feature(tmp_path, box):
    with pytest.raises(DatasetError, match="low < high for each of the 2 features"):
        boxed(tmp_path / "boxed.zarr", box)


def same(a, b):
    return torch.equal(a.points, b.points) and torch.allclose(a.weights, b.weights, atol=1e-7)


@settings(max_examples=15)
@given(
    M=st.integers(1, 3),
    T=st.integers(2, 4),
    d=st.integers(1, 3),
    S=st.integers(1, 3),
    ragged=st.booleans(),
    weighted=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_what_is_stored_comes_back(tmp_path_factory, M, T, d, S, ragged, weighted, seed):
    rng = np.random.default_rng(seed)
    N = 7
    sizes = rng.integers(S, N + 1, size=(M, T)) if ragged else np.full((M, T), N)
    points = [[rng.normal(size=(n, d)) for n in row] for row in sizes]
    species = np.arange(N) % S
    masses = [[rng.uniform(0.5, 2, n) for n in row] for row in sizes] if weighted else None
    observables = rng.normal(size=(M, T, 2))
    path = tmp_path_factory.mktemp("e") / "train.zarr"
    TrajectoryDataset.from_arrays(
        path,
        points,
        observables,
        times=np.arange(T) * 0.5,
        species=np.resize(species, max(map(max, sizes.tolist()))),
        masses=masses,
    )
    data = TrajectoryDataset.open(path)
    assert (data.n_trajectories, data.n_frames, data.n_features, data.n_species) == (M, T, d, S)
    assert data.time_step == 0.5
    assert data.verify() == []
    assert np.array_equal(data.observables(), observables)
    m, t = rng.integers(M, size=6), rng.integers(T, size=6)
    expected = MicrostateBatch.from_arrays(
        [points[i][k] for i, k in zip(m, t, strict=True)],
        species=[species[: sizes[i, k]] for i, k in zip(m, t, strict=True)],
        masses=None if masses is None else [masses[i][k] for i, k in zip(m, t, strict=True)],
        n_species=S,
    )
    batch = data.microstates(m, t)
    assert same(batch, expected)
    held, read = MicrostateSource(data, 1 << 30), MicrostateSource(data, 0)
    assert (held.in_memory, read.in_memory) == (True, False)
    for source in (held, read):
        got = source.batch(m, t)
        assert torch.equal(got.points, batch.points)
        assert torch.equal(got.weights, batch.weights)
    whole = data.trajectory(M - 1)
    assert same(
        whole,
        MicrostateBatch.from_arrays(
            points[-1],
            species=[species[:n] for n in sizes[-1]],
            masses=None if masses is None else masses[-1],
            n_species=S,
        ),
    )


def test_equal_sets_build_no_weights(tmp_path):
    _, data = small(tmp_path / "a.zarr")
    batch = MicrostateSource(data, 1 << 30).batch(np.array([0, 1]), np.array([2, 0]))
    assert batch.weights.untyped_storage().nbytes() == 4


def test_the_fingerprint_knows_content_not_path_or_order(tmp_path):
    points, a = small(tmp_path / "a.zarr")
    b = TrajectoryDataset.create(tmp_path / "deep" / "b.zarr", a.layout, 4)
    for i in (2, 0, 3, 1):
        b.commit(i, Trajectory(points[i], a.observables(np.array([i]))[0]))
    assert a.fingerprint == b.fingerprint == TrajectoryDataset.open(b.path).fingerprint
    changed = points.copy()
    changed[3, 2, 4, 1] += 1e-3
    c = TrajectoryDataset.from_arrays(tmp_path / "c.zarr", changed, a.observables(), times=range(3))
    assert c.fingerprint != a.fingerprint
    d = TrajectoryDataset.from_arrays(tmp_path / "d.zarr", points, "extension", times=[0, 1, 2.5])
    assert d.fingerprint != a.fingerprint


def test_uncommitted_trajectories_are_not_used(tmp_path):
    points, full = small(tmp_path / "a.zarr")
    part = TrajectoryDataset.create(tmp_path / "b.zarr", full.layout, 4)
    part.commit(2, Trajectory(points[2], full.observables()[2]))
    opened = TrajectoryDataset.open(part.path)
    assert opened.committed.tolist() == [False, False, True, False]
    assert opened.usable.tolist() == [2]
    assert opened.observables().shape == (1, 3, 1)
    with pytest.raises(DatasetError, match="has no trajectory 0: 1 of 4"):
        opened.trajectory(0)


def bit_flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


DAMAGES = {"bit flipped": bit_flipped, "cut": lambda c: c[: len(c) // 2], "emptied": lambda c: b"", "removed": None}


@pytest.mark.parametrize(
    ("array", "damage"),
    [
        (array, damage)
        for array in ("points/c/1/0/0/0", "observables/c/1/0/0", "digest/c/1/0")
        for damage in DAMAGES
        # a trajectory without a digest is unfinished, not damaged
        if (array, damage) != ("digest/c/1/0", "removed")
    ],
)
def test_damage_is_named_and_the_rest_is_kept(tmp_path, array, damage):
    points, _ = small(tmp_path / "a.zarr", N=50)
    file = tmp_path / "a.zarr" / array
    change = DAMAGES[damage]
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))
    data = TrajectoryDataset.open(tmp_path / "a.zarr")
    assert data.verify() == [1]
    with pytest.warns(SetclosureWarning, match=r"1 of 4 trajectories are damaged.*: 1\."):
        source = MicrostateSource(data, 1 << 30)
    kept = source.batch(np.array([0, 2, 3]), np.array([0, 1, 2])).points.numpy()
    assert np.array_equal(kept, points[[0, 2, 3], [0, 1, 2]].astype(np.float32))
    assert data.observables().shape == (3, 3, 1)


def test_reading_a_chunk_that_cannot_be_decoded_is_a_named_error(tmp_path):
    _, data = small(tmp_path / "a.zarr", N=50)
    file = data.path / "points/c/1/0/0/0"
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(DamagedFileError, match="'points' of trajectory 1 cannot be read"):
        data.trajectory(1)


def edit(path, change):
    file = path / "zarr.json"
    value = json.loads(file.read_text())
    change(value["attributes"]["setclosure"])
    file.write_text(json.dumps(value))


def test_other_schemas_and_damaged_descriptions_are_named(tmp_path):
    _, made = small(tmp_path / "a.zarr")
    for number, (change, error) in enumerate(
        [
            (lambda facts: facts.update(schema=3), SchemaVersionError),
            (lambda facts: facts.update(schema="x"), SchemaVersionError),
            (lambda facts: facts.pop("schema"), DatasetError),
            (lambda facts: facts.pop("layout"), DamagedFileError),
            (lambda facts: facts["layout"].update(max_particles=6), DamagedFileError),
        ]
    ):
        path = tmp_path / f"{number}.zarr"
        shutil.copytree(made.path, path)
        edit(path, change)
        with pytest.raises(error, match=str(path)):
            TrajectoryDataset.open(path)
    (made.path / "zarr.json").write_text("{")
    with pytest.raises(DamagedFileError, match="damaged"):
        TrajectoryDataset.open(made.path)


def test_wrong_places_are_named(tmp_path):
    with pytest.raises(DatasetError, match="there is no data set"):
        TrajectoryDataset.open(tmp_path / "none.zarr")
    with pytest.raises(DatasetError, match="not a data set"):
        TrajectoryDataset.open(tmp_path)
    (tmp_path / "file.zarr").write_text("")
    with pytest.raises(DatasetError, match="not a data set"):
        TrajectoryDataset.open(tmp_path / "file.zarr")
    small(tmp_path / "a.zarr")
    with pytest.raises(DatasetError, match="exists already"):
        small(tmp_path / "a.zarr")
    with pytest.raises(StorageError, match="cannot be made"):
        small(tmp_path / "file.zarr" / "b.zarr")


def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    layout = Layout("x", (0.0, 1.0), 1, 2, "extension", ("extension",))
    tmp_path.chmod(0o555)
    child = os.fork()  # root may write everywhere, so the child gives that up
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            TrajectoryDataset.create(tmp_path / "a.zarr", layout, 1)
        except StorageError as error:
            code = 0 if "may not be written" in str(error) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    tmp_path.chmod(0o755)
    assert os.waitstatus_to_exitcode(status) == 0


def arrays(**changes):
    return {"points": RNG.normal(size=(2, 3, 4, 2)), "observables": np.zeros((2, 3)), "times": range(3)} | changes


def poisoned(value):
    points = np.zeros((2, 3, 4, 2))
    points[1, 2, 3, 0] = value
    return points


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"points": poisoned(np.nan)}, MicrostateError, "trajectory 1, frame 2, particle 3 .*NaN or infinite"),
        ({"points": poisoned(np.inf)}, MicrostateError, "trajectory 1, frame 2, particle 3 .*NaN or infinite"),
        ({"points": poisoned(1e300)}, MicrostateError, "trajectory 1, frame 2, particle 3 .*single precision"),
        ({"observables": [[0, 0, 0], [0, np.nan, 0]]}, MicrostateError, "trajectory 1, frame 1 has an observable"),
        ({"observables": np.zeros((2, 4))}, MicrostateError, "trajectory 0 has observables of shape"),
        ({"observables": np.zeros((1, 3))}, MicrostateError, "2 trajectories, but observables of 1"),
        (
            {"points": [[np.zeros((2, 1)), np.zeros((0, 1)), np.zeros((2, 1))]]},
            MicrostateError,
            "trajectory 0, frame 1",
        ),
        ({"points": np.zeros((2, 3, 4))}, MicrostateError, r"points have shape \(2, 3, 4\); expected \(M, T, N, d\)"),
        ({"points": [[np.zeros(4)] * 3] * 2}, MicrostateError, r"frame 0 has shape \(4,\)"),
        ({"points": None}, MicrostateError, r"points are None; expected \(M, T, N, d\)"),
        ({"points": np.zeros((2, 3, 4, 2)) + 1j}, MicrostateError, "array of real numbers: got complex128"),
        ({"points": np.zeros((2, 3, 4, 2)) > 0}, MicrostateError, "array of real numbers: got bool"),
        ({"points": np.zeros((2, 3, 4, 2)).astype(str)}, MicrostateError, "array of real numbers: got str"),
        ({"times": "abc"}, MicrostateError, "times must be an array of real numbers"),
        ({"observables": None}, MicrostateError, "observables are None; expected values"),
        ({"observables": np.full((2, 3), 1e100)}, MicrostateError, "NaN, infinite or too large"),
        ({"points": []}, DatasetError, "no trajectories"),
        ({"times": range(4)}, MicrostateError, "3 frames, but there are 4 times"),
        ({"times": [0, 2, 1]}, DatasetError, "rising"),
        (
            {"points": np.zeros((2, 1, 4, 2)), "observables": np.zeros((2, 1)), "times": [0]},
            DatasetError,
            "two frames",
        ),
        ({"species": [0, 0, 2, 2]}, MicrostateError, "no particle of species 1"),
        ({"species": [0, 0, 0]}, MicrostateError, "species"),
        ({"species": [0.5, 0, 1, 1]}, MicrostateError, "whole numbers; got fractions"),
        ({"species": [0, 0, 1, 1], "species_names": "A"}, MicrostateError, "2 species and 1 names"),
        ({"masses": [1.0, 1.0, 0.0, 1.0]}, MicrostateError, "frame 0 has a mass that is not positive"),
        ({"masses": [1.0, 1.0]}, MicrostateError, "4 particles, but masses of shape"),
        ({"observable_names": ("a", "b")}, MicrostateError, "1 observables and 2 names"),
        (
            {"observables": np.zeros((2, 3, 2)), "observable_names": ("a", "a")},
            DatasetError,
            r"observable_names: .*'a', 'a'",
        ),
    ],
)
def test_mistakes_in_users_arrays_are_named_and_nothing_is_written(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        TrajectoryDataset.from_arrays(tmp_path / "a.zarr", **arrays(**changes))
    assert list(tmp_path.iterdir()) == []


def test_a_function_gives_the_observables(tmp_path):
    def centre(microstates):
        return (microstates.points * microstates.weights[:, 0, :, None]).sum(dim=1)

    values = arrays(observables=centre, masses=[1.0, 1.0, 1.0, 3.0], observable_names=("x", "y"))
    data = TrajectoryDataset.from_arrays(tmp_path / "a.zarr", **values)
    expected = np.average(values["points"], axis=2, weights=[1.0, 1.0, 1.0, 3.0])
    assert data.observable_names == ("x", "y")
    assert np.allclose(data.observables(), expected, atol=1e-6)


def test_masses_of_each_trajectory_and_values_in_a_tensor(tmp_path):
    masses = RNG.uniform(1, 2, (2, 4))
    values = arrays(masses=masses, observables=torch.arange(6.0).reshape(2, 3), observable_names="count")
    data = TrajectoryDataset.from_arrays(tmp_path / "a.zarr", **values)
    assert data.observable_names == ("count",)
    assert data.observables()[..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    weights = data.trajectory(1).weights[:, 0].numpy()
    assert np.allclose(weights, masses[1] / masses[1].sum())
    same = TrajectoryDataset.from_arrays(tmp_path / "b.zarr", **values | {"masses": torch.from_numpy(np.stack([masses] * 3, 1))})
    assert same.fingerprint == data.fingerprint
    for_all = TrajectoryDataset.from_arrays(tmp_path / "c.zarr", **values | {"masses": torch.from_numpy(masses[1])})
    assert torch.equal(for_all.trajectory(0).weights, data.trajectory(1).weights)


def test_an_array_of_sets_of_different_sizes(tmp_path):
    sets = np.empty((2, 3), dtype=object)
    for m, t in np.ndindex(2, 3):
        sets[m, t] = RNG.normal(size=(2 + m + t, 2))
    data = TrajectoryDataset.from_arrays(tmp_path / "a.zarr", **arrays(points=sets))
    assert data.trajectory(1).counts.tolist() == [3, 4, 5]


def test_coordinates_that_single_precision_would_round_are_told(tmp_path):
    points = RNG.normal(size=(2, 3, 4, 2)) * 0.01
    TrajectoryDataset.from_arrays(tmp_path / "near.zarr", **arrays(points=points + 100.0))  # warnings are errors in tests
    with pytest.warns(SetclosureWarning, match=r"feature 1 of .* in steps of 0\.06\d*: subtract a common offset"):
        TrajectoryDataset.from_arrays(tmp_path / "far.zarr", **arrays(points=points + np.array([0.0, 1e6])))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda e: e.microstates([0], [3]), r"has frames 0 to 2; got 3"),
        (lambda e: e.microstates([0], [-1]), r"has frames 0 to 2; got -1"),
        (lambda e: e.microstates([2], [0]), r"has trajectories 0 to 1; got 2"),
        (lambda e: e.microstates([0.5], [0]), r"has trajectories 0 to 1; got 0\.5"),
        (lambda e: e.microstates([0, 1, 1], [0, 1]), "3 trajectories and 2 frames; expected a frame for each"),
        (lambda e: e.observables([9]), r"has trajectories 0 to 1; got 9"),
        (lambda e: e.commit(-1, Trajectory(np.zeros((3, 4, 2)), np.zeros((3, 1)))), r"0 to 1; got -1"),
    ],
)
def test_trajectories_and_frames_that_are_not_there_are_told(tmp_path, use, message):
    data = TrajectoryDataset.from_arrays(tmp_path / "a.zarr", **arrays())
    with pytest.raises(DatasetError, match=message):
        use(data)
    assert data.usable.tolist() == [0, 1]


def test_one_frame_of_many_trajectories(tmp_path):
    data = TrajectoryDataset.from_arrays(tmp_path / "a.zarr", **arrays())
    first = data.microstates([0, 1], 0).points
    assert torch.equal(first, torch.stack([data.trajectory(i).points[0] for i in (0, 1)]))


def test_times_of_a_layout_may_come_as_an_array(tmp_path):
    layout = Layout("mine", np.arange(3), 2, 4, "given", ["a"])
    data = TrajectoryDataset.create(tmp_path / "a.zarr", layout, 1)
    assert data.layout == Layout("mine", (0.0, 1.0, 2.0), 2, 4, "given", ("a",))
