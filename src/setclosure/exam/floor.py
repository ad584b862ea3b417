"""The floor of an error is the spread of true trajectories from one start with other noise: nobody gets below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ConfigurationError
from setclosure.exam.simulator import ExamSimulator
from setclosure.experiments.study import SimulationStudy
from setclosure.files import read_json, sha256, write_json
from setclosure.progress import progress
from setclosure.provenance import provenance
from setclosure.seeds import numpy_stream
from setclosure.trajectories.layout import Array

STARTS, NOISES = 16, 6
"""The number of starts, and of trajectories from each."""

FLOOR = "floor"
"""The name of the row."""


def floor_of(replicas: Sequence[Array]) -> float:
    """Give the root mean square deviation of observables from the mean of those with the same start.

    Parameters
    ----------
    replicas : sequence of array
        For each start the observables of R trajectories, ``(R, T, o)``. The first frame, which is given, does not
        count. The square of the result is the mean of the unbiased variances.

    Examples
    --------
    >>> floor_of([np.array([[[0.0], [1.0]], [[0.0], [3.0]]])])
    1.4142135623730951
    """
    return float(np.sqrt(np.mean([of_start[:, 1:].var(axis=0, ddof=1).mean() for of_start in replicas])))


@dataclass(frozen=True)
class FloorPiece:
    """The piece of work that simulates replicas of a test.

    Attributes
    ----------
    study : SimulationStudy
        A study of the exam.
    split : str
        The test.
    folder : Path
        The folder of the result.
    """

    study: SimulationStudy
    split: str
    folder: Path
    data: None = None

    @classmethod
    def of(cls, study: SimulationStudy, split: str, work: Path) -> FloorPiece:
        """Make the piece of a test whose folder lies below ``work``."""
        system = study.simulations.splits()[split][0].model_dump(mode="json")
        facts = repr((system, study.simulations.seed, STARTS, NOISES))
        return cls(study, split, work / "floors" / sha256(facts.encode())[:12])

    @property
    def label(self) -> str:
        """The name of the piece in messages."""
        return f"{FLOOR}-{self.folder.name}"

    @property
    def finished(self) -> bool:
        """Whether the result is there."""
        return (self.folder / "floor.json").is_file()

    def prepare(self) -> None:
        """Do nothing: replicas are no data of a run."""

    def finish(self) -> None:
        """Simulate all replicas, and write the floor.

        Raises
        ------
        ConfigurationError
            If the system cannot be followed again from one start.
        """
        system: Any = self.study.simulations.splits()[self.split][0]
        if not isinstance(system, ExamSimulator):
            raise ConfigurationError(f"'{system.part_name}' cannot be followed again from one start, so has no floor.")
        seed, replicas = self.study.simulations.seed, []
        with progress(f"floor of {system.part_name}", STARTS, "starts") as advance:
            for start in range(STARTS):
                from_here = system.start(numpy_stream(seed, "floor", start))
                noises = (numpy_stream(seed, "floor", start, noise) for noise in range(NOISES))
                replicas.append(np.stack([system.follow(from_here, noise).observables for noise in noises]))
                advance(start + 1)
        write_json(self.folder / "floor.json", {"rmse": floor_of(replicas), "provenance": provenance()})

    def facts(self) -> dict[str, Any]:
        """Give the commit and the configuration of the simulations."""
        facts = read_json(self.folder / "floor.json")["provenance"]
        return {"commit": facts["commit"], "configuration": self.study.simulations.model_dump(mode="json")}

    def metrics(self) -> dict[str, float]:
        """Read the floor."""
        return {"rmse": float(read_json(self.folder / "floor.json")["rmse"])}
