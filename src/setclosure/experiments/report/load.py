"""Read a run folder: plain files only, so that a report needs no model and no trajectories."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from setclosure.errors import DamagedFileError
from setclosure.evaluation.numbers import is_value
from setclosure.experiments.report.stored import (
    PERMUTATION,
    SNAPSHOTS,
    STATUS,
    Array,
    read_arrays,
    read_evaluation,
    reason,
)
from setclosure.experiments.report.words import FITTED_ON, Quantity, Word, word
from setclosure.experiments.run_json import read_run_json
from setclosure.files import read_json

NO_TEST = ("permutation", "snapshots")
"""Files of arrays beside those of the tests."""


@dataclass
class LoadedRun:
    """A loaded run holds the content of a run folder.

    A piece that is missing or damaged is empty, and ``reasons`` says why.

    Attributes
    ----------
    path : Path
        The folder.
    info : dict
        ``run.json``.
    metrics : dict
        ``metrics.json``: metric → test → value.
    naive : dict
        ``naive.json``: naive prediction → metric → test → value.
    seconds : dict
        ``seconds.json``: step → value.
    deviation : number, dict or None
        The value in ``permutation.json``.
    configuration : str
        ``config.yaml`` as text.
    histories : dict
        ``history.json`` of each seed: stage → list of records.
    evaluations : dict
        Arrays of each test, of the first seed: ``lengths (M,)``, ``times (M, T)``, ``truth (M, T, o)``, ``predicted
        (M, T, o)`` or ``(M, R, T, o)``, and so on. Behind a trajectory's length they hold nothing of meaning.
    statuses : dict
        Of each seed and test, the status of the worst rollout of each start ``(M,)``: 0 ok, 1 diverged, 2 outside.
    permutation, snapshots : dict
        Arrays of the permutation test and of the decoded microstates, of the first seed.
    videos : dict
        Test → the bytes of its GIF, of the first seed.
    reasons : dict
        Piece → sentence.
    """

    path: Path
    info: dict[str, Any]
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    naive: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    seconds: dict[str, Any] = field(default_factory=dict)
    deviation: Any = None
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
        """List the seeds of the run, in order."""
        return [int(seed) for seed in self.info["seeds"]]

    @property
    def title(self) -> str:
        """Give the name of the run, for people."""
        return str(self.info.get("name") or self.path.resolve().name)

    @property
    def observables(self) -> list[Quantity]:
        """List the observables in the order of the arrays of the first evaluated test."""
        known = _quantities(self.info.get("observables", []))
        for arrays in self.evaluations.values():
            return [known.get(str(name), Quantity(str(name))) for name in arrays["observable_names"]]
        return list(known.values())

    @property
    def units(self) -> list[str]:
        """List the unit of each observable."""
        return [observable.unit for observable in self.observables]

    @property
    def time(self) -> Quantity:
        """Give the word for time with its unit."""
        return Quantity("time", str(self.info.get("time_unit", "")))

    @property
    def features(self) -> list[str]:
        """List the names of the features of a particle."""
        return [str(name) for name in self.info.get("features", [])]

    @property
    def context(self) -> dict[str, Quantity]:
        """Give the context by name: it is known from outside and holds for a whole trajectory."""
        return _quantities(self.info.get("context", []))

    def species(self, s: int) -> str:
        """Name species ``s``, counted from 0."""
        names = self.info.get("species", [])
        return str(names[s]) if s < len(names) else f"species {s + 1}"

    def test(self, name: str) -> Word:
        """Look up the words for a test, or for the data that the model was fitted on."""
        about = self.info.get("tests", {}).get(name)
        if about is None:
            return word(FITTED_ON, name)
        return Word(str(about.get("label") or name), str(about.get("sentence") or ""))


def load_run(path: str | Path) -> LoadedRun:
    """Read the run folder ``path``.

    Raises
    ------
    RunError
        If the folder or its ``run.json`` is missing or damaged, or is of another schema.
    """
    path = Path(path)
    run = LoadedRun(path=path, info=read_run_json(path))
    reasons = run.reasons
    run.metrics = _table(_json(path / "metrics.json", "metrics", reasons))
    naive = _json(path / "naive.json", "naive", reasons)
    run.naive = {str(row): of for row, metrics in naive.items() if (of := _table(metrics))}
    seconds = _json(path / "seconds.json", "seconds", reasons)
    run.seconds = {str(step): value for step, value in seconds.items() if is_value(value)}
    deviation = _json(path / "permutation.json", "deviation", reasons).get("deviation")
    run.deviation = deviation if is_value(deviation) else None
    try:
        run.configuration = (path / "config.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reasons["configuration"] = reason("config.yaml", error)
    for seed in run.seeds:
        _keep_history(seed, _json(path / f"seed-{seed}" / "history.json", "history", reasons), run)
        for file in sorted((path / f"seed-{seed}" / "evaluation").glob("*.npz")):
            if file.stem not in NO_TEST:
                status = read_arrays(file, STATUS, f"status {seed} {file.stem}", reasons)
                if status:
                    run.statuses[seed, file.stem] = status["status"]
    first = path / f"seed-{run.seeds[0]}" / "evaluation"
    for name in _tests(first, run.info):
        arrays = read_evaluation(first / f"{name}.npz", f"evaluation {name}", reasons)
        if arrays and (other := _other_observables(arrays, run)):
            reasons[f"evaluation {name}"] = f"{name}.npz {other}"
        elif arrays:
            run.evaluations[name] = arrays
            if (first / f"{name}.gif").is_file():
                run.videos[name] = (first / f"{name}.gif").read_bytes()
    run.permutation = read_arrays(first / "permutation.npz", PERMUTATION, "permutation", reasons)
    run.snapshots = read_arrays(first / "snapshots.npz", SNAPSHOTS, "snapshots", reasons)
    return run


def _quantities(entries: list[dict[str, Any]]) -> dict[str, Quantity]:
    return {
        str(entry["name"]): Quantity(str(entry.get("label") or entry["name"]), str(entry.get("unit") or ""))
        for entry in entries
    }


def _tests(folder: Path, info: dict[str, Any]) -> list[str]:
    """Evaluated tests: in the order of run.json, others after them."""
    found = {file.stem for file in folder.glob("*.npz")}.difference(NO_TEST)
    known = [name for name in info.get("tests", {}) if name in found]
    return known + sorted(found.difference(known))


def _other_observables(arrays: dict[str, Array], run: LoadedRun) -> str:
    """Say that a test has other observables than the first one; nothing if they are the same."""
    first = next(iter(run.evaluations.values()), arrays)
    names, expected = ([str(name) for name in of["observable_names"]] for of in (arrays, first))
    return f"has the observables {', '.join(names)}; the first test has {', '.join(expected)}." * (names != expected)


def _json(file: Path, piece: str, reasons: dict[str, str]) -> dict[str, Any]:
    """Read a file that holds an object; nothing, and a reason, if it cannot be read."""
    name = f"{file.parent.name}/{file.name}" if piece == "history" else file.name
    try:
        content = read_json(file)
    except (OSError, DamagedFileError) as error:
        reasons.setdefault(piece, reason(name, error))
        return {}
    if not isinstance(content, dict):
        reasons.setdefault(piece, f"{name} holds no object of names and values.")
        return {}
    return content


def _table(metrics: Any) -> dict[str, dict[str, Any]]:
    """Keep what has the form metric → test → value."""
    if not isinstance(metrics, dict):
        return {}
    return {
        str(name): of_tests
        for name, of_tests in metrics.items()
        if isinstance(of_tests, dict) and of_tests and not is_value(of_tests) and all(map(is_value, of_tests.values()))
    }


def _keep_history(seed: int, history: dict[str, Any], run: LoadedRun) -> None:
    """Keep the records of every stage that have a step."""
    try:
        run.histories[seed] = {stage: [r for r in records if "step" in r] for stage, records in history.items()}
    except TypeError:
        run.reasons["history"] = f"seed-{seed}/history.json holds no list of records for each stage."
