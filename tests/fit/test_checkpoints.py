from __future__ import annotations

import hashlib
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import DamagedFileError, SetclosureWarning, StorageError
from setclosure.fit.checkpoints import CheckedCheckpoints, newest_checkpoint

CONTENT = {"weights": torch.arange(50.0), "epoch": 3, "rows": [{"loss": 0.5}]}
FILES = CheckedCheckpoints()


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def signed(content):
    return content + hashlib.sha256(content).digest()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "step-000000001.ckpt"
    FILES.save_checkpoint(CONTENT, path)
    return path.read_bytes()


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    FILES.save_checkpoint(CONTENT, tmp_path / "a.ckpt")
    loaded = FILES.load_checkpoint(tmp_path / "a.ckpt")
    assert torch.equal(loaded.pop("weights"), CONTENT["weights"])
    assert loaded == {"epoch": 3, "rows": [{"loss": 0.5}]}
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_is_found_wherever_it_is(whole, tmp_path_factory, place, bit):
    content = bytearray(whole)
    content[int(place * len(content))] ^= 1 << bit
    path = tmp_path_factory.mktemp("flipped") / "a.ckpt"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="checksum"):
        FILES.load_checkpoint(path)


@pytest.mark.parametrize("keep", [0, 1, 31, 32, 33, 1000, -1])
def test_a_truncated_checkpoint_is_found(whole, tmp_path, keep):
    path = tmp_path / "a.ckpt"
    path.write_bytes(whole[:keep])
    with pytest.raises(DamagedFileError, match="checksum"):
        FILES.load_checkpoint(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_with_a_valid_checksum_runs_no_code(tmp_path):
    mark = tmp_path / "code ran"
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.exists()  # the trap works
    mark.rmdir()
    bare = pickle.dumps(Trap(mark))
    buffer = io.BytesIO()
    torch.save({"weights": Trap(mark)}, buffer)
    legacy = io.BytesIO()
    torch.save({"weights": Trap(mark)}, legacy, _use_new_zipfile_serialization=False)
    for content in (bare, buffer.getvalue(), legacy.getvalue()):
        path = tmp_path / "step-000000001.ckpt"
        path.write_bytes(signed(content))
        with pytest.raises(DamagedFileError, match="cannot be read"):
            FILES.load_checkpoint(path)
        # not even for a caller who trusts the file
        with pytest.raises(DamagedFileError):
            FILES.load_checkpoint(path, weights_only=False)
        assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"text", b"\x80\x02."])
def test_nonsense_with_a_valid_checksum_is_a_named_error(tmp_path, content):
    path = tmp_path / "a.ckpt"
    path.write_bytes(signed(content))
    with pytest.raises(DamagedFileError):
        FILES.load_checkpoint(path)


def test_an_archive_that_is_no_checkpoint_is_a_named_error(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hello", "world")
    (tmp_path / "a.ckpt").write_bytes(signed(buffer.getvalue()))
    with pytest.raises(DamagedFileError):
        FILES.load_checkpoint(tmp_path / "a.ckpt")


def make(folder, *steps):
    paths = [folder / f"step-{step:09d}.ckpt" for step in steps]
    for path in paths:
        FILES.save_checkpoint(CONTENT, path)
    return paths


def test_the_newest_whole_checkpoint_is_chosen(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "nothing") is None
    _, new = make(tmp_path, 90, 1000)
    assert newest_checkpoint(tmp_path) == new


def test_a_damaged_newest_checkpoint_falls_back_and_says_so(tmp_path):
    old, new = make(tmp_path, 90, 1000)
    new.write_bytes(new.read_bytes()[:-1])
    with pytest.warns(SetclosureWarning, match=r"step-000001000.*damaged.*step-000000090.ckpt is tried instead"):
        assert newest_checkpoint(tmp_path) == old


def test_damaged_checkpoints_alone_mean_a_new_start_and_are_not_kept(tmp_path):
    for path in make(tmp_path, 90, 1000):
        path.write_bytes(np.random.default_rng(0).bytes(100))
    with pytest.warns(SetclosureWarning) as record:
        assert newest_checkpoint(tmp_path) is None
    assert "step-000000090.ckpt is tried instead" in str(record[0].message)
    assert "There is no other: this stage starts again" in str(record[1].message)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_checkpoint_and_nothing_else(tmp_path, monkeypatch):
    (path,) = make(tmp_path, 1)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="free some space, then resume"):
        FILES.save_checkpoint({"weights": torch.zeros(10)}, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
