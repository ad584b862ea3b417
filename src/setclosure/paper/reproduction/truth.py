"""The row ``truth``: what remains of a discrepancy between two independent sets of true trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setclosure.files import read_json, write_json
from setclosure.provenance import provenance
from setclosure.experiments import pipeline
from setclosure.experiments.configuration import Study
from setclosure.evaluation.evaluate import distribution_metrics
from setclosure.paper.reproduction.pieces import data_folder, make_data

TRUTH = "truth"


@dataclass(frozen=True)
class TruthPiece:
    """The metrics of a test's repetition against the test itself, as if it were a prediction.

    Attributes
    ----------
    study : Study
        Whose tests they are.
    folder : Path
        For the metrics.
    data : Path
        The data folder.
    """

    study: Study
    folder: Path
    data: Path

    @classmethod
    def of(cls, study: Study, work: Path) -> TruthPiece:
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
        for split in pipeline.tests(self.study):
            if split + pipeline.REPEAT in self.study.simulation.splits():
                truth, again = (
                    pipeline.open_split(self.data, name).observables() for name in (split, split + pipeline.REPEAT)
                )
                rows[split] = distribution_metrics(truth, again)
        write_json(self.folder / "metrics.json", {"metrics": rows, "provenance": provenance()})

    def facts(self) -> dict[str, Any]:
        """Commit and simulations."""
        facts = read_json(self.folder / "metrics.json")["provenance"]
        return {"commit": facts["commit"], "configuration": self.study.simulation.model_dump(mode="json")}

    def metrics(self, split: str) -> dict[str, float]:
        """The metrics of a test; empty if it has no repetition."""
        metrics: dict[str, dict[str, float]] = read_json(self.folder / "metrics.json")["metrics"]
        return metrics.get(split, {})
