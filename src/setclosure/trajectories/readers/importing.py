"""An import reads other programs' files into data sets, over all cores, and goes on where it was stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from setclosure.claims import claim
from setclosure.errors import DatasetError, MicrostateError, ReaderError
from setclosure.processes import available_cores
from setclosure.registry import plugins
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Trajectory
from setclosure.trajectories.readers.pattern import find_sources
from setclosure.trajectories.readers.pool import LostWorkerError, Pool, processes
from setclosure.trajectories.readers.prepare import MOST_NAMED, Prepared
from setclosure.trajectories.readers.spec import ImportSpec
from setclosure.trajectories.readers.work import Looked, Order, has_changed, look, read
from setclosure.trajectories.sources import add_source, read_sources, tidy_sources

Shows = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""A function that shows the progress of some work by its name, the number of its units and what they are called.

:func:`setclosure.progress.progress` is one."""


def import_files(
    spec: ImportSpec,
    folder: str | Path,
    base: str | Path = ".",
    *,
    pool: Pool | int | None = None,
    shows: Shows | None = None,
) -> dict[str, TrajectoryDataset]:
    """Import files into the data sets ``folder/<split>.zarr``, or go on with an import that was stopped.

    Every trajectory is committed when it has been read, and its files, with size, time and SHA-256, are written down
    beside it. A trajectory that cannot be read does not stop the others.

    Parameters
    ----------
    spec : ImportSpec
        What is read, and what it means.
    folder : path
        The folder of the data sets.
    base : path
        The folder from which the names of files in the specification count.
    pool : Pool or int, optional
        Who reads, or how many processes do; by default one for each core. One is this process.
    shows : callable, optional
        What shows the progress.

    Returns
    -------
    dict
        The data set of each split, by its name.

    Raises
    ------
    ReaderError
        If nothing can be read; or when all is done, if some trajectories could not be read: it names them.
    DatasetError
        If the folder holds another import, or a file has changed since it was imported.

    Warning
    -------
    One import at a time may write to ``folder``.
    """
    places = {name: Path(folder) / f"{name}.zarr" for name in spec.splits}
    return _import(spec, places, Path(base), pool, shows)


def import_dataset(
    spec: ImportSpec,
    path: str | Path,
    base: str | Path = ".",
    *,
    pool: Pool | int | None = None,
    shows: Shows | None = None,
) -> TrajectoryDataset:
    """Import all files into one data set at ``path``, whatever ``splits`` says; see :func:`import_files`."""
    name = Path(path).name.removesuffix(".zarr")
    spec = spec.model_copy(update={"splits": {name: 1.0}})
    return _import(spec, {name: Path(path)}, Path(base), pool, shows)[name]


def _import(
    spec: ImportSpec, places: Mapping[str, Path], base: Path, pool: Pool | int | None, shows: Shows | None
) -> dict[str, TrajectoryDataset]:
    base, shows = base.resolve(), shows or _show_nothing
    files = find_sources(spec.files, base)
    order = Order(json.dumps(spec.stored()), str(base), tuple(plugins()))
    with nullcontext(pool) if isinstance(pool, Pool) else processes(pool or available_cores()) as team:
        found: dict[int, list[Looked]] = {}
        with shows("looking", len(files), "files") as advance:
            for k, task in team.each(look, [(order, source) for source in files]):
                found[k] = task()
                advance(len(found))
        prepared = Prepared.of(spec, order, [part for k in sorted(found) for part in found[k]], base)
        datasets = {name: _claimed(prepared, name, path) for name, path in places.items()}
        failed: dict[str, str] = {}
        for name, data in datasets.items():
            failed |= _fill(name, data, prepared, team, shows)
    if failed:
        raise ReaderError(_failures(failed, sum(len(of_name) for of_name in prepared.shares.values())))
    return datasets


def _fill(name: str, data: TrajectoryDataset, prepared: Prepared, team: Pool, shows: Shows) -> dict[str, str]:
    """Read what a data set still lacks; give the trajectories that could not be read, with the reasons."""
    there = data.committed
    there[data.verify()] = False
    failed: dict[str, str] = {}
    todo, calls = [], []
    for m, stretch in enumerate(prepared.shares[name]):
        part = prepared.looked[stretch.source]
        if part.problem:
            failed[f"{name}, trajectory {m}"] = part.problem
        elif not there[m]:
            todo.append(m)
            calls.append((prepared.order, part.source, part.frames[stretch.first : stretch.last]))
    done = int(there.sum())
    with shows(f"importing {name}", len(there), "trajectories") as advance:
        advance(done)
        for k, task in team.each(read, calls):
            try:
                _commit(data, todo[k], prepared, calls[k][1].name, *task())
            except LostWorkerError:
                raise
            except ReaderError as error:
                failed[f"{name}, trajectory {todo[k]}"] = str(error)
                continue
            done += 1
            advance(done)
    tidy_sources(data.path)
    return failed


def _commit(
    data: TrajectoryDataset,
    index: int,
    prepared: Prepared,
    source: str,
    trajectory: Trajectory,
    files: list[dict[str, Any]],
) -> None:
    """Write down where a trajectory comes from, and then the trajectory."""
    if not data.layout.ragged:
        trajectory = replace(trajectory, counts=None)
    stretch = prepared.shares[data.provenance["split"]][index]
    add_source(data.path, index, {"source": prepared.label(stretch), "files": files})
    try:
        data.commit(index, trajectory)
    except MicrostateError as error:
        raise ReaderError(f"{source}: {error}") from error


def _claimed(prepared: Prepared, name: str, path: Path) -> TrajectoryDataset:
    """Claim the data set of a split, which is new or not finished."""
    layout, shares = prepared.layouts[name], prepared.shares[name]
    now = {
        "source": "files",
        "specification": prepared.spec.stored(),
        "split": name,
        "trajectories": {str(m): prepared.label(stretch) for m, stretch in enumerate(shares)},
    }
    data = TrajectoryDataset.open(path) if path.exists() else None
    if data is not None and data.provenance.get("source") == "files" and not data.committed.any():
        shutil.rmtree(path)  # nothing was read into it: another specification may try
        data = None
    if data is None:
        return TrajectoryDataset.create(path, layout, len(shares), now)
    before = {key: value for key, value in data.provenance.items() if key != "setclosure"}
    before, wanted = before | {"layout": data.layout.to_json()}, now | {"layout": layout.to_json()}
    if before.get("trajectories") != now["trajectories"]:
        before, wanted = _first_difference(before, wanted)
    claim(
        f"{path} holds an import" if before.get("source") == "files" else f"{path} holds other data",
        before,
        wanted,
        remedy="Choose another folder, or use the specification and the files that made it.",
        error=DatasetError,
    )
    data.clear_leftovers()
    _require_unchanged(data)
    return data


def _first_difference(before: dict[str, Any], now: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Replace two long lists of trajectories by their lengths and the first one that differs."""
    a, b = before.get("trajectories") or {}, now["trajectories"]
    key = next(key for key in sorted(a.keys() | b.keys(), key=int) if a.get(key) != b.get(key))

    def short(of: dict[str, Any]) -> str:
        return f"{len(of)} in all; number {key} is {of.get(key, 'not there')}"

    return before | {"trajectories": short(a)}, now | {"trajectories": short(b)}


def _require_unchanged(data: TrajectoryDataset) -> None:
    """Refuse to go on if a file has another content than when its trajectory was committed."""
    committed = data.committed
    for m, entry in read_sources(data.path).items():
        for file in entry["files"] if committed[m] else ():
            if has_changed(file):
                raise DatasetError(
                    f"{file['path']} has changed since trajectory {m} of {data.path} was imported from it (it was of "
                    f"{file['mtime']}). Import into another folder, or restore the file."
                )


def _failures(failed: dict[str, str], n: int) -> str:
    named = [f"  {name}: {reason}" for name, reason in list(failed.items())[:MOST_NAMED]]
    more = [f"  and {len(failed) - MOST_NAMED} more"] if len(failed) > MOST_NAMED else []
    return "\n".join(
        [
            f"{len(failed)} of {n} trajectories could not be imported; all others are there:",
            *named,
            *more,
            "Repair the files, and the same command reads just these. Or leave them out of 'files' and import into "
            "another folder; or use what is there, with allow_unfinished: true in the section 'data' of a run.",
        ]
    )


def _show_nothing(what: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda done: None)
