"""Threads, processes on this machine, or the workers of a cluster simulate, behind one executor."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from setclosure.errors import ConfigurationError, MissingExtraError
from setclosure.processes import available_cores

IGNORE_INTERRUPTS = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
"""The code that worker processes run first, so that Ctrl-C, which reaches all processes, ends the campaign alone."""

UNGUARDED = (
    "the worker processes could not start. Each of them imports the script that was run, so a script must begin its "
    "work under `if __name__ == '__main__':`; if it does, the machine refused new processes."
)
"""The message of the error that processes cannot start."""

SECONDS_TO_CONNECT = 20
"""The time in which a scheduler that was named must answer."""


@dataclass(frozen=True)
class Workers:
    """An executor with the facts that a campaign must know of it.

    Attributes
    ----------
    executor : Executor
        The executor, which simulates.
    window : int
        Trajectories that are submitted at a time, enough that no worker waits.
    lost : tuple of exception types
        The exceptions that tell that a worker died with a trajectory, and that trying again was in vain.
    elsewhere : bool
        Whether other processes simulate.
    """

    executor: Executor
    window: int
    lost: tuple[type[Exception], ...] = ()
    elsewhere: bool = False


@contextmanager
def open_workers(in_threads: bool, n: int | None = None, scheduler: str | None = None) -> Iterator[Workers]:
    """Start workers for a campaign, and end them with the block.

    Parameters
    ----------
    in_threads : bool
        Whether threads of this process may simulate.
    n : int, optional
        The number of workers; by default one for each core.
    scheduler : str, optional
        Address of a Dask scheduler; its workers are used, whatever ``in_threads`` says.

    Raises
    ------
    ConfigurationError
        If there is no scheduler at the address, or processes cannot start, for instance because a script begins a
        campaign whenever it is imported.
    MissingExtraError
        If processes are needed and Dask is not installed.

    Examples
    --------
    >>> with open_workers(in_threads=True, n=2) as workers:
    ...     list(workers.executor.map(abs, [-1, -2]))
    [1, 2]
    """
    if scheduler is None and in_threads:
        n = n or available_cores()
        pool = ThreadPoolExecutor(n)
        try:
            yield Workers(pool, 2 * n)
        finally:  # after an error, too: finish the trajectories under way, and begin no other
            pool.shutdown(wait=True, cancel_futures=True)
        return
    try:
        from distributed import Client, LocalCluster
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise MissingExtraError(
            "simulating in processes of their own needs Dask. Install it: pip install 'setclosure[cluster]'"
        ) from error
    if scheduler is None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise SystemExit(1)  # this is a worker that imports an unguarded script; its parent says what is wrong
        # one thread in each process; a limit of memory would kill a worker for what its neighbours take
        try:
            cluster = LocalCluster(
                n or available_cores(),
                threads_per_worker=1,
                memory_limit=None,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                preload=[IGNORE_INTERRUPTS],
            )
        except RuntimeError as error:
            raise ConfigurationError(UNGUARDED) from error
    try:
        client = Client(scheduler or cluster, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigurationError(
            f"there is no Dask scheduler at '{scheduler}' ({error}). Start one with 'dask scheduler', and workers with "
            f"'dask worker {scheduler}'; the address has the form tcp://host:8786."
        ) from error
    try:
        threads = sum(client.nthreads().values()) if scheduler else n or available_cores()
        # a result is no function of the arguments' hash for Dask: each is computed once and then forgotten
        yield Workers(client.get_executor(pure=False), 2 * max(1, threads), (KilledWorker,), elsewhere=True)
    finally:
        client.close()
        if scheduler is None:
            cluster.close()
