"""The main job in pieces: simulate, train, evaluate; each resumable, each reading only what the one before wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

from setclosure.model.autoencoder import Autoencoder
from setclosure.model.closure_model import ClosureModel
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.errors import DatasetError
from setclosure.files import read_json, write_json
from setclosure.sets.microstates import MicrostateKind
from setclosure.progress import progress
from setclosure.provenance import provenance
from setclosure.simulate.campaign import require_campaign, simulate_dataset
from setclosure.simulate.workers import Workers, open_workers
from setclosure.experiments.study import FITTED_ON
from setclosure.experiments.configuration import Study
from setclosure.evaluation.evaluate import evaluate_split, permutation_test, snapshots
from setclosure.experiments.runs import Run, summarise
from setclosure.paper.videos import image_video
from setclosure.fit.trainer import require_devices

MADE = "provenance.json"
"""In a data folder: which version of this program simulated there last, and on which machine."""

REPEAT = "_again"
"""Ends the name of a split that is a second set of true trajectories of a test: not a test of its own."""


def simulate(study: Study, folder: Path, workers: int | None = None, scheduler: str | None = None) -> None:
    """Simulate every split into ``folder/<split>.zarr``; what is there already is kept.

    Parameters
    ----------
    study : Study
        Its section ``simulation``.
    folder : Path
        The data folder.
    workers : int, optional
        Trajectories at a time; by default one a core.
    scheduler : str, optional
        Address of a Dask scheduler whose workers shall simulate.
    """
    folder = Path(folder)
    with ExitStack() as stack:
        pool: Workers | None = None  # processes take seconds to start: once for all splits, and if they are needed
        for split, (simulator, n) in study.simulation.splits().items():
            path = folder / f"{split}.zarr"
            there = is_simulated(folder, split)
            if not there and pool is None:
                pool = stack.enter_context(open_workers(simulator.in_threads, workers, scheduler))
            timed = nullcontext() if there else _timed(folder / "seconds.json", split)  # looking is not simulating
            with timed, progress(f"simulate {split}", n, "trajectories") as advance:
                simulate_dataset(
                    path, simulator, n, study.simulation.seed, split, workers=pool or workers, progress=advance
                )
            if not there:
                write_json(folder / MADE, provenance())


def require_trainable(study: Study) -> None:
    """Raise before anything is simulated what training would raise: no such device, no such model of these sets.

    Raises
    ------
    ConfigurationError
        If Lightning's trainer cannot be had here as the study wants it.
    ModelError
        If the model cannot be made for the particles of the study's system.
    """
    require_devices(study.training.trainer)
    layout = study.simulation.splits()["train"][0].layout
    Autoencoder(study.model, MicrostateKind(layout.n_features, layout.n_species, layout.max_particles))


def is_simulated(folder: Path, split: str) -> bool:
    """Whether every trajectory of a split was committed to the data folder."""
    path = folder / f"{split}.zarr"
    return path.exists() and bool(TrajectoryDataset.open(path).committed.all())


def tests(study: Study) -> list[str]:
    """The splits that a model is tested on."""
    return [name for name in study.simulation.splits() if name not in FITTED_ON and not name.endswith(REPEAT)]


def open_split(folder: Path, split: str) -> TrajectoryDataset:
    """One data set of a data folder.

    Raises
    ------
    DatasetError
        If it is missing or unfinished.
    """
    path = Path(folder) / f"{split}.zarr"
    if not path.exists():
        raise DatasetError(f"{folder} has no {split}.zarr; 'setclosure simulate CONFIG --out {folder}' makes it.")
    data = TrajectoryDataset.open(path)
    missing = data.n_trajectories - int(data.committed.sum())
    if missing:
        raise DatasetError(
            f"{path} lacks {missing} of its {data.n_trajectories} trajectories: the simulation was stopped. "
            f"Run the same 'setclosure simulate' again; it goes on where it was."
        )
    return data


def train(
    study: Study,
    data: Path,
    folder: Path,
    resume: bool = False,
    run: Run | None = None,
    reuse: Sequence[Path] = (),
) -> Run:
    """Train every seed of a study on the data sets in ``data``, in a run folder made here or in ``run``.

    From the run folders ``reuse`` the first stage of a seed is taken where it is the same (see
    :meth:`ClosureModel.fit`).

    Raises
    ------
    DatasetError
        If the data are missing, unfinished, or of another simulation than the study's.
    ConfigurationError
        If Lightning's trainer cannot be had here as the study wants it.
    """
    datasets = {split: open_split(data, split) for split in FITTED_ON}  # before a run folder is made in vain
    for split, data in datasets.items():
        if "simulator" in data.provenance:  # data from elsewhere do not say what they are
            simulator, n = study.simulation.splits()[split]
            require_campaign(data, simulator, n, study.simulation.seed, split)
    if run is None:
        require_devices(study.training.trainer)  # likewise
        run = Run.create(study, folder, resume)
    run.use_data(datasets)
    for seed in study.seeds:
        target = run.seed_folder(seed)
        if run.is_trained(seed):
            continue  # finished before a kill
        model = ClosureModel(study.model).fit(
            datasets["train"],
            datasets["validation"],
            training=study.training,
            seed=seed,
            folder=target / "fit",
            resume=resume,
            reuse=[other / target.name / "fit" for other in reuse],
        )
        model.save(target / "model")
        write_json(target / "seconds.json", model.seconds)
        write_json(target / "history.json", model.history)
    run.update(status="trained")
    return run


def evaluate(folder: Path, data: Path) -> dict[str, object]:
    """Evaluate every seed of a run on the test splits in ``data``; write and return ``metrics.json``.

    A split of another number of particles is left out if the method's encoder reads a list of a fixed length.
    """
    run = Run(folder)
    splits = tests(run.study)
    datasets = {split: open_split(data, split) for split in (*FITTED_ON, *splits)}
    run.use_data(datasets)
    per_seed = []
    for seed in run.study.seeds:
        target = run.trained(seed)
        start = time.perf_counter()
        model = ClosureModel.load(target / "model")
        rows = {
            split: evaluate_split(model, datasets[split], target / "evaluation" / f"{split}.npz", run.study.unit_range)
            for split in splits
            if model.parts.autoencoder.takes(datasets[split])
        }
        deviation = permutation_test(model, datasets[splits[0]], target / "evaluation" / "permutation.npz")
        snapshots(model, datasets[splits[0]], target / "evaluation" / "snapshots.npz")
        for split in rows:
            image_video(model, datasets[split], target / "evaluation" / f"{split}.gif")
        seconds = {"simulate": _simulation_seconds(data), **read_json(target / "seconds.json")}
        seconds["evaluate"] = time.perf_counter() - start
        by_metric = {
            metric: {split: row[metric] for split, row in rows.items()} for metric in next(iter(rows.values()))
        }
        per_seed.append({**by_metric, "permutation": {"deviation": deviation}, "seconds": seconds})
    metrics = summarise(per_seed)
    write_json(run.folder / "metrics.json", metrics)
    run.update(status="complete")
    return metrics


@contextmanager
def _timed(path: Path, split: str) -> Iterator[None]:
    """Add the seconds of the block to those of ``split`` in ``path``, also when it is stopped (but not killed)."""
    start = time.perf_counter()
    try:
        yield
    finally:
        before = read_json(path) if path.exists() else {}
        write_json(path, before | {split: before.get(split, 0.0) + time.perf_counter() - start})


def _simulation_seconds(data: Path) -> float:
    path = Path(data) / "seconds.json"
    return float(sum(read_json(path).values())) if path.exists() else 0.0
