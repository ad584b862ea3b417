"""The run folder: what it holds, and that it is never overwritten."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import Any

from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.differences import require_same
from setclosure.errors import RunError, SchemaVersionError
from setclosure.files import read_json, write_json
from setclosure.processes import is_first_process
from setclosure.provenance import provenance, writer
from setclosure.experiments.configuration import Study, load_study, save_study

SCHEMA = 1


class Run:
    """A run folder: ``config.yaml``, ``run.json``, ``seed-K/…``, ``metrics.json``, ``report.html``.

    Parameters
    ----------
    folder : path
        Of an existing run.

    Raises
    ------
    RunError
        If the folder is not a run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "run.json").is_file():
            raise RunError(f"{self.folder} is not a run folder: it has no run.json. 'setclosure train' makes one.")
        self.facts: dict[str, Any] = read_json(self.folder / "run.json")
        if self.facts.get("schema") != SCHEMA:
            raise SchemaVersionError(
                f"{self.folder} has schema version {self.facts.get('schema')!r}, written by setclosure "
                f"{writer(self.facts)}; this version reads "
                f"{SCHEMA}. Use the version that wrote it."
            )
        self.study: Study = load_study(self.folder / "config.yaml")

    @classmethod
    def create(cls, study: Study, folder: str | Path, resume: bool) -> Run:
        """Make a run folder, or go on with the one of the same configuration.

        Where nothing was trained yet, ``resume`` takes another configuration, too: a mistake that showed before the
        first checkpoint can be corrected in place.

        Raises
        ------
        RunError
            If it exists and ``resume`` is false, or if its configuration differs.
        """
        folder = Path(folder)
        if (folder / "run.json").exists():
            run = cls(folder)
            if not resume and is_first_process():
                raise RunError(f"{folder} already holds a run. Go on with it by --resume, or choose another folder.")
            if is_first_process() and run.study != study and run.is_untrained:
                for seed in run.folder.glob("seed-*"):
                    shutil.rmtree(seed)
                return cls._new(study, folder)
            require_same(
                run.study.model_dump(mode="json"),
                study.model_dump(mode="json"),
                f"{folder} holds a run of another configuration, so it cannot be resumed",
                "Use that configuration, or choose another folder.",
            )
            if is_first_process():
                run.update(resumed=[*run.facts.get("resumed", []), provenance()])
            return run
        if folder.exists() and not (folder.is_dir() and all(_unfinished(path) for path in folder.iterdir())):
            raise RunError(f"{folder} exists and is not a run folder. Choose another folder, or empty it.")
        return cls._new(study, folder)

    @classmethod
    def _new(cls, study: Study, folder: Path) -> Run:
        save_study(study, folder / "config.yaml")
        write_json(
            folder / "run.json",
            {
                "schema": SCHEMA,
                "study": study.study,
                "status": "started",
                "seeds": list(study.seeds),
                "provenance": provenance(),
                "data sets": {},
                "bandwidth": study.model.bandwidth,
                "closure_dim": study.model.closure_dim,
            },
        )
        return cls(folder)

    @property
    def is_untrained(self) -> bool:
        """Whether no seed has a checkpoint or a model yet."""
        return not any(self.folder.glob("seed-*/fit/*/*.ckpt")) and not any(self.folder.glob("seed-*/model"))

    def update(self, **facts: Any) -> None:
        """Change entries of ``run.json``."""
        self.facts |= facts
        write_json(self.folder / "run.json", self.facts)

    def seed_folder(self, seed: int) -> Path:
        """Where everything of one training seed is."""
        return self.folder / f"seed-{seed}"

    def is_trained(self, seed: int) -> bool:
        """Whether a training seed has finished: its history is written last."""
        return (self.seed_folder(seed) / "history.json").is_file()

    def trained(self, seed: int) -> Path:
        """The folder of a training seed that has finished.

        Raises
        ------
        RunError
            If it has not, or its model is gone.
        """
        target = self.seed_folder(seed)
        if not self.is_trained(seed):
            raise RunError(
                f"seed {seed} of {self.folder} is not trained yet. Finish it first: "
                f"setclosure train CONFIG --data DATA --out {self.folder} --resume"
            )
        if not (target / "model").is_dir():
            raise RunError(f"{target / 'model'} is missing, and was there. Restore it, or train in another folder.")
        return target

    def use_data(self, datasets: dict[str, TrajectoryDataset]) -> None:
        """Note the data sets of this run.

        Raises
        ------
        RunError
            If the run was trained on other ones.
        """
        now = {
            split: {
                "fingerprint": e.fingerprint,
                "n_trajectories": e.n_trajectories,
                "n_frames": e.n_frames,
                "max_particles": e.max_particles,
            }
            for split, e in datasets.items()
        }
        known = self.facts["data sets"]
        require_same(
            {split: facts for split, facts in known.items() if split in now},
            {split: facts for split, facts in now.items() if split in known},
            f"the data are not those of {self.folder}",
            "Give the data folder that the run was trained on, or train a new run.",
        )
        self.update(datasets=known | now)


def _unfinished(path: Path) -> bool:
    """Whether a run that was killed while it was made may have left ``path``."""
    return path.name == "config.yaml" or (path.name.startswith(".") and path.suffix == ".tmp")


def summarise(per_seed: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Numbers of one seed as they are; of several as mean, standard deviation and values.

    Examples
    --------
    >>> summarise([{"mre": {"in_dst": 1.0}}])
    {'mre': {'in_dst': 1.0}}
    >>> summarise([{"mre": {"in_dst": 1.0}}, {"mre": {"in_dst": 3.0}}])["mre"]["in_dst"]["mean"]
    2.0
    """
    if len(per_seed) == 1:
        return dict(per_seed[0])
    out: dict[str, Any] = {}
    for metric, columns in per_seed[0].items():
        out[metric] = {}
        for column in columns:
            values = [seed[metric][column] for seed in per_seed]
            out[metric][column] = {
                "mean": statistics.fmean(values),
                "sd": statistics.stdev(values),
                "values": values,
            }
    return out
