"""A small dataset of the published schema stands for the published one."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest

from setclosure.errors import DatasetError, MicrostateError, MissingExtraError
from setclosure.paper import published_polymers
from setclosure.paper.images.pixel_sets import images_of
from setclosure.paper.images.render import render
from setclosure.paper.published_polymers import DATASET, SPLITS, read_polymers
from setclosure.trajectories.dataset import TrajectoryDataset

T, N = 6, 5
TIMES = np.arange(T) * 10.0


def chains(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, T, N, 3)) * 10


def columns(beads, times=TIMES):
    """The columns of a split: x holds x, y, z of one bead after the other."""
    flat = beads.reshape(len(beads), T, 3 * N)
    return {
        "t": [times[:, None].tolist()] * len(beads),
        "x": [frames.tolist() for frames in flat],
        "args": [[1.0]] * len(beads),
    }


@pytest.fixture
def saved(tmp_path):
    """Save a dataset with some splits, and give its folder."""
    datasets = pytest.importorskip("datasets")

    def save(**splits):
        made = datasets.DatasetDict({name: datasets.Dataset.from_dict(values) for name, values in splits.items()})
        made.save_to_disk(tmp_path / "published")
        return tmp_path / "published"

    return save


def test_beads_of_every_split_come_as_they_are(tmp_path, saved):
    beads = {name: chains(2 + k, k) for k, name in enumerate(SPLITS.values())}
    source = saved(**{name: columns(x) for name, x in beads.items()})
    for split, name in SPLITS.items():
        made = read_polymers(tmp_path / f"{split}.zarr", split, source=source)
        data = TrajectoryDataset.open(made.path)
        back = np.stack([data.trajectory(m).points.numpy() for m in range(len(beads[name]))])
        assert np.allclose(back, beads[name], rtol=1e-6)
        assert np.allclose(np.stack(data.observables())[..., 0], np.ptp(beads[name][..., 0], axis=2), rtol=1e-5)
        assert np.array_equal(data.times(0), TIMES)
        assert data.provenance["split"] == name


def test_images_are_those_of_the_beads(tmp_path, saved):
    beads, done = chains(3), []
    options = {"source": saved(train=columns(beads)), "n_trajectories": 2, "progress": lambda *now: done.append(now)}
    data = read_polymers(tmp_path / "train.zarr", "train", images=True, **options)
    assert data.n_trajectories == 2
    assert done == [(1, 2), (2, 2)]
    batch = data.trajectory(1)
    restored = images_of(batch.points.numpy(), batch.counts.numpy(), 100, 500)
    assert np.array_equal(restored, render(beads[1]))


def test_a_copy_of_the_files_is_read_like_a_saved_dataset(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    beads, folder = chains(2), tmp_path / "copy"
    folder.mkdir()
    datasets.Dataset.from_dict(columns(beads)).to_parquet(folder / "train-00000-of-00001.parquet")
    real = datasets.load_dataset
    monkeypatch.setattr(datasets, "load_dataset", lambda name: real(name, cache_dir=str(tmp_path / "cache")))
    data = read_polymers(tmp_path / "train.zarr", "train", source=folder)
    assert np.allclose(data.trajectory(1).points, beads[1], rtol=1e-6)


def test_what_was_not_finished_goes_on(tmp_path, saved, monkeypatch):
    beads = chains(4)
    source = saved(train=columns(beads))

    def stop(done, of):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_polymers(tmp_path / "train.zarr", "train", source=source, progress=stop)
    made = []
    real = published_polymers.bead_trajectory
    monkeypatch.setattr(published_polymers, "bead_trajectory", lambda x, t: made.append(1) or real(x, t))
    data = read_polymers(tmp_path / "train.zarr", "train", source=source)
    assert len(made) == 2
    assert data.usable.tolist() == [0, 1, 2, 3]
    with pytest.raises(
        DatasetError,
        match=r"polymers, and what is wanted now differs.*\n(.*\n)*  layout.max_particles: was 5, is now",
    ):
        read_polymers(tmp_path / "train.zarr", "train", images=True, source=source)


@pytest.mark.parametrize("start", [0.0, 1e4])
def test_times_in_single_precision_are_equal_steps(tmp_path, saved, start):
    times = np.float32(start) + np.arange(T, dtype=np.float32) * np.float32(0.1)
    assert len(set(np.diff(times.astype(float)))) > 1
    data = read_polymers(tmp_path / "a.zarr", "train", source=saved(train=columns(chains(1), times.astype(float))))
    assert np.array_equal(data.times(0), times)
    assert data.transitions([0]).ratio.tolist() == [1.0] * (T - 1)


def test_trajectories_keep_their_own_times(tmp_path, saved):
    source = saved(train=columns(chains(2)) | {"t": [TIMES[:, None].tolist(), (2 * TIMES[:, None]).tolist()]})
    data = read_polymers(tmp_path / "a.zarr", "train", source=source)
    assert np.array_equal(data.times(1), 2 * TIMES)
    assert data.transitions([0, 1]).ratio.tolist() == [1.0] * (T - 1) + [2.0] * (T - 1)


def _other(**changes):
    return {**columns(chains(2)), **changes}


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"valid": _other()}, "has the splits valid; expected train, valid, test_fast"),
        ({"train": {"t": [[[0.0]]], "y": [[[0.0]]]}}, "has the columns t, y; expected t and x"),
        ({"train": _other(x=np.zeros((2, T, 3 * N + 1)).tolist())}, r"trajectory 0 .* x of shape \(6, 16\); expected"),
        ({"train": _other(t=np.zeros((2, T + 1, 1)).tolist())}, r"trajectory 0 has t of shape \(7, 1\)"),
        ({"train": _other(x=np.zeros((2, 3 * N)).tolist())}, r"x of shape \(15,\).*\(1001, 900\)"),
        ({"train": _other(x=[["a", "b"]] * 2)}, "trajectory 0 has"),
        ({"train": _other(x=[[[0.0] * 15] * 5 + [[0.0] * 12]] * 2)}, "trajectory 0 has"),
    ],
)
def test_other_data_are_named(tmp_path, saved, splits, message):
    source = saved(**splits)
    with pytest.raises(DatasetError, match=message):
        read_polymers(tmp_path / "train.zarr", "train", source=source)


def test_a_trajectory_that_cannot_be_used_is_named(tmp_path, saved):
    beads = chains(2)
    beads[1, 3, 2, 0] = np.nan
    with pytest.raises(MicrostateError, match=r"split 'train', trajectory 1: frame 3 .*NaN"):
        read_polymers(tmp_path / "a.zarr", "train", images=True, source=saved(train=columns(beads)))
    with pytest.raises(MicrostateError, match=r"trajectory 1.*NaN"):
        read_polymers(tmp_path / "b.zarr", "train", source=tmp_path / "published")


def test_more_trajectories_than_there_are_and_unknown_splits_are_named(tmp_path, saved):
    source = saved(train=columns(chains(2)))
    with pytest.raises(DatasetError, match="has 2 trajectories in split 'train'; 3 were asked for"):
        read_polymers(tmp_path / "a.zarr", "train", source=source, n_trajectories=3)
    with pytest.raises(DatasetError, match="no split 'tests'; expected one of train, validation, fast, medium, slow"):
        read_polymers(tmp_path / "a.zarr", "tests", source=source)


def test_without_a_connection_the_remedy_is_named(tmp_path, monkeypatch):
    def refuse(name):
        raise ConnectionError(f"could not reach {name}")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=refuse))
    message = rf"'{DATASET}' cannot be loaded \(ConnectionError: could not reach.*hf download.*give its path"
    with pytest.raises(DatasetError, match=message):
        read_polymers(tmp_path / "a.zarr", "train")


def test_a_folder_without_data_is_named(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="empty' cannot be loaded"):
        read_polymers(tmp_path / "a.zarr", "train", source=tmp_path / "empty")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    with pytest.raises(DatasetError, match="broken' cannot be loaded"):
        read_polymers(tmp_path / "a.zarr", "train", source=tmp_path / "broken")


def test_without_the_package_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'setclosure\[huggingface\]'"):
        read_polymers(tmp_path / "a.zarr", "train")
    assert not (tmp_path / "a.zarr").exists()
