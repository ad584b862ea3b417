"""Files are written whole or not at all, are checked by checksum, and fail with named errors.

A file is written beside its place under a temporary name, forced to the disk, and renamed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import DamagedFileError, StorageError

_NO_FLUSH = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.ENOSYS}
"""File systems of networks and of some machines answer so if they cannot flush a folder; its files are flushed."""


@contextlib.contextmanager
def storage_errors(path: str | Path) -> Iterator[None]:
    """Turn errors of the operating system while writing below ``path`` into a :class:`StorageError` with a remedy.

    Raises
    ------
    StorageError
        If the block raises an OSError.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            what = f"the disk that holds {path} is full. Nothing finished was lost: free some space, then resume."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            what = f"{path} may not be written. Choose another folder, or change its permissions."
        elif error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
            what = f"{path} cannot be made: a file and a folder share that name. Choose another path."
        else:
            what = f"{path} could not be written. Look at the disk, or choose another folder."
        raise StorageError(f"{what} (The system said: {error.strerror}.)") from error


@contextlib.contextmanager
def reading_errors(path: str | Path) -> Iterator[None]:
    """Turn a refusal of the operating system to read below ``path`` into a :class:`StorageError`.

    Raises
    ------
    StorageError
        If the block raises a PermissionError.
    """
    try:
        yield
    except PermissionError as error:
        raise StorageError(
            f"{error.filename or path} may not be read. Change its permissions. (The system said: {error.strerror}.)"
        ) from error


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a crash leaves the old file or the new one, never a part of it.

    Folders that are missing are made.

    Raises
    ------
    StorageError
        If the disk is full or the folder may not be written.
    """
    path = Path(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        flush(path.parent)  # the rename itself must survive a power cut


def flush(path: str | Path) -> None:
    """Wait until a file or folder would survive a power cut; nothing is done where the system cannot.

    Windows cannot, and some file systems cannot for folders.
    """
    if os.name == "nt":
        return
    is_folder = os.path.isdir(path)
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        if is_folder:
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if not (is_folder and error.errno in _NO_FLUSH):
            raise
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write text in UTF-8 to ``path``, whole or not at all.

    Raises
    ------
    StorageError
        If the disk is full or the folder may not be written.
    """
    write_bytes(path, text.encode())


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write named arrays to ``path`` as a compressed ``.npz``, whole or not at all.

    Raises
    ------
    StorageError
        If the disk is full or the folder may not be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON, whole or not at all.

    Raises
    ------
    StorageError
        If the disk is full or the folder may not be written.
    ValueError
        If ``value`` holds NaN or infinity, which JSON does not know.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read the value of a JSON file.

    Raises
    ------
    DamagedFileError
        If the file is not JSON in UTF-8.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedFileError(
            f"{path} is not readable JSON ({error}). It was changed or cut short after it was written: "
            "restore it from a copy, or make it again."
        ) from error


def sha256(content: bytes | memoryview) -> str:
    """Give the SHA-256 of ``content`` in hexadecimal digits.

    Examples
    --------
    >>> sha256(b"setclosure")[:8]
    '5daaea4e'
    """
    return hashlib.sha256(content).hexdigest()
