"""Users' own arrays: every form that is taken, and every mistake that is named before anything is written."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from setclosure.errors import ConfigurationError, DatasetError, MicrostateError, SetclosureWarning
from setclosure.sets.features import Features
from setclosure.trajectories.dataset import TrajectoryDataset

RNG = np.random.default_rng(0)


def arrays(**changes):
    return {"points": RNG.normal(size=(2, 3, 4, 2)), "observables": np.zeros((2, 3)), "times": range(3)} | changes


def made(tmp_path, **changes):
    """A data set of two trajectories of three frames of four particles, with changes."""
    TrajectoryDataset.from_arrays(tmp_path / "made.zarr", **arrays(**changes))
    return TrajectoryDataset.open(tmp_path / "made.zarr")


def poisoned(value):
    points = np.zeros((2, 3, 4, 2))
    points[1, 2, 3, 0] = value
    return points


def centre(microstates):
    """The mean position, which an empty set does not have."""
    if not bool(microstates.mask.any(dim=1).all()):
        return torch.full((len(microstates), 2), float("nan"))
    return microstates.mean()


def first_of_first(microstates):
    """A coordinate that an empty set does not have."""
    return [float(x[n > 0][0, 0]) for x, n in zip(microstates.points, microstates.mask, strict=True)]


HOLE = [[np.zeros((2, 2)), np.zeros((0, 2)), np.ones((1, 2))], [np.zeros((2, 2))] * 3]
"""Trajectory 0 has no particle in its frame 1."""


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"points": poisoned(np.nan)}, MicrostateError, "trajectory 1, frame 2, particle 3 .*NaN or infinite"),
        ({"points": poisoned(np.inf)}, MicrostateError, "trajectory 1, frame 2, particle 3 .*NaN or infinite"),
        ({"points": poisoned(1e300)}, MicrostateError, "trajectory 1, frame 2, particle 3 .*single precision"),
        ({"points": np.zeros((2, 3, 4))}, MicrostateError, r"points have shape \(2, 3, 4\); expected \(M, T, N, d\)"),
        ({"points": [[np.zeros(4)] * 3] * 2}, MicrostateError, r"frame 0 has shape \(4,\)"),
        (
            {"points": [[np.zeros((4, 2))] * 3, [np.zeros((4, 2)), np.zeros((4, 3)), np.zeros((4, 2))]]},
            MicrostateError,
            "trajectory 1, frame 1 has 3 features; expected 2",
        ),
        ({"points": None}, MicrostateError, r"points are None; expected \(M, T, N, d\)"),
        ({"points": np.zeros((2, 3, 4, 2)) + 1j}, MicrostateError, "array of real numbers: got complex128"),
        ({"points": np.zeros((2, 3, 4, 2)) > 0}, MicrostateError, "array of real numbers: got bool"),
        ({"points": np.zeros((2, 3, 4, 2)).astype(str)}, MicrostateError, "array of real numbers: got str"),
        ({"points": []}, DatasetError, "no trajectories"),
        ({"points": np.zeros((2, 1, 4, 2)), "observables": np.zeros((2, 1)), "times": [0]}, DatasetError, "two frames"),
        ({"points": np.zeros((2, 0, 4, 2))}, DatasetError, "trajectory 0 has 0 frames; expected at least two"),
        (
            {"points": [np.zeros((3, 4, 2)), np.zeros((1, 4, 2))], "times": [range(3), range(1)]},
            DatasetError,
            "trajectory 1 has 1 frames; expected at least two",
        ),
        # observables
        ({"observables": [[0, 0, 0], [0, np.nan, 0]]}, MicrostateError, "trajectory 1, frame 1 has an observable"),
        ({"observables": np.zeros((2, 4))}, MicrostateError, "trajectory 0 has observables of shape"),
        ({"observables": np.zeros((1, 3))}, MicrostateError, "2 trajectories, but observables of 1"),
        ({"observables": None}, MicrostateError, "observables are None; expected values"),
        ({"observables": np.full((2, 3), 1e100)}, MicrostateError, "NaN, infinite or too large"),
        ({"observables": "extention"}, ConfigurationError, "Did you mean 'extension'"),
        ({"observables": centre}, MicrostateError, r"trajectory 0: the observable 'centre' gave shape \(3, 2\)"),
        ({"observable_names": ("a", "b")}, MicrostateError, "1 observables and 2 names"),
        (
            {"observables": np.zeros((2, 3, 2)), "observable_names": ("a", "a")},
            DatasetError,
            r"observable_names: .*'a', 'a'",
        ),
        (
            {"points": HOLE, "observables": centre, "observable_names": ("x", "y")},
            MicrostateError,
            "trajectory 0: the observable 'centre' of microstate 0 is not finite",
        ),
        (
            {"points": HOLE, "observables": "extension"},
            MicrostateError,
            "trajectory 0: .*Frame 1 has no particle: give",
        ),
        ({"points": HOLE, "observables": first_of_first}, MicrostateError, "stopped with IndexError.*Frame 1 has no"),
        # times
        ({"times": "abc"}, MicrostateError, "times must be an array of real numbers"),
        ({"times": 3}, MicrostateError, "times must be an array of real numbers.*got 3"),
        ({"times": range(4)}, MicrostateError, r"trajectory 0 has 3 frames, but there are times of shape \(4,\)"),
        ({"times": [range(3)] * 3}, MicrostateError, "2 trajectories and times of 3"),
        ({"times": [range(3), range(4)]}, MicrostateError, r"trajectory 1 has 3 frames.*\(4,\)"),
        ({"times": [0, 2, 1]}, MicrostateError, r"trajectory 0, frame 2 has an earlier time .*\(1 after 2\).*rising"),
        ({"times": [[0, 1, 2], [0, 1, 1]]}, MicrostateError, "trajectory 1, frame 2 has the same time as the frame"),
        ({"times": [[0, 1, 2], [0, np.nan, 1]]}, MicrostateError, "trajectory 1, frame 1 has the time nan"),
        # species and masses
        (
            {"species": [0, 0, 0]},
            MicrostateError,
            r"trajectory 0, frame 0 has 4 particles, but species of shape \(3,\)",
        ),
        ({"species": np.zeros((1, 4))}, MicrostateError, "trajectory 1, frame 0: its species cannot be read"),
        ({"species": np.zeros((2, 2, 4))}, MicrostateError, "trajectory 0, frame 2: its species cannot be read"),
        ({"species": np.zeros((3, 4))}, MicrostateError, "species have 3 rows, and there are 2 trajectories"),
        ({"species": np.zeros((2, 4, 4))}, MicrostateError, "trajectory 0 has 3 frames, but species for 4"),
        ({"masses": np.ones((3, 4))}, MicrostateError, "masses have 3 rows, and there are 2 trajectories"),
        ({"species": [0, 0, -1, 0]}, MicrostateError, "trajectory 0, frame 0: species run from -1 to 0"),
        ({"species": [0, 0, 256, 0]}, MicrostateError, "at most 255"),
        ({"species": [0.5, 0, 1, 1]}, MicrostateError, "whole numbers; got fractions"),
        ({"species": [0, 0, 1, 1], "species_names": "A"}, MicrostateError, "2 species and 1 names"),
        ({"masses": [1.0, 1.0, 0.0, 1.0]}, MicrostateError, "frame 0 has a mass that is not positive"),
        ({"masses": [1.0, 1.0]}, MicrostateError, "4 particles, but masses of shape"),
        # context
        ({"context": {"T": [1.0, 2.0, 3.0]}}, MicrostateError, "the context 'T' has 3 entries for 2 trajectories"),
        (
            {"context": {"T": np.zeros((2, 4))}},
            MicrostateError,
            r"trajectory 0 has 3 frames.*\(4,\) of the context 'T'",
        ),
        ({"context": {"T": np.zeros((2, 3, 1))}}, MicrostateError, r"array of shape \(3, 1\) of the context 'T'"),
        ({"context": {"T": [[1.0] * 3, [1.0] * 2]}}, MicrostateError, r"trajectory 1 .*\(2,\) of the context 'T'"),
        ({"context": {"T": "hot"}}, MicrostateError, "context 'T' must be an array of real numbers"),
        ({"context": {"T": [1.0, np.nan]}}, MicrostateError, "trajectory 1, frame 0 has a number of the context"),
        ({"context": {"T": 1.0}, "context_units": {"t": "K"}}, DatasetError, "context_units names t.*context is: T"),
        # cell
        ({"cell": [1.0, 2.0, 3.0]}, MicrostateError, r"trajectory 0: a cell has shape \(3,\); expected lengths \(2,\)"),
        ({"cell": [[1.0, 2.0], [2.0, 4.0]]}, MicrostateError, "may be one matrix or the lengths of 2 boxes"),
        ({"cell": [[1.0, 2.0], [3.0, 4.0]]}, MicrostateError, "may be one matrix or the lengths of 2 boxes"),
        ({"cell": [[1.0, 0.0], [1.0, 0.0]]}, MicrostateError, "the lattice vectors of a cell are parallel"),
        ({"cell": [1.0, np.nan]}, MicrostateError, "a cell holds NaN or infinite numbers"),
        ({"cell": np.ones((2, 4, 2, 2)) * np.eye(2)}, MicrostateError, "trajectory 0 has 3 frames and 4 cells"),
        # features
        ({"features": ["x"]}, MicrostateError, "particles have 2 features and these are described as 1: x"),
        ({"features": ["q", "x"], "roles": ["scalar", "position"]}, MicrostateError, "expected the position first"),
        ({"features": ["x", "v"], "roles": ["position", "speed"]}, MicrostateError, "expected one of position, vector"),
    ],
)
def test_mistakes_in_users_arrays_are_named_and_nothing_is_written(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        TrajectoryDataset.from_arrays(tmp_path / "a.zarr", **arrays(**changes))
    assert list(tmp_path.iterdir()) == []


# ── observables ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_function_gives_the_observables(tmp_path):
    values = arrays(observables=centre, masses=[1.0, 1.0, 1.0, 3.0], observable_names=("x", "y"))
    data = made(tmp_path, **values)
    expected = np.average(values["points"], axis=2, weights=[1.0, 1.0, 1.0, 3.0])
    assert data.observable_names == ("x", "y")
    assert np.allclose(np.stack(data.observables()), expected, atol=1e-6)


def test_a_function_sees_species_features_and_cell(tmp_path):
    seen = []

    def count_of_b(microstates):
        seen.append(microstates)
        return microstates.present[:, 1].double() + microstates.cell[:, 0, 0]

    data = made(tmp_path, observables=count_of_b, species=[0, 0, 0, 1], cell=[5.0, 5.0])
    assert [z[:, 0].tolist() for z in data.observables()] == [[6.0] * 3] * 2
    assert seen[0].roles == data.features


def test_values_in_a_tensor_for_trajectories_of_different_lengths(tmp_path):
    points = [RNG.normal(size=(T, 4, 2)) for T in (3, 5)]
    values = [torch.arange(3.0), torch.arange(10.0).reshape(5, 2)[:, :1]]
    data = made(tmp_path, points=points, observables=values, times=[range(3), range(5)], observable_names="count")
    assert data.observable_names == ("count",)
    assert [z[:, 0].tolist() for z in data.observables()] == [[0, 1, 2], [0, 2, 4, 6, 8]]


def test_an_empty_frame_is_kept_where_its_observables_are_given(tmp_path):
    data = made(tmp_path, points=HOLE, observables=[[2.0, 0.0, 1.0], [2.0, 2.0, 2.0]])
    assert data.trajectory(0).counts.tolist() == [2, 0, 1]
    assert not data.trajectory(0).weights[1].any()
    empty = data.microstates([0], [1])
    assert empty.points.shape == (1, 1, 2)
    assert empty.counts.tolist() == [0]
    assert data.observables()[0][:, 0].tolist() == [2.0, 0.0, 1.0]


# ── species, masses ───────────────────────────────────────────────────────────────────────────────────────────────────


def species_of(batch, m_points):
    """The species of the particles of a batch, by where their weights are."""
    return [row[:, :n].argmax(axis=0).tolist() for row, n in zip(batch.weights.numpy(), m_points, strict=True)]


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, lambda x: np.asarray(x).tolist()])
def test_species_for_all_for_each_trajectory_and_for_each_frame(tmp_path, kind):
    per_frame = RNG.integers(0, 2, (2, 3, 4))
    for number, (given, full) in enumerate(
        [
            (per_frame[0, 0], np.broadcast_to(per_frame[0, 0], (2, 3, 4))),
            (per_frame[:, 0], np.broadcast_to(per_frame[:, :1], (2, 3, 4))),
            (per_frame, per_frame),
        ]
    ):
        data = TrajectoryDataset.from_arrays(
            tmp_path / f"{number}.zarr", **arrays(species=kind(given), species_names=("a", "b"))
        )
        for m in range(2):
            assert species_of(data.trajectory(m), [4, 4, 4]) == full[m].tolist()


def test_species_of_sets_that_vary_in_size(tmp_path):
    sizes = [[2, 4, 3], [1, 2, 2]]
    points = [[RNG.normal(size=(n, 2)) for n in row] for row in sizes]
    species = [[RNG.integers(0, 3, n) for n in row] for row in sizes]
    data = made(tmp_path, points=points, species=species, species_names=("a", "b", "c"))
    for m in range(2):
        assert species_of(data.trajectory(m), sizes[m]) == [row.tolist() for row in species[m]]
    places = TrajectoryDataset.from_arrays(tmp_path / "b.zarr", **arrays(points=points, species=[0, 1, 1, 0]))
    assert species_of(places.trajectory(0), sizes[0]) == [[0, 1], [0, 1, 1, 0], [0, 1, 1]]


def test_a_species_that_is_absent_in_a_frame_weighs_nothing_there(tmp_path):
    data = made(tmp_path, species=[[[0, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]], [[0, 0, 1, 1]] * 3])
    assert data.trajectory(0).present.tolist() == [[True, True], [True, False], [False, True]]
    assert data.trajectory(0).weights[1].tolist() == [[0.25] * 4, [0.0] * 4]
    never = TrajectoryDataset.from_arrays(
        tmp_path / "b.zarr", **arrays(species=[0, 0, 2, 2], species_names=("a", "b", "c"))
    )
    assert never.trajectory(1).present.tolist() == [[True, False, True]] * 3


def test_masses_of_each_trajectory(tmp_path):
    masses = RNG.uniform(1, 2, (2, 4))
    values = arrays(masses=masses)
    data = made(tmp_path, **values)
    weights = data.trajectory(1).weights[:, 0].numpy()
    assert np.allclose(weights, masses[1] / masses[1].sum())
    per_frame = values | {"masses": torch.from_numpy(np.stack([masses] * 3, 1))}
    assert TrajectoryDataset.from_arrays(tmp_path / "b.zarr", **per_frame).fingerprint == data.fingerprint
    for_all = TrajectoryDataset.from_arrays(tmp_path / "c.zarr", **values | {"masses": torch.from_numpy(masses[1])})
    assert torch.equal(for_all.trajectory(0).weights, data.trajectory(1).weights)


# ── context ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (300.0, [[300.0] * 3] * 2),
        (np.float32(300.0), [[300.0] * 3] * 2),
        (torch.tensor(300.0), [[300.0] * 3] * 2),
        ([280.0, 320.0], [[280.0] * 3, [320.0] * 3]),
        (np.arange(6.0).reshape(2, 3), [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        ([[1.0, 2.0, 3.0], 7.0], [[1.0, 2.0, 3.0], [7.0] * 3]),
    ],
)
def test_context_for_all_for_each_trajectory_and_in_time(tmp_path, given, expected):
    data = made(tmp_path, context={"T": given, "rate": 0.5}, context_units={"T": "K"})
    assert (data.context_names, data.layout.context_units) == (("T", "rate"), ("K", ""))
    for m in range(2):
        assert data.context(m).tolist() == [[value, 0.5] for value in expected[m]]


def test_context_of_trajectories_of_different_lengths(tmp_path):
    points = [RNG.normal(size=(T, 4, 2)) for T in (2, 5)]
    context = {"shear": [np.arange(2.0), np.arange(5.0)]}
    data = made(tmp_path, points=points, observables="extension", times=[range(2), range(5)], context=context)
    assert [data.context(m)[:, 0].tolist() for m in range(2)] == [[0, 1], [0, 1, 2, 3, 4]]


def test_without_context_there_are_no_columns(tmp_path):
    assert made(tmp_path).context(1).shape == (3, 0)


# ── cell ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

BOX = np.diag([5.0, 6.0])
SHEARED = np.array([[5.0, 0.0], [2.0, 6.0]])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([5.0, 6.0], [[BOX] * 3] * 2),
        (torch.tensor([5.0, 6.0]), [[BOX] * 3] * 2),
        ([5.0, 0.0], [[np.diag([5.0, 0.0])] * 3] * 2),  # not periodic along y
        (SHEARED, [[SHEARED] * 3] * 2),
        (SHEARED.tolist(), [[SHEARED] * 3] * 2),  # k rows are one matrix, of two trajectories as well
        (BOX.tolist(), [[BOX] * 3] * 2),
        ([BOX, SHEARED], [[BOX] * 3, [SHEARED] * 3]),
        (np.stack([BOX, SHEARED]), [[BOX] * 3, [SHEARED] * 3]),
        (np.stack([[BOX, SHEARED, 2 * BOX], [BOX] * 3]), [[BOX, SHEARED, 2 * BOX], [BOX] * 3]),
        ([np.stack([BOX, SHEARED, BOX]), BOX], [[BOX, SHEARED, BOX], [BOX] * 3]),
    ],
)
def test_cells_for_all_for_each_trajectory_and_for_each_frame(tmp_path, given, expected):
    data = made(tmp_path, cell=given)
    assert data.layout.has_cell
    for m in range(2):
        assert np.array_equal(data.trajectory(m).cell, np.array(expected[m], dtype=np.float32))


def test_lengths_of_the_box_of_each_trajectory(tmp_path):
    points = RNG.normal(size=(3, 3, 4, 2))
    lengths = [[5.0, 6.0], [7.0, 8.0], [9.0, 0.0]]
    for number, given in enumerate((lengths, np.array(lengths))):
        data = TrajectoryDataset.from_arrays(
            tmp_path / f"{number}.zarr", **arrays(points=points, observables="pair_energy", cell=given)
        )
        assert [np.diag(data.first([m]).cell[0]).tolist() for m in range(3)] == lengths


def test_the_cell_belongs_to_the_position_alone(tmp_path):
    features = Features(2, vectors=1, scalars=1)
    data = made(tmp_path, points=RNG.normal(size=(2, 3, 4, 5)), features=features, cell=[5.0, 6.0])
    assert data.trajectory(0).cell.shape == (3, 2, 2)
    assert data.trajectory(0).roles == features


# ── features and the rest ─────────────────────────────────────────────────────────────────────────────────────────────


def test_features_by_names_and_roles(tmp_path):
    names = ("x", "y", "px", "py", "charge")
    roles = ("position",) * 2 + ("vector",) * 2 + ("scalar",)
    data = made(tmp_path, points=RNG.normal(size=(2, 3, 4, 5)), features=names, roles=roles)
    assert data.features == Features(2, 1, 1, names)
    assert data.microstates([0], [0]).roles == data.features
    positions = TrajectoryDataset.from_arrays(tmp_path / "b.zarr", **arrays(features=("u", "v")))
    assert positions.features == Features(2, names=("u", "v"))
    assert TrajectoryDataset.from_arrays(tmp_path / "c.zarr", **arrays()).features == Features(2)


def test_an_array_of_sets_of_different_sizes(tmp_path):
    sets = np.empty((2, 3), dtype=object)
    for m, t in np.ndindex(2, 3):
        sets[m, t] = RNG.normal(size=(2 + m + t, 2))
    assert made(tmp_path, points=sets).trajectory(1).counts.tolist() == [3, 4, 5]


def test_coordinates_that_single_precision_would_round_are_told(tmp_path):
    points = RNG.normal(size=(2, 3, 4, 2)) * 0.01
    made(tmp_path, points=points + 100.0)  # warnings are errors in tests
    with pytest.warns(
        SetclosureWarning, match=r"feature 1 \('y'\) of .* in steps of 0\.06\d*: subtract a common offset"
    ):
        TrajectoryDataset.from_arrays(tmp_path / "far.zarr", **arrays(points=points + np.array([0.0, 1e6])))
