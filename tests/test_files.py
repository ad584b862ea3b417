from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap

import pytest

from setclosure.errors import DamagedFileError, StorageError
from setclosure.files import read_json, sha256, storage_errors, write_bytes, write_json, write_text


def failing(number):
    def call(*_, **__):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "another folder"),
        (errno.EACCES, "permissions"),
        (errno.EIO, "another folder"),
    ],
)
def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, call, number, remedy):
    path = tmp_path / "a.json"
    write_text(path, "old")
    monkeypatch.setattr(os, call, failing(number))
    with pytest.raises(StorageError, match=remedy):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_beyond_the_size_limit_keeps_the_old_file(tmp_path):
    """The limit of the system, not a stand-in: in a process of its own."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    code = f"""
        import resource
        from setclosure.errors import StorageError
        from setclosure.files import write_bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        try:
            write_bytes({str(path)!r}, bytes(100_000))
        except StorageError as error:
            print(error)
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "free some space" in out.stdout
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a", b"new")
    assert list(tmp_path.iterdir()) == []


def test_content_is_on_disk_before_the_name_changes(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), replace(a, b)))
    write_bytes(tmp_path / "a", b"new")
    assert events == ["fsync", "replace", "fsync"]  # the content, the rename, the folder


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file and a folder share that name"):
        write_text(tmp_path / "file" / "a", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="file and a folder share that name"):
        write_text(tmp_path / "folder", "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_other_errors_pass_and_storage_errors_are_not_wrapped_twice(tmp_path):
    with pytest.raises(ZeroDivisionError), storage_errors(tmp_path):
        1 / 0  # noqa: B018
    with pytest.raises(StorageError, match="inner"), storage_errors(tmp_path):
        raise StorageError("inner")


def test_json_is_strict_and_damage_is_named(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": [1, 2.5, None, "ε"]})
    assert read_json(path) == {"x": [1, 2.5, None, "ε"]}
    assert json.loads(path.read_text()) == {"x": [1, 2.5, None, "ε"]}
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            write_json(path, {"x": value})
    assert read_json(path) == {"x": [1, 2.5, None, "ε"]}
    for content in (b'{"x": [1, 2', b"", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"a\.json.*restore it from a copy"):
            read_json(path)


def test_checksum_is_the_standard_one():
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
