"""An import keeps what files say, refuses what it cannot keep, and goes on where it was stopped."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.trajectories.readers.made import write_with_mdanalysis
from tests.trajectories.readers.tracks import TABLE, specification, tracks
from tests.trajectories.small import same

import setclosure
from setclosure import registry
from setclosure.errors import ConfigurationError, DatasetError, ReaderError, SetclosureWarning
from setclosure.files import sha256
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.readers import importing, work
from setclosure.trajectories.readers.pool import LostWorkerError, Pool


@pytest.fixture
def place(tmp_path):
    """A folder with five files of tracks, in which the rows are in no order."""
    for m in range(5):
        tracks(m).sample(frac=1, random_state=m).to_csv(tmp_path / f"run_{m}.csv", index=False)
    return tmp_path


def imported(place, **changes):
    """Import into one data set with the name of the split."""
    paths = importing.import_files(specification(**changes), place / "data", place, pool=1)
    (path,) = paths.values()
    return TrajectoryDataset.open(path)


def refused(place, **changes):
    with pytest.raises((ReaderError, ConfigurationError)) as error:
        imported(place, **changes)
    return str(error.value)


def change(place, seed, edit):
    """Write a file anew with its rows in order and a change."""
    table = tracks(seed).astype({"x": object})
    table = edit(table)
    table.to_csv(place / f"run_{seed}.csv", index=False)


# ── what is kept ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_import_is_what_the_arrays_would_have_made(place):
    data = imported(
        place,
        species={"from": "kind", "names": {"B": "big", "A": "small"}},
        weights="weight",
        context={"seed": {"from": "name", "unit": "1"}, "salt": 0.1},
        units={"length": "σ", "time": "τ"},
        name="walks",
    )
    tables = [tracks(m) for m in range(5)]
    expected = TrajectoryDataset.from_arrays(
        place / "expected.zarr",
        [t[["x", "y"]].to_numpy().reshape(8, 6, 2) for t in tables],
        "extension",
        times=range(8),
        features=("x", "y"),
        species=[1, 0, 1, 0, 1, 0],
        species_names=("big", "small"),
        masses=1.0 + np.arange(6),
        context={"seed": np.arange(5), "salt": 0.1},
        context_units={"seed": "1"},
        units="σ",
        time_unit="τ",
        name="walks",
    )
    assert data.layout == expected.layout
    assert data.fingerprint == expected.fingerprint
    for m in range(5):
        assert same(data.trajectory(m), expected.trajectory(m))


def test_from_files_is_the_same(place):
    data = imported(place)
    keys = {"reader": TABLE, "features": {"position": ["x", "y"]}, "observables": "extension", "base": place}
    made = setclosure.TrajectoryDataset.from_files(place / "mine.zarr", "run_{seed}.csv", **keys)
    assert made.fingerprint == data.fingerprint
    again = TrajectoryDataset.from_files(place / "mine.zarr", "run_{seed}.csv", **keys)
    assert again.fingerprint == data.fingerprint
    with pytest.raises(ConfigurationError, match="speciess: unknown key; did you mean 'species'"):
        TrajectoryDataset.from_files(place / "n.zarr", "run_{seed}.csv", **keys, speciess="none")


def test_vectors_scalars_and_angles_have_their_roles(place):
    for m in range(5):
        table = tracks(m).assign(vx=1.0 + m, vy=2.0, theta=lambda of: 10.0 * of.particle)
        table.to_csv(place / f"run_{m}.csv", index=False)
    features = {
        "position": ["x", "y"],
        "vectors": [["vx", "vy"], {"angle": "theta", "unit": "degrees"}],
        "scalars": ["weight"],
    }
    data = imported(place, features=features)
    assert data.features.names == ("x", "y", "vx", "vy", "cos theta", "sin theta", "weight")
    assert (data.features.position, data.features.vectors, data.features.scalars) == (2, 2, 1)
    x = data.trajectory(3).points[2].numpy()
    np.testing.assert_allclose(x[:, 2:4], [[4, 2]] * 6)
    np.testing.assert_allclose(
        x[:, 4:6], np.stack([np.cos(a := np.deg2rad(10 * np.arange(6))), np.sin(a)], 1), atol=1e-6
    )
    np.testing.assert_allclose(x[:, 6], 1 + np.arange(6))


def test_particles_come_and_go_and_gaps_stay_gaps(place):
    change(place, 2, lambda t: t[(t.frame != 4) & ~((t.frame == 1) & (t.particle > 1))])
    data = imported(place)
    assert data.layout.ragged
    assert data.lengths.tolist() == [8, 8, 7, 8, 8]
    assert data.times(2).tolist() == [0, 1, 2, 3, 5, 6, 7]
    assert data.arrays(2)["counts"].tolist() == [6, 2, 6, 6, 6, 6, 6]
    assert data.transitions(np.array([2])).n_gaps == 1


def test_observables_of_columns_functions_and_tables(place):
    for m in range(5):
        rows = pd.DataFrame({"t": 0.5 * np.arange(10), "E": np.arange(10) + 10.0 * m, "seed": m})
        rows.sample(frac=1, random_state=0).to_csv(place / f"energy_{m}.csv", index=False)
    data = imported(
        place,
        reader=TABLE | {"time_step": 0.5},
        observables=[
            {"csv": "energy_{seed}.csv", "key": "t", "columns": {"E": "total"}, "units": {"total": "ε"}},
            {"registered": "extension"},
            {"column": "energy", "name": "mean", "unit": "k"},
        ],
    )
    assert data.observable == "given"
    assert data.observable_names == ("total", "extension", "mean")
    assert data.observable_units == ("ε", "", "k")
    for m, z in enumerate(data.observables()):
        np.testing.assert_array_equal(z[:, 0], np.arange(8) + 10.0 * m)
        np.testing.assert_array_equal(z[:, 2], tracks(m).energy[::6])


def test_a_log_of_lammps_is_joined_by_the_step(place):
    for m in range(5):
        lines = "\n".join(f"  {10 * t} {t + 0.5 * m} 1.0" for t in range(10))
        (place / f"log.{m}").write_text(f"LAMMPS\n  Step PotEng Temp\n{lines}\nLoop time of 1 on 1 procs\n")
        table = tracks(m)
        table["frame"] *= 10
        table.to_csv(place / f"run_{m}.csv", index=False)
    log = {"log": "log.{seed}", "columns": {"PotEng": "energy"}}
    data = imported(place, observables=[log])
    for m, z in enumerate(data.observables()):
        np.testing.assert_array_equal(z[:, 0], np.arange(8) + 0.5 * m)
    assert len(data.sources[3]["files"]) == 2  # the log is a source, too
    assert "no column 'PE'" in refused(
        place, observables=[{"log": "log.{seed}", "columns": {"PE": "E"}}], splits={"b": 1}
    )


def test_one_table_of_observables_for_all_trajectories(place):
    rows = [{"seed": m, "frame": t, "E": 10.0 * m + t} for m in range(5) for t in range(8)]
    pd.DataFrame(rows).to_csv(place / "all.csv", index=False)
    of = {"csv": "all.csv", "join": "frame", "trajectory": "seed", "columns": {"E": "E"}}
    for m, z in enumerate(imported(place, observables=[of]).observables()):
        np.testing.assert_array_equal(z[:, 0], 10 * m + np.arange(8))


def test_context_of_a_table_and_of_columns_that_change_in_time(place):
    pd.DataFrame({"seed": [4, 3, 2, 1, 0], "temperature": [1.4, 1.3, 1.2, 1.1, 1.0]}).to_csv(
        place / "c.csv", index=False
    )
    context = {"table": "c.csv", "units": {"temperature": "K"}, "force": {"column": "energy", "unit": "N"}}
    data = imported(place, context=context)
    assert data.context_names == ("force", "temperature")
    assert data.layout.context_units == ("N", "K")
    np.testing.assert_array_equal(data.context(2), np.stack([tracks(2).energy[::6], np.full(8, 1.2)], axis=1))


def test_cells_of_the_specification(place):
    data = imported(place, cell=[0.0, 22.0])
    np.testing.assert_array_equal(data.arrays(0)["cell"][0], [[0, 0], [0, 22]])
    assert "cell: file" in refused(place, cell="file", splits={"b": 1.0})


def test_frames_are_chosen_and_windows_cut(place):
    data = imported(place, frames={"start": 1, "step": 2})
    assert data.times(0).tolist() == [1, 3, 5, 7]
    cut = imported(place, frames={"start": 1}, windows={"length": 3}, splits={"cut": 1.0})
    assert cut.n_trajectories == 10
    assert [cut.times(m).tolist() for m in range(2)] == [[1, 2, 3], [4, 5, 6]]
    assert cut.provenance["trajectories"]["1"] == "run_0.csv, frames 4 to 6"


def test_one_trajectory_is_split_in_time(place):
    splits = {"train": 0.5, "validation": 0.25, "held_out": 0.25}
    paths = importing.import_files(specification(files="run_1.csv", splits=splits), place / "data", place, pool=1)
    times = [TrajectoryDataset.open(path).times(0).tolist() for path in paths.values()]
    assert times == [[0, 1, 2, 3], [4, 5], [6, 7]]


def wrap(table, cell):
    """Wrap positions into a cell and write down images."""
    x = 3 * table[["x", "y"]].to_numpy()
    images = np.floor(x / cell)
    return table.assign(
        x=x[:, 0] - cell * images[:, 0], y=x[:, 1] - cell * images[:, 1], ix=images[:, 0], iy=images[:, 1]
    )


@pytest.mark.parametrize("unwrap", [True, "steps"])
def test_wrapped_positions_are_unwrapped(place, unwrap):
    true = []
    for m in range(5):
        table = tracks(m)
        true.append(3 * table[["x", "y"]].to_numpy().reshape(8, 6, 2))
        wrap(table, 2.5).to_csv(place / f"run_{m}.csv", index=False)
    data = imported(place, cell=[2.5, 2.5], unwrap=unwrap)
    assert not data.layout.has_cell
    for m in range(5):
        given = data.arrays(m)["points"]
        start = 0.0 if unwrap is True else true[m][0] - given[0]  # by steps, only the way from the start is known
        np.testing.assert_allclose(given + start, true[m], atol=1e-4)


def test_unwrapping_needs_images_or_identities(place):
    assert "no column 'ix'" in refused(place, cell=[2.5, 2.5], unwrap="images")
    assert "no identities of particles" in refused(
        place, cell=[2.5, 2.5], unwrap="steps", reader={"name": "table", "frame": "frame"}
    )


# ── what is refused ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_damaged_file_costs_its_trajectory_and_is_named(place):
    change(place, 1, lambda t: t.assign(x=[("none" if i == 20 else x) for i, x in enumerate(t.x)]))
    (place / "run_3.csv").write_text("frame,particle,x,y\n0,1,2\n0,1,2,3,4\n")
    says = refused(place)
    assert "2 of 5 trajectories could not be imported; all others are there" in says
    assert "run_1.csv, frame 3, particle 2 (line 22): 'x' is nan; expected a finite number" in says
    assert "run_3.csv cannot be read as a table" in says
    assert "line 3" in says
    data = TrajectoryDataset.open(place / "data" / "all.zarr")
    assert data.committed.tolist() == [True, False, True, False, True]
    with pytest.raises(DatasetError, match="lacks 2 of its 5 trajectories"):
        data.require_finished()
    assert sorted(data.sources) == [0, 2, 4]
    for m in (1, 3):
        tracks(m).sample(frac=1, random_state=m).to_csv(place / f"run_{m}.csv", index=False)
    assert imported(place).committed.all()  # the same call reads just these


def test_nothing_is_written_if_nothing_can_be_read(place):
    says = refused(place, features={"position": ["x", "yy"]})
    assert "run_0.csv has no column 'yy' of numbers, which the specification names. Did you mean 'y'?" in says
    assert "(4 more trajectories cannot be read, either.)" in says
    assert not (place / "data").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"species": {"from": "kind", "names": {"A": "a"}}}, "its species is 'B'; expected one of A"),
        ({"species": "sort"}, "no column 'sort' of numbers, which the reader names"),
        ({"observables": [{"column": "weight"}]}, "frame 0: 'weight' is 1 of one particle and 2 of another"),
        ({"observables": [{"column": "e"}]}, "no column 'e' of numbers"),
        ({"observables": [{"registered": "extensio"}]}, "Did you mean 'extension'?"),
        ({"observables": [{"csv": "e_{seed}.csv", "columns": {"E": "E"}}]}, "e_0.csv cannot be read: No such file"),
        ({"context": {"sed": "name"}}, "which has {seed}. Write the field into the pattern"),
        ({"context": {"table": "run_0.csv"}}, "expected one that says to which trajectory a row belongs: seed, file"),
        ({"context": {"e": {"column": "weight"}}}, "'weight' is 1 of one particle and 2 of another"),
        ({"weights": "energy"}, "its weight 'energy' is -"),
        ({"frames": {"start": 7}}, "has 8 frames, of which 1 are read; expected at least two"),
        ({"windows": {"length": 9}}, "no window of 9 frames fits into what the data set 'all' gets: 8 frames"),
    ],
)
def test_what_cannot_be_kept_is_named_with_what_to_do(place, changes, says):
    assert says in refused(place, **changes)


def test_species_must_be_said_where_there_are_several(place):
    reader = TABLE | {"species": "kind"}
    assert "run_0.csv has particles of the species A, B, and the specification does not say" in refused(
        place, reader=reader
    )
    assert imported(place, reader=reader, species="none").n_species == 1
    assert imported(place, species="kind", splits={"b": 1.0}).species_names == ("A", "B")


def test_a_row_of_observables_that_is_missing_or_says_two_things(place):
    of = {"csv": "e.csv", "columns": {"E": "E"}}
    pd.DataFrame({"time": [0, 1, 2, 4, 5, 6, 7], "E": 1.0}).to_csv(place / "e.csv", index=False)
    says = refused(place, observables=[of])
    assert "e.csv has no row of time 3, which" in says
    pd.DataFrame({"time": [0, 1, 2, 3, 3, 4, 5, 6, 7], "E": [1.0] * 4 + [2.0] * 5}).to_csv(place / "e.csv", index=False)
    assert "has 2 rows of time 3, in which 'E' is 1 and 2" in refused(place, observables=[of])
    (place / "e.csv").write_text("time,E\n" + "".join(f"{t},{'?' if t == 2 else t}\n" for t in range(8)))
    assert "e.csv, line 4: 'E' is '?'; expected a number" in refused(place, observables=[of])


def test_a_name_that_is_no_number(place):
    (place / "run_0.csv").rename(place / "run_hot.csv")
    says = refused(place, context={"seed": "name"})
    assert "the field {seed} of" in says
    assert "is 'hot'; expected a number" in says


def test_windows_that_overlap_without_a_validation_of_their_own_are_warned_of(place):
    with pytest.warns(SetclosureWarning, match="would see the same frames in both"):
        imported(place, windows={"length": 4, "stride": 2})
    change(place, 2, lambda t: t[t.frame < 3])
    with pytest.warns(SetclosureWarning, match=r"1 of 5 trajectories are shorter than a window of 4.*run_2\.csv"):
        data = imported(place, windows={"length": 4}, splits={"b": 1.0})
    assert data.n_trajectories == 8


# ── specifications ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"features": {"position": ["x"], "vectors": [["vx", "vy"]]}}, "has 2 components; the position has 1"),
        ({"features": {"position": ["x"], "vectors": [{"angle": "t"}]}}, "an angle is a vector of two components"),
        ({"features": {"position": ["x", "x"]}}, "expected one name for each"),
        ({"observables": [{"column": "a", "csv": "b"}]}, "exactly one of registered, log, csv and column"),
        ({"observables": [{"csv": "b"}]}, "columns: this key is required"),
        ({"observables": []}, "observables"),
        ({"context": {"T": {"value": 1, "from": "name"}}}, "one of value, column and from: name"),
        ({"species": {"names": {"A": "a"}}}, "'from' does not say where"),
        ({"splits": {"a": 0.5}}, "positive shares with sum one"),
        ({"splits": {"a/b": 1.0}}, "this is no name of a file"),
        ({"unwrap": True, "cell": "none"}, "unwrapping needs the cell"),
        ({"reader": {"name": "tabel"}}, "Did you mean 'table'?"),
        ({"reader": {"name": "table"}}, "the column of the frame, or of the time, is required"),
        ({"reader": {"name": "table", "frame": "f", "fraem": 1}}, "reader.fraem: unknown key; did you mean 'frame'"),
        ({"files": "a{b}{c}.csv"}, "two fields of the pattern"),
    ],
)
def test_mistakes_of_a_specification_are_named_by_key(changes, says):
    with pytest.raises(ConfigurationError) as error:
        specification(**changes)
    assert says in str(error.value)


def test_a_specification_is_stored_with_every_default_and_read_back(place):
    spec = specification(
        species={"from": "kind", "names": {1: "one"}}, context={"T": "name", "salt": 0.1}, cell=[[1, 0], [0, 1]]
    )
    stored = json.loads(json.dumps(spec.stored()))
    assert type(spec).parse(stored) == spec
    assert stored["frames"] == {"start": 0, "stop": None, "step": 1}


# ── who reads, and going on ───────────────────────────────────────────────────────────────────────────────────


def test_the_sources_are_written_down_with_their_checksums(place):
    data = imported(place)
    for m, entry in data.sources.items():
        path = place / f"run_{m}.csv"
        (file,) = entry["files"]
        assert (file["path"], file["size"]) == (str(path.resolve()), path.stat().st_size)
        assert file["sha256"] == sha256(path.read_bytes())
        assert entry["source"] == f"run_{m}.csv"
    assert data.blocks(4).sources[3]["source"] == data.sources[1]["source"]


def test_any_executor_reads_the_same(place):
    data = imported(place)
    with ThreadPoolExecutor(3) as executor:
        path = importing.import_dataset(specification(), place / "b.zarr", place, pool=Pool(executor, 3))
    assert TrajectoryDataset.open(path).fingerprint == data.fingerprint


@pytest.mark.slow
def test_processes_and_dask_read_the_same(place):
    from distributed import Client, LocalCluster

    data = imported(place)
    path = importing.import_dataset(specification(), place / "b.zarr", place, pool=2)
    assert TrajectoryDataset.open(path).fingerprint == data.fingerprint
    with LocalCluster(1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        pool = Pool(client.get_executor(pure=False), 2)
        path = importing.import_dataset(specification(), place / "c.zarr", place, pool=pool)
    assert TrajectoryDataset.open(path).fingerprint == data.fingerprint


def test_an_import_that_stopped_reads_only_what_is_missing(place, monkeypatch):
    expected = TrajectoryDataset.open(importing.import_dataset(specification(), place / "e.zarr", place, pool=1))
    read, seen = work.read, []

    def stops(order, source, frames):
        if len(seen) == 3:
            raise LostWorkerError("the power went")
        seen.append(source.path.name)
        return read(order, source, frames)

    monkeypatch.setattr(importing, "read", stops)
    with pytest.raises(LostWorkerError):
        imported(place)
    assert TrajectoryDataset.open(place / "data" / "all.zarr").committed.sum() == 3
    (place / "data" / "all.zarr" / "sources.jsonl").open("a").write('{"trajectory": 3, "sou')  # a torn line
    seen.clear()
    data = imported(place)
    assert seen == ["run_3.csv", "run_4.csv"]
    assert data.fingerprint == expected.fingerprint
    assert len((place / "data" / "all.zarr" / "sources.jsonl").read_text().splitlines()) == 5


def test_another_import_is_refused_with_the_difference(place):
    imported(place)
    with pytest.raises(DatasetError, match=r"specification\.weights: was None, is now 'weight'"):
        imported(place, weights="weight")
    tracks(9).to_csv(place / "run_9.csv", index=False)
    with pytest.raises(
        DatasetError, match=r"was '5 in all; number 5 is not there', is now '6 in all; number 5 is run_9"
    ):
        imported(place)


def test_a_file_that_changed_since_it_was_imported_is_refused(place):
    imported(place)
    path = place / "run_2.csv"
    path.touch()
    assert imported(place).committed.all()  # only its time
    path.write_text(path.read_text().replace("0.", "1.", 1))
    with pytest.raises(DatasetError, match=r"run_2\.csv has changed since trajectory 2"):
        imported(place)


def test_a_data_set_into_which_nothing_was_read_gives_way_to_another_specification(place):
    refused(place, observables=[{"column": "weight"}])
    assert imported(place).committed.all()


def test_arrays_that_were_not_imported_are_not_touched(place):
    other = np.random.default_rng(0).normal(size=(2, 3, 4, 2))
    TrajectoryDataset.from_arrays(place / "data" / "all.zarr", other, "extension", times=range(3))
    with pytest.raises(DatasetError, match="holds other data"):
        imported(place)


def test_observables_of_a_plugin_are_computed_elsewhere_too(place, monkeypatch):
    known = {name: registry.find("observable", name) for name in registry.names("observable")}
    monkeypatch.setitem(registry._PARTS, "observable", known)
    monkeypatch.setattr(registry, "_PLUGINS", {})
    (place / "mine.py").write_text(
        "import setclosure\n@setclosure.register('observable', 'rightmost_of_tracks')\n"
        "def rightmost_of_tracks(batch):\n    return batch.points[..., 0].amax(dim=1)\n"
    )
    setclosure.load_plugin(place / "mine.py")
    data = imported(place, observables=[{"registered": "rightmost_of_tracks"}])
    order = work.ImportOrder(json.dumps(specification().stored()), str(place), tuple(registry.plugins()))
    assert any("rightmost_of_tracks" in plugin.text for plugin in order.plugins)
    np.testing.assert_allclose(data.observables()[0][:, 0], tracks(0).groupby("frame").x.max(), rtol=1e-6)


# ── dumps of LAMMPS ───────────────────────────────────────────────────────────────────────────────────────────

DUMP = """ITEM: TIMESTEP
{step}
ITEM: NUMBER OF ATOMS
6
ITEM: BOX BOUNDS pp pp ff
0 2.5
0 2.5
-1 1
ITEM: ATOMS id type x y z ix iy iz
{rows}
"""


def dump(path, m):
    """Write a wrapped dump with unsorted particles, and give the positions before the wrapping."""
    rng = np.random.default_rng(m)
    table = wrap(tracks(m), 2.5)
    text = []
    for t, of_t in table.groupby("frame"):
        order = rng.permutation(6)
        rows = [
            f"{i + 1} {1 + i % 2} {r.x:.9f} {r.y:.9f} 0 {r.ix:.0f} {r.iy:.0f} 0"
            for i, r in ((i, of_t.iloc[i]) for i in order)
        ]
        text.append(DUMP.format(step=100 * t, rows="\n".join(rows)))
    path.write_text("".join(text))
    return 3 * tracks(m)[["x", "y"]].to_numpy().reshape(8, 6, 2)


@pytest.mark.parametrize("unwrap", [False, "images", "steps"])
def test_wrapped_dumps_keep_cell_species_and_identities(tmp_path, unwrap):
    pytest.importorskip("MDAnalysis")
    true = [dump(tmp_path / f"run_{m}.lammpstrj", m) for m in range(3)]
    data = imported(
        tmp_path,
        files="run_{seed}.lammpstrj",
        reader={"name": "mdanalysis", "time_step": 0.01},
        species={"from": "type", "names": {2: "B", 1: "A"}},
        observables=[{"registered": "mixing_ratio(radius=1.0)"}],
        unwrap=unwrap,
    )
    assert data.species_names == ("B", "A")
    assert data.layout.has_cell == (unwrap is False)
    assert not data.layout.ragged
    np.testing.assert_allclose(data.times(1), np.arange(8))
    for m in range(3):
        arrays = data.arrays(m)
        assert arrays["species"].tolist() == [[1, 0, 1, 0, 1, 0]] * 8
        if unwrap is False:
            assert arrays["cell"].tolist() == [[[2.5, 0], [0, 2.5]]] * 8
            np.testing.assert_allclose(arrays["points"], true[m] % 2.5, atol=1e-5)
        else:
            start = true[m][0] - arrays["points"][0] if unwrap == "steps" else 0.0
            np.testing.assert_allclose(arrays["points"] + start, true[m], atol=1e-5)


def test_a_topology_is_a_source_of_every_trajectory(tmp_path):
    pytest.importorskip("MDAnalysis")
    for m in range(2):
        write_with_mdanalysis(tmp_path / f"run_{m}.xtc", "XTC")
    write_with_mdanalysis(tmp_path / "top.pdb", "PDB")
    changes = {
        "files": "run_{seed}.xtc",
        "reader": {"name": "mdanalysis", "topology": "top.pdb", "select": "name O H1"},
        "features": {"position": ["x", "y", "z"]},
        "species": {"from": "name"},
        "observables": [{"registered": "mixing_ratio(radius=0.5)"}],
    }
    data = imported(tmp_path, **changes)
    for m, entry in data.sources.items():
        assert [Path(file["path"]).name for file in entry["files"]] == [f"run_{m}.xtc", "top.pdb"]
    (tmp_path / "top.pdb").write_bytes((tmp_path / "top.pdb").read_bytes() + b"REMARK\n")
    with pytest.raises(DatasetError, match=r"top\.pdb has changed since trajectory 0"):
        imported(tmp_path, **changes)


def test_coordinates_that_single_precision_keeps_coarsely_are_warned_of(place):
    for m in range(5):
        table = tracks(m)
        table["x"] += 1e8
        table.to_csv(place / f"run_{m}.csv", index=False)
    with pytest.warns(SetclosureWarning, match=r"all: feature 0 \('x'\) of the particles reaches 1e\+08.*subtract"):
        imported(place)


def test_a_feature_that_is_the_same_for_all_is_no_matter_of_rounding(place, recwarn):
    for m in range(5):
        tracks(m).assign(dye=0.1).to_csv(place / f"run_{m}.csv", index=False)
    imported(place, features={"position": ["x", "y"], "scalars": ["dye"]})
    assert not [w for w in recwarn if issubclass(w.category, SetclosureWarning)]
