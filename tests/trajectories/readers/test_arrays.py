"""Arrays of NumPy, HDF5 and Zarr files hold the same trajectories, and say what does not fit."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import zarr
from tests.trajectories.readers.tracks import frames, source

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.arrays import ArraysReader

T, N = 5, 4
READER = ArraysReader(columns={"positions": ("x", "y"), "charge": ("q",)})


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "positions": rng.normal(size=(T, N, 2)),
        "charge": rng.normal(size=N),
        "t": 0.5 * np.arange(T),
        "n": np.array([4, 3, 4, 0, 4]),
        "present": rng.random(size=(T, N)) < 0.7,
        "id": np.array([7, 3, 5, 1]),
        "kind": np.array(["A", "B", "B", "A"]),
        "box": np.array([4.0, 5.0]),
        "energy": rng.normal(size=T),
        "step": 100 * np.arange(T),
    }


def written(path, content, group=None):
    if path.suffix == ".npz":
        np.savez(path, **content)
    elif path.suffix == ".h5":
        with h5py.File(path, "a") as file:
            place = file if group is None else file.create_group(group)
            for name, array in content.items():
                place[name] = array.astype("S") if array.dtype.kind == "U" else array
    else:
        place = zarr.open_group(path, mode="a")
        place = place if group is None else place.create_group(group)
        for name, array in content.items():
            place.create_array(
                name, data=np.unique(array, return_inverse=True)[1] if array.dtype.kind == "U" else array
            )
    return path


@pytest.mark.parametrize("name", ["a.npz", "a.h5", "a.zarr"])
def test_all_that_arrays_say_is_kept(tmp_path, name):
    content = arrays()
    reader = READER.model_copy(
        update={"times": "t", "counts": "n", "ids": "id", "species": "kind", "cell": "box", "steps": "step"}
        | {"observables": {"energy": "E"}}
    )
    path = written(tmp_path / name, content)
    facts = reader.scan(source(path))
    assert (facts.n_frames, facts.min_particles, facts.max_particles) == (T, 0, N)
    assert (facts.columns, facts.has_ids, facts.has_cell) == (("x", "y", "q"), True, True)
    for t, frame in enumerate(frames(reader, path)):
        there = np.arange(content["n"][t])
        order = there[np.argsort(content["id"][there])]
        np.testing.assert_array_equal(frame.columns["x"], content["positions"][t, order, 0])
        np.testing.assert_array_equal(frame.columns["y"], content["positions"][t, order, 1])
        np.testing.assert_array_equal(frame.columns["q"], content["charge"][order])
        assert frame.ids.tolist() == content["id"][order].tolist()
        kind = content["kind"] if name != "a.zarr" else np.array([0, 1, 1, 0])  # Zarr has no stable format of text
        assert frame.species.tolist() == kind[order].tolist()
        assert (frame.time, frame.step, frame.observables) == (0.5 * t, 100 * t, {"E": content["energy"][t]})
        assert frame.cell.tolist() == [[4, 0], [0, 5]]


@pytest.mark.parametrize("name", ["a.h5", "a.zarr"])
def test_groups_are_trajectories_in_the_order_of_their_numbers(tmp_path, name):
    path = tmp_path / name
    contents = {f"run_{m}": arrays(m) for m in (10, 9, 1)}
    for group, content in contents.items():
        written(path, content, group)
    written(path, {"note": np.zeros(3)})
    reader = READER.model_copy(update={"groups": "run_*"})
    parts = reader.sources(source(path))
    assert [part.part for part in parts] == ["run_1", "run_9", "run_10"]
    for part in parts:
        first = next(reader.frames(part))
        np.testing.assert_array_equal(first.columns["x"], contents[part.part]["positions"][0, :, 0])


def test_places_that_hold_no_particle(tmp_path):
    content = arrays()
    path = written(tmp_path / "a.npz", content)
    reader = READER.model_copy(update={"present": "present"})
    given = frames(reader, path, 1, None, 2)
    assert [frame.time for frame in given] == [1, 3]
    for frame in given:
        there = content["present"][int(frame.time)]
        np.testing.assert_array_equal(frame.columns["x"], content["positions"][int(frame.time), there, 0])
    assert reader.scan(source(path)).max_particles == content["present"].sum(axis=1).max()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (np.arange(2 * T).reshape(T, 2) + 1.0, [[5, 0], [0, 6]]),
        (np.array([[3.0, 0], [1, 2]]), [[3, 0], [1, 2]]),
        (np.broadcast_to([[3.0, 0], [1, 2]], (T, 2, 2)), [[3, 0], [1, 2]]),
    ],
)
def test_cells_of_frames_and_of_all(tmp_path, cell, expected):
    path = written(tmp_path / "a.npz", arrays() | {"box": cell})
    assert frames(READER.model_copy(update={"cell": "box"}), path)[2].cell.tolist() == expected


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        ({"positions": np.zeros((T, N, 3))}, {}, r"'positions' has the shape \(5, 4, 3\); expected \(5, 4, 2\) or"),
        ({"positions": np.zeros((N, 2))}, {}, r"expected at least one of shape \(T, N, c\)"),
        ({}, {"times": "charge"}, r"'charge' has the shape \(4,\); expected \(5,\)"),
        ({"t": np.array([0, 1, np.nan, 3, 4])}, {"times": "t"}, "frame 2: 't' is nan; expected a finite number"),
        (
            {},
            {"times": "time"},
            "no column 'time' of numbers, which the reader names",
        ),
        ({"n": np.array([1, 2, 9, 1, 1])}, {"counts": "n"}, "frame 2: its count is 9; expected 0 to 4"),
        ({"id": np.array([1, 2, 2, 3])}, {"ids": "id"}, "frame 0: two particles have the identity 2"),
        ({}, {"groups": "run_*"}, "has no groups"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, options, says):
    reader = READER.model_copy(update=options)
    path = written(tmp_path / "a.npz", arrays() | change)
    with pytest.raises(ReaderError, match=says):
        [list(reader.frames(part)) for part in reader.sources(source(path))]


def test_a_cell_that_may_be_two_things(tmp_path):
    content = {"positions": np.zeros((2, N, 2)), "charge": np.zeros(N), "box": np.eye(2)}
    path = written(tmp_path / "a.npz", content)
    with pytest.raises(ReaderError, match="one matrix or the lengths of each frame"):
        frames(READER.model_copy(update={"cell": "box"}), path)


@pytest.mark.parametrize("name", ["a.npz", "a.h5"])
def test_a_file_that_was_cut_short(tmp_path, name):
    path = written(tmp_path / name, arrays())
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ReaderError, match=f"{name} cannot be read"):
        frames(READER, path)


def test_an_array_of_objects_runs_no_code(tmp_path):
    np.savez(tmp_path / "a.npz", positions=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ReaderError, match=r"cannot be read as \.npz"):
        frames(READER, tmp_path / "a.npz")
