from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import zarr.storage

import setclosure.trajectories.chunks as file_plan
from setclosure.errors import DatasetError, SetclosureWarning, StorageError
from setclosure.paper.simulators.interacting_particles import InteractingParticles
from setclosure.simulate.campaign import simulate_dataset
from setclosure.trajectories.dataset import TrajectoryDataset

SMALL = InteractingParticles(n_particles=12, n_frames=5)
CAMPAIGN = """
import sys
from setclosure.simulate.campaign import simulate_dataset
from setclosure.paper.simulators.interacting_particles import InteractingParticles
system = InteractingParticles(n_particles=100, n_frames=31)
simulate_dataset(sys.argv[1], system, 40, 3, "train", workers=2, progress=lambda n: print(n, flush=True))
"""


def chunks(path):
    """Every byte of the trajectories, by file."""
    return {
        str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file() and "/c/" in str(f)
    }


def test_the_number_of_workers_changes_no_byte(tmp_path):
    made = [simulate_dataset(tmp_path / f"{w}.zarr", SMALL, 9, 5, "train", workers=w) for w in (1, 2, 5)]
    first, *others = [chunks(data.path) for data in made]
    assert len(first) == 5  # points, observables, times, lengths and digests of all nine
    assert all(other == first for other in others)
    assert len({data.fingerprint for data in made}) == 1


def test_trajectory_seed_and_split_choose_the_numbers(tmp_path):
    base = simulate_dataset(tmp_path / "a.zarr", SMALL, 3, 0, "train")
    more = simulate_dataset(tmp_path / "b.zarr", SMALL, 5, 0, "train")
    seed = simulate_dataset(tmp_path / "c.zarr", SMALL, 3, 1, "train")
    split = simulate_dataset(tmp_path / "d.zarr", SMALL, 3, 0, "validation")
    assert np.array_equal(base.observables(), more.observables(np.arange(3)))
    energies = [np.stack(e.observables())[:, 0, 0] for e in (base, seed, split)]
    assert len(np.unique(np.concatenate(energies))) == 9


def test_a_finished_campaign_does_nothing_and_reports_it(tmp_path):
    simulate_dataset(tmp_path / "a.zarr", SMALL, 4, 0, "train")
    stamps = {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*") if f.is_file()}
    reports = []
    simulate_dataset(tmp_path / "a.zarr", SMALL, 4, 0, "train", progress=reports.append)
    assert reports == [4]
    assert {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*") if f.is_file()} == stamps


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_bytes_of_an_undisturbed_run(tmp_path):
    command = [sys.executable, "-c", CAMPAIGN]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    whole, killed = tmp_path / "whole.zarr", tmp_path / "killed.zarr"
    subprocess.run([*command, str(whole)], check=True, env=environment, stdout=subprocess.DEVNULL)
    rng = np.random.default_rng(0)
    kills = 0
    for _ in range(3):
        process = subprocess.Popen([*command, str(killed)], stdout=subprocess.PIPE, text=True, env=environment)
        lines = iter(process.stdout.readline, "")
        start = int(next(lines))
        for line in lines:
            if int(line) >= start + rng.integers(2, 9):
                time.sleep(rng.uniform(0, 0.02))
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        kills += 0 < TrajectoryDataset.open(killed).committed.sum() < 40
    assert kills >= 2  # otherwise nothing was tested
    subprocess.run([*command, str(killed)], check=True, env=environment, stdout=subprocess.DEVNULL)
    assert chunks(killed) == chunks(whole)
    assert not list(killed.rglob("*.partial"))


class Interrupted(InteractingParticles):
    """Is stopped by Ctrl-C in its fourth trajectory; as a subclass it has the same configuration."""

    def simulate(self, rng):
        Interrupted.calls += 1
        if Interrupted.calls == 4:
            raise KeyboardInterrupt
        return super().simulate(rng)


Interrupted.calls = 0
Interrupted.__name__ = "InteractingParticles"


def test_ctrl_c_leaves_a_data_set_that_can_be_completed(tmp_path):
    path = tmp_path / "a.zarr"
    with pytest.raises(KeyboardInterrupt):
        simulate_dataset(path, Interrupted(n_particles=12, n_frames=5), 10, 0, "train", workers=1)
    assert 3 <= TrajectoryDataset.open(path).committed.sum() < 10
    completed = simulate_dataset(path, SMALL, 10, 0, "train")
    assert completed.committed.all()
    assert completed.fingerprint == simulate_dataset(tmp_path / "b.zarr", SMALL, 10, 0, "train").fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"simulator": InteractingParticles(n_particles=13, n_frames=5)},
            "configuration.n_particles: was 12, is now 13",
        ),
        ({"seed": 1}, "seed: was 0, is now 1"),
        ({"split": "in_dst"}, "split: was 'train', is now 'in_dst'"),
        ({"n_trajectories": 4}, "trajectories: was 2, is now 4"),
    ],
)
def test_another_simulation_is_refused_with_the_difference(tmp_path, change, message):
    arguments = {"simulator": SMALL, "n_trajectories": 2, "seed": 0, "split": "train"}
    before = simulate_dataset(tmp_path / "a.zarr", **arguments).fingerprint
    with pytest.raises(DatasetError, match=message.replace(".", r"\.")):
        simulate_dataset(tmp_path / "a.zarr", **(arguments | change))
    assert TrajectoryDataset.open(tmp_path / "a.zarr").fingerprint == before


def test_damaged_trajectories_are_redone(tmp_path, monkeypatch):
    monkeypatch.setattr(file_plan, "SHARD_BYTES", 1)  # each trajectory has files of its own
    path = tmp_path / "a.zarr"
    before = simulate_dataset(path, SMALL, 4, 0, "train")
    content, fingerprint = chunks(path), before.fingerprint
    (path / "points/c/2/0/0/0").write_bytes(b"")
    (path / "digest/c/1/0").write_bytes(b"abc")
    with pytest.warns(SetclosureWarning, match="2 of 4 trajectories are damaged.*: 1, 2"):
        assert TrajectoryDataset.open(path).usable.tolist() == [0, 3]
    reports = []
    again = simulate_dataset(path, SMALL, 4, 0, "train", progress=reports.append)
    assert reports == [2, 3, 4]
    assert again.verify() == []
    assert chunks(path) == content
    assert TrajectoryDataset.open(path).fingerprint == fingerprint


def test_all_trajectories_of_a_damaged_file_are_redone(tmp_path):
    path = tmp_path / "a.zarr"
    fingerprint = simulate_dataset(path, SMALL, 5, 0, "train").fingerprint
    content = chunks(path)
    (path / "points/c/0/0/0/0").write_bytes(b"no shard of Zarr")
    assert TrajectoryDataset.open(path).verify() == [0, 1, 2, 3, 4]
    assert simulate_dataset(path, SMALL, 5, 0, "train").fingerprint == fingerprint
    assert TrajectoryDataset.open(path).verify() == []
    assert chunks(path) == content


@pytest.mark.parametrize("moment", ["a trajectory is written", "files are packed"])
def test_a_full_disk_is_named_and_what_was_finished_stays(tmp_path, monkeypatch, moment):
    put, replace, written = zarr.storage._local._put, os.replace, []

    def full_replace(source, target):
        if "pending" in str(target):
            written.append(target)
            if len(written) > 3 and moment == "a trajectory is written":
                raise OSError(28, "No space left on device")
        return replace(source, target)

    def full_put(path, value, *arguments, **options):
        if "/points/c/" in str(path) and moment == "files are packed":
            raise OSError(28, "No space left on device")
        return put(path, value, *arguments, **options)

    path = tmp_path / "a.zarr"
    with monkeypatch.context() as context:
        context.setattr(os, "replace", full_replace)
        context.setattr(zarr.storage._local, "_put", full_put)
        with pytest.raises(StorageError, match="is full"):
            simulate_dataset(path, SMALL, 8, 0, "train", workers=1)
    done = 3 if moment == "a trajectory is written" else 8
    assert TrajectoryDataset.open(path).usable.tolist() == list(range(done))
    whole = simulate_dataset(tmp_path / "b.zarr", SMALL, 8, 0, "train")
    assert simulate_dataset(path, SMALL, 8, 0, "train").fingerprint == whole.fingerprint
    assert chunks(path) == chunks(whole.path)
