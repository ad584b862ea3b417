"""Read the arrays of a run folder, and refuse those whose shapes do not fit together."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shapes = Mapping[str, str]
"""A mapping from the name of an array to its dimensions, a letter each; in one file a letter is one length."""

EVALUATION: Shapes = {
    "lengths": "M", "times": "MT", "truth": "MTo", "predicted": "MTo", "observable_names": "o", "status": "M",
    "status_step": "M", "error": "M", "in_range": "M",
}  # fmt: skip
SAMPLES: Shapes = {"predicted": "MRTo"}
PICKS: Shapes = {"picks": "P", "closure_true": "PTc", "closure_predicted": "PTc"}
CONTEXT: Shapes = {"context": "Mp", "context_names": "p"}
STATUS: Shapes = {"status": "M"}
PERMUTATION: Shapes = {"times": "T", "truth": "To", "predicted": "PTo", "deviation": ""}
SNAPSHOTS: Shapes = {
    "frames": "F", "times": "F", "points": "FNd", "species": "N", "grid_x": "G", "grid_y": "H", "decoded": "FSHG",
    "target": "FSHG",
}  # fmt: skip


def read_evaluation(file: Path, piece: str, reasons: dict[str, str]) -> dict[str, Array]:
    """Read the curves of one test.

    Parameters
    ----------
    file : Path
        The ``.npz`` of the test.
    piece : str
        Under which name a reason is noted.
    reasons : dict
        Takes a sentence if the file cannot be used.

    Returns
    -------
    dict
        Arrays as in :data:`EVALUATION`, with :data:`PICKS` and :data:`CONTEXT` where the file holds them; ``lengths``
        are between 1 and T. Nothing if the file cannot be used.
    """
    arrays = read_arrays(file, EVALUATION, piece, reasons, optional=(PICKS, CONTEXT), instead=SAMPLES)
    if not arrays:
        return {}
    M, T = arrays["times"].shape
    lengths = arrays["lengths"]
    if not (np.issubdtype(lengths.dtype, np.integer) and lengths.min() >= 1 and lengths.max() <= T):
        reasons[piece] = (
            f"{file.name} has lengths from {lengths.min()} to {lengths.max()}; expected whole numbers between 1 and "
            f"the {T} frames that it holds."
        )
        return {}
    if not all(0 <= m < M for m in arrays.get("picks", ())):
        reasons[piece] = f"{file.name} picks trajectories {arrays['picks'].tolist()}, but holds {M}."
        return {}
    return arrays


def read_arrays(
    file: Path,
    shapes: Shapes,
    piece: str,
    reasons: dict[str, str],
    optional: tuple[Shapes, ...] = (),
    instead: Shapes | None = None,
) -> dict[str, Array]:
    """Read arrays whose shapes fit together.

    Parameters
    ----------
    file : Path
        An ``.npz`` file; nothing in it that could run code is loaded.
    shapes : mapping
        The arrays that must be there.
    piece : str
        Under which name a reason is noted.
    reasons : dict
        Takes a sentence if the file cannot be used.
    optional : tuple of mapping
        Groups of arrays that are read if all of a group are there.
    instead : mapping, optional
        Other shapes that arrays may have, if they have more dimensions.

    Returns
    -------
    dict
        The arrays; nothing if one is missing, damaged, or does not fit.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            lacking = [name for name in shapes if name not in stored]
            if lacking:
                reasons[piece] = f"{file.name} lacks {', '.join(lacking)}."
                return {}
            wanted = dict(shapes)
            for group in optional:
                wanted |= group if all(name in stored for name in group) else {}
            arrays = {name: stored[name] for name in wanted}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reasons[piece] = reason(file.name, error)
        return {}
    wanted |= {name: letters for name, letters in (instead or {}).items() if arrays[name].ndim == len(letters)}
    if _fit(arrays, wanted):
        return arrays
    held = ", ".join(f"{name} {value.shape}" for name, value in arrays.items())
    reasons[piece] = f"{file.name} holds arrays that do not fit together: {held}."
    return {}


def reason(name: str, error: Exception) -> str:
    """Say why a file is not in the report."""
    if isinstance(error, FileNotFoundError):
        return f"{name} is not in the run folder: that step was not reached, or was not asked for."
    return f"{name} is there but cannot be read; it was changed or cut short after it was written."


def _fit(arrays: dict[str, Array], wanted: Shapes) -> bool:
    """Say whether every array has its dimensions, not empty, and each letter one length throughout."""
    lengths: dict[str, int] = {}
    return all(
        len(arrays[name].shape) == len(letters)
        and all(
            (n > 0 or letter in "cp") and lengths.setdefault(letter, n) == n
            for letter, n in zip(letters, arrays[name].shape, strict=True)
        )
        for name, letters in wanted.items()
    )
