"""A pool reads the files of an import: this process, processes of this machine, or an executor such as a cluster's."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

from setclosure.errors import ReaderError


class LostWorkerError(ReaderError):
    """A process that read files died."""


@dataclass(frozen=True)
class Pool:
    """The workers that read files.

    Attributes
    ----------
    executor : Executor or None
        An executor whose workers see the files; None: this process reads.
    window : int
        Trajectories that are submitted at a time, enough that no worker waits.
    lost : tuple of exception types
        The exceptions that tell that a worker died.
    """

    executor: Executor | None = None
    window: int = 4
    lost: tuple[type[Exception], ...] = (BrokenExecutor,)

    def each(
        self, work: Callable[..., Any], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Callable[[], Any]]]:
        """Give the number of each call, and a function that gives its result or raises its error, as they end.

        Few calls wait at a time, so that few results are in memory.
        """
        if self.executor is None:
            for k, call in enumerate(calls):
                yield k, functools.partial(work, *call)
            return
        waiting, running = iter(enumerate(calls)), dict[Future[Any], int]()
        try:
            while True:
                for k, call in waiting:
                    running[self.executor.submit(work, *call)] = k
                    if len(running) >= self.window:
                        break
                if not running:
                    return
                for task in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(task), functools.partial(self._result, task)
        except self.lost as error:
            raise _lost(error) from error
        finally:  # after an error or Ctrl-C some tasks may not have begun
            for task in running:
                task.cancel()

    def _result(self, task: Future[Any]) -> Any:
        try:
            return task.result()
        except self.lost as error:
            raise _lost(error) from error


def _lost(error: Exception) -> LostWorkerError:
    return LostWorkerError(
        f"a process that read files died ({type(error).__name__}). What was committed stays, and the same command goes "
        "on; with fewer --workers it needs less memory. (A script that imports with several workers begins its work "
        "under `if __name__ == '__main__':`.)"
    )


@contextmanager
def processes(n: int) -> Iterator[Pool]:
    """Start ``n`` processes of this machine that read, and end them with the block; one is this process."""
    if n == 1:
        yield Pool()
        return
    executor = ProcessPoolExecutor(n, multiprocessing.get_context("spawn"), _begin)
    try:
        yield Pool(executor, 2 * n)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Prepare a worker: Ctrl-C ends the import alone, the worker does not outlive it, and it takes one core."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
