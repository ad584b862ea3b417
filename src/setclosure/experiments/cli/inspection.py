"""``setclosure inspect`` prints what a data set, a data folder, a run or a model is, and whether it is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from setclosure.errors import RunError, SetclosureError
from setclosure.experiments.cli.data_facts import dataset_facts
from setclosure.experiments.run import Run
from setclosure.fit.checkpoints import CheckedCheckpoints
from setclosure.model.closure_model import ClosureModel
from setclosure.trajectories.dataset import TrajectoryDataset


def inspect_path(path: Path, console: Console) -> bool:
    """Print what is at ``path``; return whether something is damaged or missing.

    Raises
    ------
    RunError
        If nothing there is setclosure's.
    """
    if path.suffix == ".zarr":
        return _dataset(path, console)
    if (path / "run.json").is_file():
        return _run(path, console)
    if (path / "model.json").is_file():
        return _model(path, console)
    datasets = sorted(path.glob("*.zarr"))
    if datasets:
        damaged = [_one_of_several(data, console) for data in datasets]  # print all of them
        _shared(datasets, console)
        return any(damaged)
    raise RunError(f"{path} is no data set (.zarr), data folder, run folder or model; there is nothing to inspect.")


def _dataset(path: Path, console: Console) -> bool:
    data = TrajectoryDataset.open(path)
    damaged = data.verify()
    console.print(_table(f"TrajectoryDataset {path}", dataset_facts(data, damaged)))
    return bool(damaged)


def _shared(datasets: list[Path], console: Console) -> None:
    """Name trajectories that are in two data sets, so that a test would be on what a model was fitted to."""
    first: dict[bytes, str] = {}
    for path in datasets:
        try:
            data = TrajectoryDataset.open(path)
        except SetclosureError:
            continue  # that was told
        for m in np.flatnonzero(data.committed).tolist():
            here, digest = f"trajectory {m} of {path.name}", data.digest(m)
            if digest is None:
                continue
            if digest in first and not first[digest].endswith(f" of {path.name}"):
                console.print(f"Suspicious: {here} is the same as {first[digest]}.", markup=False, soft_wrap=True)
                return
            first.setdefault(digest, here)


def _one_of_several(path: Path, console: Console) -> bool:
    try:
        return _dataset(path, console)
    except SetclosureError as error:
        console.print(str(error), markup=False, soft_wrap=True, highlight=False)
        return True


def _model(path: Path, console: Console) -> bool:
    model = ClosureModel.load(path)  # the checksum is verified here
    parts = model.parts
    console.print(
        _table(
            f"Model {path}",
            {
                "method": model.settings.method,
                "system": model.facts.system,
                "features": ", ".join(model.facts.kind.features.names),
                "species": ", ".join(model.facts.species_names),
                "observable": f"{model.facts.observable}: {', '.join(model.facts.observable_names)}",
                "context": ", ".join(model.facts.context_names) or "none",
                "closure numbers": parts.autoencoder.closure_dim,
                "parameters": sum(p.numel() for p in parts.parameters()),
                "damage": "none",
            },
        )
    )
    return False


def _run(path: Path, console: Console) -> bool:
    run = Run(path)
    facts: dict[str, Any] = {key: run.facts[key] for key in ("schema", "name", "method", "status", "seeds")}
    facts |= {"commit": run.facts["provenance"]["commit"], "started": run.facts["provenance"]["started"]}
    for split, data in run.facts["data"].items():
        facts[f"data set {split}"] = f"{data['n_trajectories']} trajectories, {data['fingerprint'][:16]}"
    damaged = False
    for seed in run.study.seeds:
        folder = run.seed_folder(seed)
        trained = run.is_trained(seed)
        state = "trained" if trained else "not finished"
        wrong = _damage(folder)
        if trained and not (folder / "model").is_dir():
            wrong.append(f"{folder / 'model'} is missing: restore it, or train again")
        damaged |= bool(wrong)
        facts[f"seed {seed}"] = "; ".join([state, *wrong])
    console.print(_table(f"Run {path}", facts))
    return damaged


def _damage(folder: Path) -> list[str]:
    wrong = []
    for checkpoint in sorted(folder.glob("fit/**/step-*.ckpt")):
        try:
            CheckedCheckpoints().load_checkpoint(checkpoint)
        except SetclosureError as error:
            wrong.append(str(error))
    if (folder / "model" / "model.json").is_file():
        try:
            ClosureModel.load(folder / "model")
        except SetclosureError as error:
            wrong.append(str(error))
    return wrong


def _table(title: str, facts: dict[str, Any]) -> Table:
    table = Table(title=escape(title), title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in facts.items():
        table.add_row(key, escape(str(value)))
    return table
