"""Campaigns: all trajectories of an ensemble, over all cores, resumable."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.data.ensemble import Ensemble
from setclosure.errors import EnsembleError
from setclosure.processes import available_cores
from setclosure.seeds import numpy_stream
from setclosure.simulators.base import Simulator


def simulate_ensemble(
    path: str | Path,
    simulator: Simulator,
    n_trajectories: int,
    seed: int,
    split: str,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Ensemble:
    """Simulate ``n_trajectories`` into the ensemble at ``path``, or go on with what is there.

    Every trajectory has its own random stream, from (seed, split, its index), and is committed when it ends: the
    numbers do not depend on the number of workers, and a campaign that was stopped or killed loses only the
    trajectories it was at. Damaged trajectories are simulated again.

    Parameters
    ----------
    path : path
        Of the ensemble.
    simulator : Simulator
        One thread simulates one trajectory at a time, so it should release the interpreter's lock.
    n_trajectories : int
        M.
    seed : int
        Root seed.
    split : str
        For instance ``train``; different splits of one seed have different streams.
    workers : int, optional
        Threads; all cores by default.
    progress : callable, optional
        Called with the number of finished trajectories.

    Raises
    ------
    EnsembleError
        If ``path`` holds another simulation; the message shows the difference.
    StorageError
        If the disk is full or the folder may not be written; what was committed stays.

    Warning
    -------
    One campaign at a time may write to ``path``.
    """
    ensemble = _claim(Path(path), simulator, n_trajectories, seed, split)
    there = ensemble.committed
    there[ensemble.verify()] = False
    todo = np.flatnonzero(~there)
    done = n_trajectories - len(todo)
    report = progress or (lambda done: None)
    report(done)

    def one(index: int) -> None:
        ensemble.commit(index, simulator.simulate(numpy_stream(seed, split, index)))

    with ThreadPoolExecutor(workers or available_cores()) as pool:
        tasks = [pool.submit(one, int(index)) for index in todo]
        try:
            for task in as_completed(tasks):
                task.result()
                done += 1
                report(done)
        except BaseException:  # an error or Ctrl-C: finish the trajectories under way, begin no other
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return ensemble


def _claim(path: Path, simulator: Simulator, n_trajectories: int, seed: int, split: str) -> Ensemble:
    """The ensemble of this campaign, new or as it was left."""
    wanted: dict[str, Any] = {
        "simulator": type(simulator).__name__,
        "configuration": simulator.model_dump(mode="json"),
        "seed": seed,
        "split": split,
    }
    if not path.exists():
        return Ensemble.create(path, simulator.layout, n_trajectories, wanted)
    ensemble = Ensemble.open(path)
    for leftover in path.rglob("*.partial"):  # Zarr's temporary files, where a campaign was killed while it wrote
        leftover.unlink(missing_ok=True)
    before = _flat(ensemble.provenance | {"trajectories": ensemble.n_trajectories})
    now = _flat(wanted | {"trajectories": n_trajectories})
    # the version of the package may change; everything else makes other numbers
    different = [
        f"  {key}: {before.get(key, 'absent')!r} there, {now.get(key, 'absent')!r} wanted"
        for key in sorted((before.keys() | now.keys()) - {"setclosure"})
        if before.get(key) != now.get(key)
    ]
    if different:
        raise EnsembleError(
            f"{path} holds another simulation, so it cannot be continued:\n"
            + "\n".join(different)
            + "\nChoose another folder, or use the configuration and seed that made it."
        )
    return ensemble


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in tree.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return out
