"""A run folder has the files of one run, and is never overwritten."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.claims import claim
from setclosure.errors import RunError
from setclosure.experiments.configuration import load_study, save_study
from setclosure.experiments.run_json import SCHEMA, read_run_json
from setclosure.experiments.study import Datasets, Study
from setclosure.files import read_json, write_json
from setclosure.model.skill import Skill
from setclosure.processes import is_first_process
from setclosure.provenance import provenance
from setclosure.trajectories.dataset import TrajectoryDataset


class Run:
    """A run folder: ``config.yaml``, ``run.json``, ``seed-K/…``, ``metrics.json``, ``report.html`` and so on.

    Parameters
    ----------
    folder : path
        Of an existing run.

    Raises
    ------
    RunError
        If the folder is not a run.
    SchemaVersionError
        If it was written under another schema.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.facts: dict[str, Any] = read_run_json(self.folder)
        self.study: Study = load_study(self.folder / "config.yaml")

    def __repr__(self) -> str:
        return (
            f"Run {self.folder}: {self.facts['name']}, method '{self.study.model.method}', seeds "
            f"{', '.join(map(str, self.study.seeds))}; {self.facts['status']}"
        )

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
        run = cls(folder) if (folder / "run.json").exists() else None
        if run is None and folder.exists() and not (folder.is_dir() and all(map(_unfinished, folder.iterdir()))):
            raise RunError(f"{folder} exists and is not a run folder. Choose another folder, or empty it.")
        if run is not None and resume and is_first_process() and run.study != study and run.is_untrained:
            for seed in run.folder.glob("seed-*"):
                shutil.rmtree(seed)
            return cls._new(study, folder)
        before = None if run is None else run.study.identity()
        new = claim(
            f"{folder} holds a run",
            before,
            study.identity(),
            resume=resume,
            remedy="Use that configuration, or choose another folder.",
        )
        if run is None or new:
            return cls._new(study, folder)
        if is_first_process():
            if run.study != study:  # its data are elsewhere now; their fingerprints decide
                save_study(study, folder / "config.yaml")
                run = cls(folder)
            run.update(resumed=[*run.facts.get("resumed", []), provenance()])
        return run

    @classmethod
    def _new(cls, study: Study, folder: Path) -> Run:
        save_study(study, folder / "config.yaml")
        write_json(
            folder / "run.json",
            {
                "schema": SCHEMA,
                "name": study.name or study.part_name.replace("_", " "),
                "description": study.description,
                "status": "started",
                "seeds": list(study.seeds),
                "method": study.model.method,
                "closure_dim": study.model.closure_dim,
                "bandwidth": study.model.bandwidth,
                "data": {},
                "provenance": provenance(),
                "resumed": [],
            },
        )
        return cls(folder)

    @property
    def is_untrained(self) -> bool:
        """Whether no seed has a checkpoint or a model yet."""
        return not any(self.folder.glob("seed-*/fit/**/*.ckpt")) and not any(self.folder.glob("seed-*/model"))

    def update(self, **facts: Any) -> None:
        """Change entries of ``run.json``."""
        self.facts |= facts
        write_json(self.folder / "run.json", self.facts)

    def seed_folder(self, seed: int) -> Path:
        """Give the folder of one training seed."""
        return self.folder / f"seed-{seed}"

    def is_trained(self, seed: int) -> bool:
        """Tell whether a training seed has finished: its history is written last."""
        return (self.seed_folder(seed) / "history.json").is_file()

    def trained(self, seed: int) -> Path:
        """Give the folder of a training seed that has finished.

        Raises
        ------
        RunError
            If it has not, or its model is gone.
        """
        target = self.seed_folder(seed)
        if not self.is_trained(seed):
            raise RunError(
                f"seed {seed} of {self.folder} is not trained yet. Finish it first: "
                f"setclosure train CONFIG --out {self.folder} --resume"
            )
        if not (target / "model").is_dir():
            raise RunError(f"{target / 'model'} is missing, and was there. Restore it, or train in another folder.")
        return target

    def use_data(self, datasets: Datasets) -> None:
        """Note the data of this run, and what the report says of their system.

        Raises
        ------
        RunError
            If the run was trained on other ones.
        """
        named = datasets.named()
        now = {
            name: {"fingerprint": data.fingerprint, "path": str(data.path), **self._relative(data.path)}
            for name, data in named.items()
        }
        known = self.facts["data"]
        both = [name for name in now if name in known]
        claim(
            f"{self.folder} holds a run",
            {name: known[name]["fingerprint"] for name in both},
            {name: now[name]["fingerprint"] for name in both},
            remedy="Give the data that the run was trained on, or train a new run.",
        )
        facts = {name: now[name] | (known[name] if name in both else _sizes(named[name])) | now[name] for name in now}
        layout, study = datasets.train.layout, self.study
        title, description = study.title(datasets.train)
        self.update(
            name=title,
            description=description,
            data=known | facts,
            stochastic=study.model.dynamics.build(1, 1).stochastic,
            observables=[
                {"name": name, "label": study.observable_label(name), "unit": unit}
                for name, unit in zip(layout.observable_names, layout.observable_units, strict=True)
            ],
            time_unit=layout.time_unit,
            features=list(layout.features.names),
            species=list(layout.species_names),
            context=[
                {"name": name, "unit": unit}
                for name, unit in zip(layout.context_names, layout.context_units, strict=True)
            ],
            tests={name: vars(study.test_words(name)) for name in datasets.tests},
        )

    def _relative(self, path: Path) -> dict[str, str]:
        """Give the place of data as seen from the run folder, so that both can be moved together."""
        with contextlib.suppress(ValueError):  # on another drive there is none
            return {"relative": os.path.relpath(path.resolve(), self.folder.resolve())}
        return {}


def _sizes(data: TrajectoryDataset) -> dict[str, Any]:
    """Give the numbers about a data set that the report shows."""
    usable = data.usable
    lengths = data.lengths[usable]
    facts: dict[str, Any] = {
        "n_trajectories": data.n_trajectories,
        "frames": [int(lengths.min()), int(lengths.max())],
        "particles": [data.max_particles, data.max_particles],
    }
    if data.layout.ragged:
        counts = np.concatenate([data.arrays(int(i))["counts"] for i in usable])
        facts["particles"] = [int(counts.min()), int(counts.max())]
    if data.context_names:
        context = np.concatenate([data.context(int(i)) for i in usable])
        low, high = context.min(axis=0).tolist(), context.max(axis=0).tolist()
        facts["context"] = {name: [low[k], high[k]] for k, name in enumerate(data.context_names)}
    return facts


def _unfinished(path: Path) -> bool:
    """Tell whether a run that was killed while it was made may have left ``path``."""
    return path.name == "config.yaml" or (path.name.startswith(".") and path.suffix == ".tmp")


def summarise(per_seed: list[dict[str, float]]) -> dict[str, Any]:
    """Give numbers of one seed as they are; of several as mean, standard deviation and values.

    Examples
    --------
    >>> summarise([{"mre": 1.0}]), summarise([{"mre": 1.0}, {"mre": 3.0}])["mre"]["mean"]
    ({'mre': 1.0}, 2.0)
    """
    if len(per_seed) == 1:
        return dict(per_seed[0])
    out: dict[str, Any] = {}
    for key in per_seed[0]:
        values = [seed[key] for seed in per_seed if key in seed]
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        out[key] = {"mean": statistics.fmean(values), "sd": sd, "values": values}
    return out


def skills_of(folder: Path) -> list[str]:
    """Say for each training seed of a run how its model does on the validation trajectories, in lines of text."""
    lines = []
    for path in sorted(folder.glob("seed-*/model/model.json")):
        given = read_json(path).get("skill")
        if given is not None:
            lines.append(f"{path.parents[1].name}: {Skill.from_json(given)}")
    return lines
