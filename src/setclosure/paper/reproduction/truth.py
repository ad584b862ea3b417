"""The row ``truth``: what remains of a discrepancy between two independent sets of true trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.evaluation.scores import distribution_metrics
from setclosure.experiments.study import REPEAT, SimulationStudy
from setclosure.files import read_json, write_json
from setclosure.paper.reproduction.pieces import data_folder, make_data
from setclosure.provenance import provenance

TRUTH = "truth"


@dataclass(frozen=True)
class TruthPiece:
    """The metrics of a test's repetition against the test itself, as if it were a prediction.

    Attributes
    ----------
    study : SimulationStudy
        Whose tests they are.
    folder : Path
        For the metrics.
    data : Path
        The data folder.
    """

    study: SimulationStudy
    folder: Path
    data: Path

    @classmethod
    def of(cls, study: SimulationStudy, work: Path) -> TruthPiece:
        """The piece of the simulations of ``study`` below the folder ``work``."""
        data = data_folder(study, work)
        return cls(study, work / "runs" / f"{TRUTH}-{data.name}", data)

    @property
    def label(self) -> str:
        """The name of the row and the fingerprint of the data."""
        return self.folder.name

    @property
    def finished(self) -> bool:
        """Whether the metrics are there."""
        return (self.folder / "metrics.json").is_file()

    def prepare(self) -> None:
        """Simulate what is missing of its data."""
        make_data(self.study, self.data)

    def finish(self) -> None:
        """Compare every test that has a repetition with it."""
        rows = {}
        for split in self.study.tests():
            if split + REPEAT in self.study.simulations.splits():
                truth, again = (
                    np.stack(self.study.open_split(self.data, name).observables()) for name in (split, split + REPEAT)
                )
                rows[split] = distribution_metrics(truth, again)
        write_json(self.folder / "metrics.json", {"metrics": rows, "provenance": provenance()})

    def facts(self) -> dict[str, Any]:
        """Commit and simulations."""
        facts = read_json(self.folder / "metrics.json")["provenance"]
        return {"commit": facts["commit"], "configuration": self.study.simulations.model_dump(mode="json")}

    def metrics(self, split: str) -> dict[str, float]:
        """The metrics of a test; empty if it has no repetition."""
        metrics: dict[str, dict[str, float]] = read_json(self.folder / "metrics.json")["metrics"]
        return metrics.get(split, {})
