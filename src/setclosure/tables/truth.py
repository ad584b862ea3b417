"""The row ``truth`` of a table tells how small a discrepancy can be.

It compares two independent sets of true trajectories of a test: a perfect model would do as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.evaluation.scores import distribution_metrics
from setclosure.experiments.study import REPEAT, SimulationStudy
from setclosure.files import read_json, write_json
from setclosure.provenance import provenance
from setclosure.tables.pieces import data_folder, make_data

TRUTH = "truth"
"""The name of the row."""


@dataclass(frozen=True)
class TruthPiece:
    """The piece of work that compares each test with its repetition, as if that were a prediction.

    Attributes
    ----------
    study : SimulationStudy
        The study whose tests they are.
    folder : Path
        The folder of the metrics.
    data : Path
        The data folder.
    """

    study: SimulationStudy
    folder: Path
    data: Path

    @classmethod
    def of(cls, study: SimulationStudy, work: Path) -> TruthPiece:
        """Make the piece of ``study`` whose folders lie below ``work``."""
        data = data_folder(study, work)
        return cls(study, work / "runs" / f"{TRUTH}-{data.name}", data)

    @property
    def label(self) -> str:
        """The name of the piece in messages: the row and the fingerprint of the data."""
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
        """Give the commit and the configuration of the simulations."""
        facts = read_json(self.folder / "metrics.json")["provenance"]
        return {"commit": facts["commit"], "configuration": self.study.simulations.model_dump(mode="json")}

    def metrics(self, split: str) -> dict[str, float]:
        """Read the metrics of a test; empty if it has no repetition."""
        metrics: dict[str, dict[str, float]] = read_json(self.folder / "metrics.json")["metrics"]
        return metrics.get(split, {})
