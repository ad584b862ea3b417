"""A campaign simulates all trajectories of a data set, over all cores or a cluster, and can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.claims import claim
from setclosure.errors import DatasetError, SimulationError
from setclosure.seeds import numpy_stream
from setclosure.simulate.sent import SentSimulator, sendable
from setclosure.simulate.simulator import Simulator
from setclosure.simulate.workers import Workers, open_workers
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Trajectory

MOST_NAMED = 10
"""The most trajectories that an error message lists."""


def simulate_dataset(
    path: str | Path,
    simulator: Simulator,
    n_trajectories: int,
    seed: int,
    split: str,
    workers: Workers | int | None = None,
    progress: Callable[[int], None] | None = None,
) -> TrajectoryDataset:
    """Simulate ``n_trajectories`` into the data set at ``path``, or go on with one that is not finished.

    Every trajectory has its own random stream, from (seed, split, its index), and is committed when it ends. So
    numbers do not depend on the number of workers, and a campaign that was stopped or killed loses only the
    trajectories under way. Damaged trajectories are simulated again, and so is the trajectory of a worker process that
    died. A trajectory that its simulator gives up (with a :class:`SimulationError`) does not stop the others.

    Parameters
    ----------
    path : path
        The folder of the data set. This process alone writes there; workers elsewhere need not see the folder.
    simulator : Simulator
        The system. Its ``in_threads`` says whether threads of this process or processes of their own simulate.
    n_trajectories : int
        The number of trajectories, M.
    seed : int
        Root seed.
    split : str
        The name of the split, for instance ``train``; different splits of one seed have different streams.
    workers : Workers or int, optional
        Workers of :func:`~setclosure.simulate.workers.open_workers`, or a number of workers; by default one for each
        core.
    progress : callable, optional
        A function that is called with the number of finished trajectories.

    Returns
    -------
    TrajectoryDataset
        The data set, with all its trajectories.

    Raises
    ------
    DatasetError
        If ``path`` holds another simulation; the message shows the difference.
    SimulationError
        When all is done, if some trajectories could not be simulated; it names them with their seeds.
    StorageError
        If the disk is full or the folder may not be written; what was committed stays.

    Warning
    -------
    One campaign at a time may write to ``path``.
    """
    data = _claim(Path(path), simulator, n_trajectories, seed, split)
    there = data.committed
    there[data.verify()] = False
    todo = [int(index) for index in np.flatnonzero(~there)]
    done = n_trajectories - len(todo)
    report = progress or (lambda done: None)
    report(done)
    failed: dict[int, str] = {}
    if not todo:
        return data
    with nullcontext(workers) if isinstance(workers, Workers) else open_workers(simulator.in_threads, workers) as pool:
        for index, task in _as_they_end(pool, simulator, seed, split, todo):
            try:
                trajectory = task.result()
            except SimulationError as error:
                failed[index] = str(error)
                continue
            except pool.lost:
                failed[index] = "the worker process that simulated it died, and so did those that tried again."
                continue
            data.commit(index, trajectory)
            done += 1
            report(done)
    if failed:
        raise SimulationError(_failures(data, failed, seed, split))
    return data


def simulate_one(simulator: Simulator | SentSimulator, seed: int, split: str, index: int) -> Trajectory:
    """Simulate trajectory ``index`` of a split, which is the same wherever it is simulated.

    Raises
    ------
    SimulationError
        If the simulator gives the trajectory up.
    """
    if isinstance(simulator, SentSimulator):
        simulator = simulator.open()
    return simulator.simulate(numpy_stream(seed, split, index))


def _as_they_end(
    pool: Workers, simulator: Simulator, seed: int, split: str, todo: Iterable[int]
) -> Iterator[tuple[int, Future[Trajectory]]]:
    """Yield the task of each trajectory when it has ended.

    Few tasks wait at a time, so that few have to be given up or held in memory.
    """
    waiting, running = iter(todo), dict[Future[Trajectory], int]()
    executor: Executor = pool.executor
    sent = sendable(simulator) if pool.elsewhere else simulator
    try:
        while True:
            for index in waiting:
                running[executor.submit(simulate_one, sent, seed, split, index)] = index
                if len(running) >= pool.window:
                    break
            if not running:
                return
            ended = wait(running, return_when=FIRST_COMPLETED).done
            for task in sorted(ended, key=lambda task: task.exception() is not None):  # finished ones are kept first
                yield running.pop(task), task
    finally:  # after an error or Ctrl-C some tasks may not have begun
        for task in running:
            task.cancel()


def _failures(data: TrajectoryDataset, failed: dict[int, str], seed: int, split: str) -> str:
    named = [
        f"  trajectory {index} (seed {seed}, split '{split}'): {failed[index]}" for index in sorted(failed)[:MOST_NAMED]
    ]
    more = [f"  and {len(failed) - MOST_NAMED} more"] if len(failed) > MOST_NAMED else []
    return "\n".join(
        [
            f"{len(failed)} of {data.n_trajectories} trajectories of {data.path} could not be simulated; "
            "all others are there:",
            *named,
            *more,
            "The same command tries them again, with the same seeds. If they fail again, change the system (a smaller "
            "time step, for instance) and simulate into another folder.",
        ]
    )


def _claim(path: Path, simulator: Simulator, n_trajectories: int, seed: int, split: str) -> TrajectoryDataset:
    """Give the data set of this campaign, which is new or not finished."""
    data = TrajectoryDataset.open(path) if path.exists() else None
    if claim_campaign(path, data, simulator, n_trajectories, seed, split):
        return TrajectoryDataset.create(path, simulator.layout, n_trajectories, _provenance(simulator, seed, split))
    there = data or TrajectoryDataset.open(path)
    there.clear_leftovers()
    return there


def claim_campaign(
    path: Path, data: TrajectoryDataset | None, simulator: Simulator, n_trajectories: int, seed: int, split: str
) -> bool:
    """Tell whether a campaign is new, and refuse a data set of another campaign.

    Parameters
    ----------
    path : Path
        The folder of the data set.
    data : TrajectoryDataset or None
        The data set in the folder; None if there is none.
    simulator, n_trajectories, seed, split
        The campaign, as in :func:`simulate_dataset`.

    Raises
    ------
    DatasetError
        If the data set is of another campaign; the message names the differences.
    """
    now = _provenance(simulator, seed, split) | {"trajectories": n_trajectories}
    before = None
    if data is not None:
        before = {key: value for key, value in data.provenance.items() if key != "setclosure"}
        before["trajectories"] = data.n_trajectories
    return claim(
        f"{path} holds a simulation",
        before,
        now,
        remedy="Choose another folder, or use the configuration and seed that made it.",
        error=DatasetError,
    )


def _provenance(simulator: Simulator, seed: int, split: str) -> dict[str, Any]:
    return {
        "simulator": type(simulator).__name__,
        "configuration": simulator.model_dump(mode="json"),
        "seed": seed,
        "split": split,
    }
