"""Read a run folder: plain files only, so that a report needs no model and no ensemble."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from setclosure.errors import DamagedFileError, RunError
from setclosure.files import read_json
from setclosure.experiments.report.words import OBSERVABLES, label

SCHEMA = 1
Array = NDArray[Any]

# what each file must hold, by dimension letters: the same letter is the same length
_EVALUATION = {
    "times": "T", "truth": "MTo", "predicted": "MTo", "observable_names": "o", "status": "M", "status_step": "M",
    "error": "M", "in_range": "M",
}  # fmt: skip
_SAMPLES = {"predicted": "MRTo"}
_PICKS = {"picks": "P", "closure_true": "PTc", "closure_predicted": "PTc"}
_PERMUTATION = {"times": "T", "truth": "To", "predicted": "PTo", "deviation": ""}
_SNAPSHOTS = {
    "frames": "F", "times": "F", "points": "FNd", "species": "N", "grid_x": "G", "grid_y": "H", "decoded": "FSHG",
    "target": "FSHG",
}  # fmt: skip


@dataclass
class Run:
    """What a run folder holds; a piece that is missing or damaged is empty, and ``reasons`` says why.

    Attributes
    ----------
    info : dict
        ``run.json``.
    metrics : dict
        ``metrics.json``.
    configuration : str
        ``config.yaml`` as text.
    histories : dict
        ``history.json`` of each seed: stage → list of records.
    evaluations : dict
        Arrays of each split, of the first seed: ``truth (M, T, o)``, ``predicted (M, T, o)`` or
        ``(M, R, T, o)``, and so on.
    statuses : dict
        Of each seed and split, the status of the worst rollout of each start ``(M,)``: 0 ok, 1 diverged, 2 outside.
    permutation, snapshots : dict
        Arrays of the permutation test and of the decoded microstates, of the first seed.
    videos : dict
        Split → the bytes of its GIF, of the first seed.
    reasons : dict
        Piece → sentence.
    """

    path: Path
    info: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    configuration: str = ""
    histories: dict[int, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    evaluations: dict[str, dict[str, Array]] = field(default_factory=dict)
    statuses: dict[tuple[int, str], Array] = field(default_factory=dict)
    permutation: dict[str, Array] = field(default_factory=dict)
    snapshots: dict[str, Array] = field(default_factory=dict)
    videos: dict[str, bytes] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        """The seeds of the run, in order."""
        return [int(seed) for seed in self.info["seeds"]]

    @property
    def observables(self) -> list[str]:
        """Readable names of the observables, from the first evaluated split."""
        for arrays in self.evaluations.values():
            return [label(OBSERVABLES, str(name)) for name in arrays["observable_names"]]
        return []


def load_run(path: str | Path) -> Run:
    """Read the run folder ``path``.

    Raises
    ------
    RunError
        If the folder or its ``run.json`` is missing or damaged, or is of another schema.
    """
    path = Path(path)
    info = _run_json(path)
    run = Run(path=path, info=info)
    first = path / f"seed-{run.seeds[0]}" / "evaluation"
    metrics = _json(path / "metrics.json", "metrics", run.reasons)
    if isinstance(metrics, dict):
        run.metrics.update(metrics)
    try:
        run.configuration = (path / "config.yaml").read_text()
    except (OSError, UnicodeDecodeError) as error:
        run.reasons["configuration"] = _reason("config.yaml", error)
    for seed in run.seeds:
        history = _json(path / f"seed-{seed}" / "history.json", "history", run.reasons)
        if history is not None:
            _keep_history(seed, history, run)
        for file in sorted((path / f"seed-{seed}" / "evaluation").glob("*.npz")):
            if file.stem not in ("permutation", "snapshots"):
                status = _arrays(file, {"status": "M"}, f"status {seed} {file.stem}", run.reasons)
                if status:
                    run.statuses[seed, file.stem] = status["status"]
    for name in _splits(first, info):
        arrays = _arrays(first / f"{name}.npz", _EVALUATION, f"evaluation {name}", run.reasons)
        if arrays:
            run.evaluations[name] = arrays
            if (first / f"{name}.gif").is_file():
                run.videos[name] = (first / f"{name}.gif").read_bytes()
    run.permutation = _arrays(first / "permutation.npz", _PERMUTATION, "permutation", run.reasons)
    run.snapshots = _arrays(first / "snapshots.npz", _SNAPSHOTS, "snapshots", run.reasons)
    return run


def _run_json(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise RunError(
            f"{path} is not a folder; expected the folder of a run. Give the folder that `setclosure run` wrote."
        )
    try:
        info = read_json(path / "run.json")
    except FileNotFoundError as error:
        raise RunError(
            f"{path} has no run.json, so it is not the folder of a run, or the run ended before it began. "
            "Give the folder that `setclosure run` wrote, or run again."
        ) from error
    except DamagedFileError as error:
        raise RunError(f"the run in {path} cannot be reported: {error}") from error
    if not isinstance(info, dict) or not isinstance(info.get("seeds"), list) or "study" not in info:
        raise RunError(
            f"{path / 'run.json'} lacks 'study' or 'seeds': it is not what `setclosure run` writes. "
            "Restore it from a copy, or run again."
        )
    if not info["seeds"] or not all(isinstance(seed, int) for seed in info["seeds"]):
        raise RunError(f"{path / 'run.json'}: seeds are {info['seeds']!r}; expected a list of integers, at least one.")
    if info.get("schema") != SCHEMA:
        raise RunError(
            f"{path / 'run.json'} has schema {info.get('schema')!r}; this version of setclosure reads {SCHEMA}. "
            "Make the report with the version that wrote the run (run.json names it under provenance)."
        )
    return info


def _splits(folder: Path, info: dict[str, Any]) -> list[str]:
    """Evaluated splits: in the order of the ensembles, others after them."""
    found = {file.stem for file in folder.glob("*.npz")} - {"permutation", "snapshots"}
    known = [name for name in info.get("ensembles", {}) if name in found]
    return known + sorted(found.difference(known))


def _json(file: Path, piece: str, reasons: dict[str, str]) -> Any:
    try:
        return read_json(file)
    except (OSError, DamagedFileError) as error:
        reasons.setdefault(
            piece, _reason(f"{file.parent.name}/{file.name}" if piece == "history" else file.name, error)
        )
        return None


def _keep_history(seed: int, history: Any, run: Run) -> None:
    """Keep the records of every stage that have a step."""
    try:
        run.histories[seed] = {stage: [r for r in records if "step" in r] for stage, records in history.items()}
    except (AttributeError, TypeError):
        run.reasons["history"] = f"seed-{seed}/history.json holds no list of records for each stage."


def _arrays(file: Path, shapes: dict[str, str], piece: str, reasons: dict[str, str]) -> dict[str, Array]:
    """Arrays of an npz file whose shapes fit together; nothing, and a reason, if one is not there or does not fit."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            lacking = [name for name in shapes if name not in stored]
            if lacking:
                reasons[piece] = f"{file.name} lacks {', '.join(lacking)}."
                return {}
            optional = _PICKS if shapes is _EVALUATION and all(name in stored for name in _PICKS) else {}
            arrays = {name: stored[name] for name in shapes | optional}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reasons[piece] = _reason(file.name, error)
        return {}
    wanted = shapes | optional | (_SAMPLES if shapes is _EVALUATION and arrays["predicted"].ndim == 4 else {})
    if _fit(arrays, wanted) and all(0 <= m < len(arrays["truth"]) for m in arrays.get("picks", ())):
        return arrays
    held = ", ".join(f"{name} {value.shape}" for name, value in arrays.items())
    reasons[piece] = f"{file.name} holds arrays that do not fit together: {held}."
    return {}


def _fit(arrays: dict[str, Array], wanted: dict[str, str]) -> bool:
    """Whether every array has its dimensions, not empty, and each letter one length throughout."""
    lengths: dict[str, int] = {}
    return all(
        len(arrays[name].shape) == len(letters)
        and all(
            (n > 0 or letter == "c") and lengths.setdefault(letter, n) == n
            for letter, n in zip(letters, arrays[name].shape, strict=True)
        )
        for name, letters in wanted.items()
    )


def _reason(name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{name} is not in the run folder: that step was not reached, or was not asked for."
    return f"{name} is there but cannot be read; it was changed or cut short after it was written."
