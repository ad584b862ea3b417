"""Files of a data set: few, never half-written, read by chunks, and their damage is named and mended."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import zarr
from tests.trajectories.small import numbered, small
from zarr.storage import LocalStore

from setclosure.errors import DamagedFileError, DatasetError, SchemaVersionError, SetclosureWarning, StorageError
from setclosure.trajectories import chunks
from setclosure.trajectories.batching import MicrostateSource
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory


@pytest.fixture
def small_files(monkeypatch):
    """Chunks of 256 bytes and files of 1,024, so that small data sets have several of both."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 256)
    monkeypatch.setattr(chunks, "SHARD_BYTES", 1024)


def committed(path, M, order=None, **options):
    data, trajectories = numbered(path, M, **options)
    for m in order if order is not None else range(M):
        data.commit(m, trajectories[m])
    return data, trajectories


def files_of(path):
    """Every byte of the trajectories, by file."""
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file() and "/c/" in str(f)}


# ── files and chunks ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_ten_thousand_tiny_trajectories_are_few_files_and_all_come_back(tmp_path):
    M = 10_000
    data, _ = numbered(tmp_path / "a.zarr", M)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(M, 4, 3, 2)).astype(np.float32)
    for m in range(M):
        data.commit(m, Trajectory(points[m], np.full((4, 1), m), np.arange(4)))
    assert sum(f.is_file() for f in data.path.rglob("*")) < 1000
    opened = TrajectoryDataset.open(data.path)
    assert len(opened.usable) == M
    assert [z[0, 0] for z in opened.observables()] == list(range(M))
    chosen = rng.integers(M, size=50)
    assert np.array_equal(opened.first(chosen).points, points[chosen, 0])


@pytest.mark.parametrize(("lengths", "M"), [((4,), 13), ((3, 7), 9), ((40,), 3)])
def test_shards_of_any_number_of_trajectories_come_back(tmp_path, small_files, lengths, M):
    """Several trajectories a chunk, several chunks a trajectory, a last file that is not full."""
    data, trajectories = committed(tmp_path / "a.zarr", M, lengths=lengths)
    assert not list((data.path / "pending").iterdir())
    opened = TrajectoryDataset.open(data.path)
    assert opened.fingerprint == data.fingerprint
    assert opened.verify() == []
    held = MicrostateSource(opened, 1 << 30)
    for m in range(M):
        x = trajectories[m].points.astype(np.float32)
        assert np.array_equal(opened.trajectory(m).points, x)
        assert np.array_equal(held.batch(np.full(len(x), m), np.arange(len(x))).points, x)
        some = np.array([len(x) - 1, 0, len(x) - 1])
        assert np.array_equal(opened.microstates([m], some).points, x[some])


def test_a_frame_is_read_without_its_trajectory(tmp_path, monkeypatch):
    """One long trajectory of large frames; every byte that Zarr reads from a file is counted."""
    T, N = 120, 4000
    points = np.random.default_rng(0).normal(size=(T, N, 2)).astype(np.float32)
    layout = Layout("long", 2, T, N, "given", ("e",))
    TrajectoryDataset.create(tmp_path / "a.zarr", layout, 1).commit(0, Trajectory(points, np.zeros((T, 1)), range(T)))
    data = TrajectoryDataset.open(tmp_path / "a.zarr")
    read, get = [], LocalStore.get

    async def counted(self, *arguments, **options):
        value = await get(self, *arguments, **options)
        read.append(0 if value is None else len(value))
        return value

    monkeypatch.setattr(LocalStore, "get", counted)
    frame = N * 2 * 4
    for frames in ([60], [3, 60, 117]):
        read.clear()
        assert np.array_equal(data.microstates([0], frames).points, points[frames])
        n_chunks = len({f * frame // chunks.CHUNK_BYTES for f in frames})
        index = 64 * len(frames) * T  # of the shard: where each chunk is
        assert 0 < sum(read) <= n_chunks * chunks.CHUNK_BYTES + index
        assert sum(read) < 0.4 * points.nbytes


# ── several writers, and killed ones ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", [range(7), range(6, -1, -1), (3, 0, 6, 2, 5, 1, 4)])
def test_the_order_of_commits_changes_no_byte(tmp_path, small_files, order):
    first, _ = committed(tmp_path / "a.zarr", 7)
    other, _ = committed(tmp_path / "deep" / "b.zarr", 7, order)
    assert files_of(other.path) == files_of(first.path)
    assert other.fingerprint == first.fingerprint == TrajectoryDataset.open(other.path).fingerprint


def test_two_writers_who_do_not_know_of_each_other_fill_one_data_set(tmp_path):
    """Each opened the data set when it was empty; who writes the last trajectory of a file packs it."""
    whole, trajectories = committed(tmp_path / "whole.zarr", 6)
    data, _ = numbered(tmp_path / "a.zarr", 6)
    one, two = TrajectoryDataset.open(data.path), TrajectoryDataset.open(data.path)
    for m in (0, 2, 4):
        one.commit(m, trajectories[m])
    for m in (1, 3, 5):
        assert list((data.path / "pending").iterdir())
        two.commit(m, trajectories[m])
    assert not list((data.path / "pending").iterdir())
    assert np.array_equal(one.trajectory(2).points, whole.trajectory(2).points)  # packed by the other
    assert TrajectoryDataset.open(data.path).fingerprint == whole.fingerprint


def _write_some(path, indices, M):
    data = TrajectoryDataset.open(path)
    _, trajectories = numbered(path.with_name(f"{os.getpid()}.zarr"), M)
    for m in indices:
        data.commit(m, trajectories[m])


@pytest.mark.slow
def test_processes_commit_different_trajectories_at_once(tmp_path):
    M = 24
    whole, _ = committed(tmp_path / "whole.zarr", M)
    data, _ = numbered(tmp_path / "a.zarr", M)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_write_some, args=(data.path, range(k, M, 3), M)) for k in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    opened = TrajectoryDataset.open(data.path)
    assert opened.usable.tolist() == list(range(M))
    assert opened.fingerprint == whole.fingerprint
    assert not list((data.path / "pending").iterdir())


WRITER = """
import sys, numpy as np
from pathlib import Path
from setclosure.trajectories import chunks
chunks.CHUNK_BYTES, chunks.SHARD_BYTES = 2**11, 2**14
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory
path, M = Path(sys.argv[1]), 60
layout = Layout("killed", 2, 9, 20, "given", ("m",))
data = TrajectoryDataset.open(path) if path.exists() else TrajectoryDataset.create(path, layout, M)
data.clear_leftovers()
todo = np.setdiff1d(np.arange(M), data.usable)
print(M - len(todo), flush=True)
for m in todo:
    rng = np.random.default_rng(m)
    data.commit(int(m), Trajectory(rng.normal(size=(9, 20, 2)), np.full((9, 1), m), np.arange(9)))
    print(m, flush=True)
"""


@pytest.mark.slow
def test_killed_while_committing_nothing_committed_is_lost_or_half_written(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WRITER]
    subprocess.run([*command, str(tmp_path / "whole.zarr")], check=True, env=environment, stdout=subprocess.DEVNULL)
    path, rng, said, kills = tmp_path / "killed.zarr", np.random.default_rng(0), set(), 0
    for _ in range(4):
        process = subprocess.Popen([*command, str(path)], stdout=subprocess.PIPE, text=True, env=environment)
        lines = iter(process.stdout.readline, "")
        next(lines)
        wanted = rng.integers(3, 14)
        for n, line in enumerate(lines, 1):
            said.add(int(line))
            if n >= wanted:
                time.sleep(rng.uniform(0, 0.02))
                break
        process.send_signal(signal.SIGKILL)
        said |= {int(line) for line in lines if line.endswith("\n")}
        process.wait()
        process.stdout.close()
        data = TrajectoryDataset.open(path)
        assert data.verify() == []
        assert said <= set(data.usable.tolist())
        assert all((data.observables([m])[0] == m).all() for m in data.usable)
        kills += not data.committed.all()
    assert kills >= 3  # otherwise nothing was tested
    subprocess.run([*command, str(path)], check=True, env=environment, stdout=subprocess.DEVNULL)
    whole = TrajectoryDataset.open(tmp_path / "whole.zarr")
    assert TrajectoryDataset.open(path).fingerprint == whole.fingerprint
    assert files_of(path) == files_of(whole.path)
    assert not [f for f in path.rglob("*") if f.suffix in (".tmp", ".partial")]


@pytest.mark.parametrize("written", range(7))
def test_a_writer_that_stops_while_it_packs_has_lost_nothing(tmp_path, monkeypatch, written):
    """After any of the five arrays of a file, and while the trajectories' own files are removed."""
    whole, trajectories = committed(tmp_path / "whole.zarr", 3)
    data, _ = numbered(tmp_path / "a.zarr", 3)
    store, calls = type(data._store), []

    def stopping(name):
        real = getattr(store, name)

        def call(self, *arguments):
            calls.append(name)
            if len(calls) > written:
                raise KeyboardInterrupt
            return real(self, *arguments)

        return call

    for m in (0, 1):
        data.commit(m, trajectories[m])
    with monkeypatch.context() as context:
        context.setattr(store, "_write", stopping("_write"))
        context.setattr(store, "_flush", stopping("_flush"))
        if written < 6:
            with pytest.raises(KeyboardInterrupt):
                data.commit(2, trajectories[2])
        else:
            data.commit(2, trajectories[2])
    opened = TrajectoryDataset.open(data.path)
    assert opened.usable.tolist() == [0, 1, 2]
    assert opened.fingerprint == whole.fingerprint
    for m in range(3):
        assert np.array_equal(opened.trajectory(m).points, whole.trajectory(m).points)
    opened.clear_leftovers()
    assert not list((data.path / "pending").iterdir())
    assert files_of(data.path) == files_of(whole.path)
    assert opened.verify() == []


def test_killed_while_it_is_made_it_can_be_made_again(tmp_path, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr(zarr.Group, "create_array", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            numbered(tmp_path / "a.zarr", 3)
    assert not (tmp_path / "a.zarr").exists()
    committed(tmp_path / "a.zarr", 3)
    assert [f.name for f in tmp_path.iterdir()] == ["a.zarr"]


def test_a_full_disk_is_named_and_what_was_committed_stays(tmp_path, monkeypatch):
    data, trajectories = committed(tmp_path / "a.zarr", 4, (0, 1))

    def full(*_):
        raise OSError(28, "No space left on device")

    for name in ("fsync", "replace"):  # while its own file is written, and while files are packed
        with monkeypatch.context() as context:
            context.setattr(os, name, full)
            with pytest.raises(StorageError, match="is full"):
                data.commit(2, trajectories[2])
    assert TrajectoryDataset.open(data.path).usable.tolist() == [0, 1]
    for m in (2, 3):
        data.commit(m, trajectories[m])
    assert TrajectoryDataset.open(data.path).usable.tolist() == [0, 1, 2, 3]


# ── damage ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def bit_flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


DAMAGES = {"bit flipped": bit_flipped, "cut": lambda c: c[: len(c) // 2], "emptied": lambda c: b"", "removed": None}


def harm(file, damage):
    change = DAMAGES[damage]
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))


@pytest.mark.parametrize(
    ("array", "damage"),
    [
        (array, damage)
        for array in ("points/c/1/0/0/0", "observables/c/1/0/0", "times/c/1/0", "length/c/1", "digest/c/1/0")
        for damage in DAMAGES
        # a trajectory without a digest is unfinished, not damaged
        if (array, damage) != ("digest/c/1/0", "removed")
    ],
)
def test_damage_of_a_file_names_its_trajectories_keeps_the_rest_and_is_mended(tmp_path, small_files, array, damage):
    """The second of three files, and the last one, which is not full."""
    data, trajectories = committed(tmp_path / "a.zarr", 11, lengths=(3, 4))
    k, before, fingerprint = data._store.shard, files_of(data.path), data.fingerprint
    assert k == 4
    for file in (1, 2):
        rows = list(range(file * k, min((file + 1) * k, 11)))
        harm(data.path / array.replace("/c/1", f"/c/{file}"), damage)
        opened = TrajectoryDataset.open(data.path)
        damaged = opened.verify()
        assert damaged
        assert set(damaged) <= set(rows)
        if damage != "bit flipped":  # a length that is lost is taken to be the longest, and the checksum tells
            assert damaged == (rows[::2] if array.startswith("length") else rows)
        with pytest.warns(SetclosureWarning, match=rf"{len(damaged)} of 11 trajectories are damaged.*: {damaged[0]}"):
            source = MicrostateSource(opened, 1 << 30)
        kept = np.setdiff1d(np.arange(11), damaged)
        x = source.batch(kept, np.full(len(kept), 2)).points
        assert np.array_equal(x, np.stack([trajectories[m].points[2] for m in kept]).astype(np.float32))
        assert len(opened.observables()) == len(kept)
        assert opened.time_step == 1.0
        assert len(opened.transitions(opened.usable)) == opened.lengths[kept].sum() - len(kept)
        for m in damaged:
            opened.commit(m, trajectories[m])
        assert opened.verify() == []
        again = TrajectoryDataset.open(data.path)
        assert again.usable.tolist() == list(range(11))
        assert again.fingerprint == fingerprint
        assert files_of(data.path) == before


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d != "removed"])
def test_damage_of_a_trajectorys_own_file_is_named_and_mended(tmp_path, damage):
    data, trajectories = committed(tmp_path / "a.zarr", 5, (0, 1, 3))
    harm(data.path / "pending" / "000001.safetensors", damage)
    opened = TrajectoryDataset.open(data.path)
    assert opened.verify() == [1]
    assert opened.committed.tolist() == [True, True, False, True, False]
    with pytest.warns(SetclosureWarning, match=r"1 of 5 trajectories are damaged.*: 1\."):
        assert opened.usable.tolist() == [0, 3]
    assert opened.time_step == 1.0
    for m in (2, 4):
        opened.commit(m, trajectories[m])
    assert len(list((data.path / "pending").iterdir())) == 5  # not packed with a damaged one among them
    opened.commit(1, trajectories[1])
    assert not list((data.path / "pending").iterdir())
    whole, _ = committed(tmp_path / "whole.zarr", 5)
    assert TrajectoryDataset.open(data.path).fingerprint == whole.fingerprint
    assert files_of(data.path) == files_of(whole.path)


def test_reading_what_cannot_be_decoded_is_a_named_error(tmp_path):
    _, data = small(tmp_path / "a.zarr", N=50)
    file = data.path / "points/c/0/0/0/0"
    file.write_bytes(file.read_bytes()[:20])
    for use in (data.trajectory, lambda m: data.microstates([m], [0, 2]), data.arrays):
        with pytest.raises(DamagedFileError, match="'points' of trajectory 1 cannot be read"):
            use(1)


def edit(path, change):
    file = path / "zarr.json"
    value = json.loads(file.read_text())
    change(value["attributes"]["setclosure"])
    file.write_text(json.dumps(value))


def test_other_schemas_and_damaged_descriptions_are_named(tmp_path):
    _, made = small(tmp_path / "a.zarr")
    assert made.schema == 3
    for number, (change, error) in enumerate(
        [
            (lambda facts: facts.update(schema=4), SchemaVersionError),
            (lambda facts: facts.update(schema="x"), SchemaVersionError),
            (lambda facts: facts.pop("schema"), DatasetError),
            (lambda facts: facts.pop("layout"), DamagedFileError),
            (lambda facts: facts["layout"].update(max_particles=6), DamagedFileError),
            (lambda facts: facts.update(n_trajectories=5), DamagedFileError),
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


def test_a_data_set_of_schema_2_is_refused_with_how_to_make_it_again(tmp_path):
    facts = {"schema": 2, "provenance": {"setclosure": "0.1.0"}, "n_trajectories": 1, "layout": {}}
    zarr.create_group(tmp_path / "old.zarr", attributes={"setclosure": facts})
    message = (
        "has schema 2; this version of setclosure reads 3. Make the data again: 'setclosure simulate'.*from_arrays"
    )
    with pytest.raises(SchemaVersionError, match=message):
        TrajectoryDataset.open(tmp_path / "old.zarr")


def test_wrong_places_are_named(tmp_path):
    with pytest.raises(DatasetError, match="there is no data set"):
        TrajectoryDataset.open(tmp_path / "none.zarr")
    with pytest.raises(DatasetError, match="not a data set"):
        TrajectoryDataset.open(tmp_path)
    (tmp_path / "file.zarr").write_text("")
    with pytest.raises(DatasetError, match="not a data set"):
        TrajectoryDataset.open(tmp_path / "file.zarr")
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(DatasetError, match="not a data set that setclosure wrote"):
        TrajectoryDataset.open(tmp_path / "other.zarr")
    small(tmp_path / "a.zarr")
    with pytest.raises(DatasetError, match="exists already"):
        small(tmp_path / "a.zarr")
    with pytest.raises(StorageError, match="cannot be made"):
        small(tmp_path / "file.zarr" / "b.zarr")
    with pytest.raises(DatasetError, match="at least one trajectory; got 0"):
        numbered(tmp_path / "b.zarr", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs users and rights of Unix")
def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    layout = Layout("x", 1, 2, 2, "extension", ("extension",))
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
