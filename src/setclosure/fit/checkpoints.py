"""Checkpoints survive a kill, a full disk and a flipped bit.

Each file is written whole or not at all and ends with its own SHA-256. The two newest are kept. When the newest is
damaged, the one before it takes over and a warning says so. Loading is restricted to tensors and plain values, so
a checkpoint cannot run code.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import CheckpointIO

from setclosure.errors import DamagedFileError, SetclosureWarning
from setclosure.files import write_bytes

KEPT = 2
"""The number of checkpoints that are kept, so that one can replace a damaged newest one."""

_DIGEST_BYTES = hashlib.sha256().digest_size


class CheckedCheckpoints(CheckpointIO):
    """A reader and writer of checkpoints for Lightning, atomic and with a checksum."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``, whole or not at all; ``storage_options`` are ignored.

        Raises
        ------
        StorageError
            If the disk is full or the folder may not be written.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = buffer.getvalue()
        write_bytes(path, content + hashlib.sha256(content).digest())

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Callable[..., Any] | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint to the processor; other arguments than ``path`` are ignored.

        Raises
        ------
        DamagedFileError
            If the content has changed since it was written, or is no checkpoint.
        """
        raw = Path(path).read_bytes()
        content, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise DamagedFileError(f"the checkpoint {path} is damaged: its checksum does not fit its content.")
        try:
            # never anything but tensors and plain values, whatever the caller asked for
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds for what it did not write
            raise DamagedFileError(f"the checkpoint {path} cannot be read: {error!r}") from error
        if not isinstance(loaded, dict):
            raise DamagedFileError(f"the checkpoint {path} holds a {type(loaded).__name__}, not a checkpoint.")
        return loaded

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint, if it is there."""
        Path(path).unlink(missing_ok=True)


class KeepCheckpoints(Callback):
    """A callback that saves a checkpoint at the end of every epoch and keeps the newest two.

    Parameters
    ----------
    folder : Path
        The folder of the checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save a checkpoint; Lightning calls this after validation and early stopping."""
        trainer.save_checkpoint(self.folder / f"step-{trainer.global_step:09d}.ckpt")
        if trainer.is_global_zero:
            for old in sorted(self.folder.glob("step-*.ckpt"))[:-KEPT]:
                old.unlink()


def newest_checkpoint(folder: Path) -> Path | None:
    """Find the newest checkpoint in ``folder`` that is whole; None if there is none.

    A damaged one is passed over with a :class:`SetclosureWarning`, and deleted, so that it does not count as one of the
    two that are kept.
    """
    paths = sorted(folder.glob("step-*.ckpt"), reverse=True)
    for i, path in enumerate(paths):
        try:
            CheckedCheckpoints().load_checkpoint(path)
        except DamagedFileError as error:
            older = paths[i + 1 : i + 2]
            instead = f"{older[0].name} is tried instead." if older else "There is no other: this stage starts again."
            warnings.warn(f"{error} {instead}", SetclosureWarning, stacklevel=2)
            path.unlink(missing_ok=True)
        else:
            return path
    return None
