"""An import reads other programs' files into data sets, over all cores, and goes on where it was stopped."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from setclosure.claims import claim
from setclosure.errors import DatasetError, MicrostateError, ReaderError, SetclosureWarning
from setclosure.processes import available_cores
from setclosure.registry import plugins
from setclosure.trajectories.layout import Array, Trajectory
from setclosure.trajectories.readers.base import Source, files_of
from setclosure.trajectories.readers.pattern import find_sources
from setclosure.trajectories.readers.pool import LostWorkerError, Pool, processes
from setclosure.trajectories.readers.prepare import MOST_NAMED, Prepared
from setclosure.trajectories.readers.spec import ImportSpec
from setclosure.trajectories.readers.work import ImportOrder, Looked, has_changed, look, read
from setclosure.trajectories.sources import add_source, read_sources, tidy_sources
from setclosure.trajectories.store import Store
from setclosure.trajectories.suspicions import rounded

BYTES_EACH = 2**24
"""A process is started for so many bytes of files: it takes seconds, in which one reads about as much."""

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
) -> dict[str, Path]:
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
        Who reads, or how many processes do; by default one for each core if there is much to read. One is this process.
    shows : callable, optional
        What shows the progress.

    Returns
    -------
    dict
        The path of each data set, by its name.

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
) -> Path:
    """Import all files into one data set at ``path``, whatever ``splits`` says; see :func:`import_files`."""
    name = Path(path).name.removesuffix(".zarr")
    spec = spec.model_copy(update={"splits": {name: 1.0}})
    return _import(spec, {name: Path(path)}, Path(base), pool, shows)[name]


def _import(
    spec: ImportSpec, places: Mapping[str, Path], base: Path, pool: Pool | int | None, shows: Shows | None
) -> dict[str, Path]:
    base, shows = base.resolve(), shows or _show_nothing
    files = find_sources(spec.files, base)
    order = ImportOrder(json.dumps(spec.stored()), str(base), tuple(plugins()))
    with nullcontext(pool) if isinstance(pool, Pool) else processes(pool or _worthwhile(files)) as team:
        found: dict[int, list[Looked]] = {}
        with shows("looking", len(files), "files") as advance:
            for k, task in team.each(look, [(order, source) for source in files]):
                found[k] = task()
                advance(len(found))
        prepared = Prepared.of(spec, order, [part for k in sorted(found) for part in found[k]], base)
        stores = {name: _claimed(prepared, name, path) for name, path in places.items()}
        failed: dict[str, str] = {}
        for name, store in stores.items():
            failed |= _fill(name, store, prepared, team, shows)
    if failed:
        raise ReaderError(_failures(failed, sum(len(of_name) for of_name in prepared.shares.values())))
    return dict(places)


def _worthwhile(files: list[Source]) -> int:
    """Give the number of processes whose start pays: one for each core, and fewer for little to read."""
    size = sum(file.stat().st_size for source in files for path in source.paths for file in files_of(path))
    return max(1, min(available_cores(), len(files), size // BYTES_EACH))


def _fill(name: str, store: Store, prepared: Prepared, team: Pool, shows: Shows) -> dict[str, str]:
    """Read what a data set still lacks; give the trajectories that could not be read, with the reasons."""
    there = store.committed
    there[store.damaged(again=True)] = False
    failed: dict[str, str] = {}
    todo, calls = [], []
    coarse: list[str] = []
    stretches = prepared.shares[name]
    for m, stretch in enumerate(stretches):
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
                trajectory, facts = task()
                _commit(store, todo[k], prepared.label(stretches[todo[k]]), calls[k][1].name, trajectory, facts)
            except LostWorkerError:
                raise
            except ReaderError as error:
                failed[f"{name}, trajectory {todo[k]}"] = str(error)
                continue
            done += 1
            advance(done)
            coarse = coarse or rounded(store.layout.features, _first_and_last(trajectory))
    tidy_sources(store.path)
    for words in coarse:
        warnings.warn(f"{name}: {words}", SetclosureWarning, stacklevel=3)
    return failed


def _first_and_last(trajectory: Trajectory) -> list[Array]:
    """Give the particles of the first and the last frame."""
    points, counts = trajectory.points, trajectory.counts
    return [points[t, : None if counts is None else counts[t]] for t in (0, -1)]


def _commit(
    store: Store, index: int, label: str, source: str, trajectory: Trajectory, files: list[dict[str, Any]]
) -> None:
    """Write down where a trajectory comes from, and then the trajectory."""
    if not store.layout.ragged:
        trajectory = replace(trajectory, counts=None)
    try:
        content = trajectory.packed(store.layout, index)
    except MicrostateError as error:
        raise ReaderError(f"{source}: {error}") from error
    add_source(store.path, index, {"source": label, "files": files})
    store.commit(index, content)


def _claimed(prepared: Prepared, name: str, path: Path) -> Store:
    """Claim the data set of a split, which is new or not finished."""
    layout, shares = prepared.layouts[name], prepared.shares[name]
    now = {
        "source": "files",
        "specification": prepared.spec.stored(),
        "split": name,
        "trajectories": {str(m): prepared.label(stretch) for m, stretch in enumerate(shares)},
    }
    store = Store.open(path) if path.exists() else None
    if store is not None and store.facts["provenance"].get("source") == "files" and not store.committed.any():
        shutil.rmtree(path)  # nothing was read into it: another specification may try
        store = None
    if store is None:
        return Store.create(path, layout, len(shares), now)
    before = {key: value for key, value in store.facts["provenance"].items() if key != "setclosure"}
    before, wanted = before | {"layout": store.layout.to_json()}, now | {"layout": layout.to_json()}
    if before.get("trajectories") != now["trajectories"]:
        before, wanted = _first_difference(before, wanted)
    claim(
        f"{path} holds an import" if before.get("source") == "files" else f"{path} holds other data",
        before,
        wanted,
        remedy="Choose another folder, or use the specification and the files that made it.",
        error=DatasetError,
    )
    store.clear_leftovers()
    tidy_sources(path)  # a killed import may have left half a line
    _require_unchanged(store)
    return store


def _first_difference(before: dict[str, Any], now: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Replace two long lists of trajectories by their lengths and the first one that differs."""
    a, b = before.get("trajectories") or {}, now["trajectories"]
    key = next(key for key in sorted(a.keys() | b.keys(), key=int) if a.get(key) != b.get(key))

    def short(of: dict[str, Any]) -> str:
        return f"{len(of)} in all; number {key} is {of.get(key, 'not there')}"

    return before | {"trajectories": short(a)}, now | {"trajectories": short(b)}


def _require_unchanged(store: Store) -> None:
    """Refuse to go on if a file has another content than when its trajectory was committed."""
    committed = store.committed
    for m, entry in read_sources(store.path).items():
        for file in entry["files"] if committed[m] else ():
            if has_changed(file):
                raise DatasetError(
                    f"{file['path']} has changed since trajectory {m} of {store.path} was imported from it (it was of "
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
