"""Pieces of work behind tables and figures are found again by fingerprint, and finished once, several at a time.

A piece lies in a folder that its configuration names, so whatever needs the same training finds it there. A killed
piece goes on where it was; a lock keeps two commands from the same piece.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, TextIO

import torch
from filelock import FileLock

from setclosure.errors import TrainingError
from setclosure.experiments import pipeline
from setclosure.experiments.run import Run
from setclosure.experiments.study import SimulationStudy
from setclosure.files import read_json, sha256
from setclosure.processes import available_cores
from setclosure.progress import progress

MOST_JOBS = 4
"""By default no more pieces than these are made at a time, as each holds its training data in memory."""


class Piece(Protocol):
    """The protocol of pieces: something that is made once, and found again by whatever needs the same."""

    @property
    def folder(self) -> Path:
        """The folder in which it is made; the same work has the same folder."""

    @property
    def label(self) -> str:
        """The name of the piece in progress and messages."""

    @property
    def finished(self) -> bool:
        """Whether it is there, whole."""

    def facts(self) -> dict[str, Any]:
        """Give commit, configuration and fingerprints that its numbers come from, as JSON values."""
        ...

    @property
    def data(self) -> Path | None:
        """The data that it shares with other pieces; None if it shares none."""

    def prepare(self) -> None:
        """Make ``data`` on all cores; this is called once for all pieces that share them."""
        ...

    def finish(self) -> None:
        """Make the piece, or what is missing of it."""
        ...


def digest(value: Any) -> str:
    """Compute a short fingerprint of JSON values, to which a key whose value is null makes no difference.

    So a later version may add a setting that is null by default, and still finds the work of earlier versions.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1, "c": None})
    True
    """
    return sha256(json.dumps(_without_nulls(value), sort_keys=True).encode())[:12]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(v) for key, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value


def data_folder(study: SimulationStudy, work: Path) -> Path:
    """Give the folder below ``work`` in which the simulations of a study lie."""
    return work / "data" / digest([study.part_name, study.simulations.model_dump(mode="json")])


def make_data(study: SimulationStudy, folder: Path) -> None:
    """Simulate what is missing in a data folder."""
    with locked(folder):
        pipeline.simulate(study, folder)


@dataclass(frozen=True)
class RunPiece:
    """A run of one training seed: simulated, trained and evaluated.

    Attributes
    ----------
    study : SimulationStudy
        A study with one training seed.
    folder : Path
        The run folder.
    data : Path
        The data folder, which all runs on the same simulations share.
    """

    study: SimulationStudy
    folder: Path
    data: Path

    @classmethod
    def of(cls, study: SimulationStudy, work: Path) -> RunPiece:
        """Make the piece of ``study`` whose folders lie below ``work``."""
        values = study.model_dump(mode="json")
        name = f"{study.model.method}-seed{study.seeds[0]}-{digest(values)}"
        return cls(study, work / "runs" / name, data_folder(study, work))

    @property
    def label(self) -> str:
        """The name of the piece in messages: method, seed and fingerprint."""
        return self.folder.name

    @property
    def finished(self) -> bool:
        """Whether it was evaluated."""
        return (self.folder / "run.json").is_file() and Run(self.folder).facts["status"] == "complete"

    def prepare(self) -> None:
        """Simulate what is missing of its data."""
        make_data(self.study, self.data)

    def finish(self) -> None:
        """Train what is missing, and evaluate."""
        with locked(self.folder):
            if self.finished:
                return
            run = Run.create(self.study, self.folder, resume=True)
            runs = sorted(path.parent for path in self.folder.parent.glob("*/run.json"))
            others = [path for path in runs if path != self.folder]
            pipeline.train(self.study, self.data, self.folder, resume=True, run=run, reuse=others)
            pipeline.evaluate(self.folder, self.data)

    def facts(self) -> dict[str, Any]:
        """Give commits, fingerprints of the data, and configuration."""
        run = Run(self.folder)
        facts = run.facts
        commits = [entry["commit"] for entry in (facts["provenance"], *facts.get("resumed", []))]
        reused = run.seed_folder(self.study.seeds[0]) / "fit" / "reused.json"
        other = Path(read_json(reused)["from"]).parents[1] if reused.is_file() else None
        return {
            "stage_one_of": other and {"run": other.name, "commit": Run(other).facts["provenance"]["commit"]},
            "commit": commits[0],
            "resumed_with": commits[1:],
            "dirty": facts["provenance"]["dirty"],
            "machine": facts["provenance"]["machine"],
            "data": {split: data["fingerprint"] for split, data in facts["data"].items()},
            "configuration": self.study.model_dump(mode="json"),
        }

    def metrics(self, split: str) -> dict[str, float]:
        """Read the metrics of a test and the seconds of training; empty if the method cannot read the test."""
        metrics = read_json(self.folder / "metrics.json")
        seconds = read_json(self.folder / "seconds.json")
        found = {name: of_splits[split] for name, of_splits in metrics.items() if split in of_splits}
        if not found:
            return {}
        parts = {"seconds_stage_one": seconds["stage_one"], "seconds_stage_two": seconds["stage_two"]}
        return found | {"seconds": seconds["stage_one"] + seconds["encode"] + seconds["stage_two"]} | parts


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder``; another process that wants it waits. A killed process holds nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        yield


def finish_all(pieces: Sequence[Piece], jobs: int | None = None, what: str = "pieces") -> None:
    """Finish every piece, ``jobs`` at a time, each on its share of the cores.

    Parameters
    ----------
    pieces : sequence of Piece
        Finished ones are passed over.
    jobs : int, optional
        Pieces at a time. By default 1 with a GPU, else one a core (four at the most): these networks are small, so
        that two trainings on a core each take far less than one after another on both.
    what : str
        For progress.

    Raises
    ------
    TrainingError
        If a worker process was killed.
    """
    todo = [piece for piece in pieces if not piece.finished]
    for piece in {piece.data: piece for piece in todo}.values():  # looking whether data are whole reads them all
        piece.prepare()
    jobs = min(jobs or default_jobs(), max(1, len(todo)))
    done = len(pieces) - len(todo)
    with progress(what, len(pieces), "pieces") as advance:
        advance(done)
        if jobs == 1:
            for piece in todo:
                piece.finish()
                done += 1
                advance(done, piece.label)
            return
        threads = max(1, available_cores() // jobs)
        context = get_context("spawn")  # torch's threads do not survive a fork
        with ProcessPoolExecutor(jobs, context, _begin_worker, (threads, os.getpid())) as pool:
            tasks = {pool.submit(_finish, piece): piece for piece in todo}
            try:
                for task in as_completed(tasks):
                    task.result()
                    done += 1
                    advance(done, tasks[task].label)
            except BrokenProcessPool as error:
                raise TrainingError(
                    f"a process that made one of these pieces was killed, most likely for want of memory: {jobs} were "
                    "at work, each with its training data in memory. Nothing that was saved is lost: the same command "
                    "goes on where they were, and takes the least memory with --jobs 1."
                ) from error
            except BaseException:  # finish what is under way, begin nothing new
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def default_jobs() -> int:
    """Count the pieces that are made at a time on this machine by default."""
    return 1 if torch.cuda.is_available() else min(MOST_JOBS, available_cores())


def _begin_worker(threads: int, parent: int) -> None:
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent is killed, as nobody would collect its work and a resume must not meet it."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _finish(piece: Piece) -> None:
    sys.stderr = _Labelled(sys.stderr, piece.label)
    try:
        piece.finish()
    finally:
        sys.stderr = sys.stderr.stream


class _Labelled:
    """Standard error of a worker writes whole lines that begin with the label of the piece, and no bars."""

    def __init__(self, stream: TextIO, label: str) -> None:
        self.stream, self.label = stream, label

    def write(self, text: str) -> int:
        return self.stream.write("".join(f"[{self.label}] {line}\n" for line in text.splitlines() if line))

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return False
