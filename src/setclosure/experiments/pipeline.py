"""The main job has three pieces, simulate, train and evaluate; each reads only what the one before wrote.

Each can be resumed where it was stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from setclosure.descriptors.joined import Descriptors
from setclosure.errors import ConfigurationError, RunError
from setclosure.evaluation.evaluate import evaluate as evaluate_test
from setclosure.evaluation.naive import NAIVE, NaivePredictions
from setclosure.evaluation.pictures import permutation_test, snapshots
from setclosure.experiments.run import Run, summarise
from setclosure.experiments.study import TRAIN, Datasets, SimulationStudy, Study
from setclosure.files import read_json, write_json
from setclosure.fit.estimator import ClosureEstimator
from setclosure.fit.trainer import require_devices
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.closure_model import ClosureModel
from setclosure.progress import progress
from setclosure.provenance import provenance
from setclosure.sets.microstates import MicrostateKind
from setclosure.simulate.campaign import simulate_dataset
from setclosure.simulate.workers import Workers, open_workers
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.kinds import require_same_kind

MADE = "provenance.json"
"""This file of a data folder says which version of this program simulated there last, and on which machine."""


def simulate(study: Study, folder: Path, workers: int | None = None, scheduler: str | None = None) -> None:
    """Simulate every split into ``folder/<split>.zarr``; what is there already is kept.

    Parameters
    ----------
    study : Study
        One with a section ``simulation``.
    folder : Path
        The data folder.
    workers : int, optional
        Trajectories at a time; by default one a core.
    scheduler : str, optional
        Address of a Dask scheduler whose workers shall simulate.

    Raises
    ------
    ConfigurationError
        If the study has no simulations.
    """
    folder, simulations = Path(folder), require_simulated(study).simulations
    with ExitStack() as stack:
        pool: Workers | None = None  # processes take seconds to start: once for all splits, and if they are needed
        for split, (simulator, n) in simulations.splits().items():
            path = folder / f"{split}.zarr"
            there = is_simulated(folder, split)
            if not there and pool is None:
                pool = stack.enter_context(open_workers(simulator.in_threads, workers, scheduler))
            timed = nullcontext() if there else _timed(folder / "seconds.json", split)  # looking is not simulating
            with timed, progress(f"simulate {split}", n, "trajectories") as advance:
                simulate_dataset(path, simulator, n, simulations.seed, split, workers=pool or workers, progress=advance)
            if not there:
                write_json(folder / MADE, provenance())


def require_simulated(study: Study) -> SimulationStudy:
    """Give a study that simulates its data.

    Raises
    ------
    ConfigurationError
        If it does not.
    """
    if not isinstance(study, SimulationStudy):
        raise ConfigurationError("this configuration has no section 'simulation': its data are there already.")
    return study


def data_folder(study: Study, given: Path | None, run: Path) -> Path | None:
    """Give the data folder of a study that simulates, in its run folder by default; None for data that are named."""
    return (given or Path(run) / "data") if isinstance(study, SimulationStudy) else given


def open_data(study: Study, folder: Path | None) -> Datasets:
    """Open the data of a study, and compare those of the tests with the training data.

    Raises
    ------
    DatasetError
        If data are missing, unfinished, or of another kind than the training data.
    """
    datasets = study.open(folder)
    for name, test in datasets.tests.items():
        require_same_kind(datasets.train.layout, test.layout, f"the data of test '{name}', {test.path},")
    return datasets


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
    if isinstance(study, SimulationStudy):
        layout = study.simulations.splits()[TRAIN][0].layout
        kind = MicrostateKind(layout.features, layout.n_species, layout.max_particles)
        Autoencoder(study.model, Descriptors(study.model.descriptors, kind).described)


def is_simulated(folder: Path, split: str) -> bool:
    """Tell whether every trajectory of a split was committed to the data folder."""
    path = folder / f"{split}.zarr"
    return path.exists() and bool(TrajectoryDataset.open(path).committed.all())


def train(
    study: Study,
    data: Path | None,
    folder: Path,
    resume: bool = False,
    run: Run | None = None,
    reuse: Sequence[Path] = (),
) -> Run:
    """Train every seed of a study, in a run folder made here or in ``run``.

    From the run folders ``reuse`` the first stage of a seed is taken where it is the same (see
    :meth:`setclosure.ClosureEstimator.fit`).

    Parameters
    ----------
    study : Study
        Its configuration.
    data : Path or None
        The data folder of a study that simulates; None for data that the configuration names.
    folder : Path
        The run folder.
    resume : bool
        Whether it may hold this run already.
    run : Run, optional
        The run, if it was made already.
    reuse : sequence of Path
        Run folders.

    Raises
    ------
    DatasetError
        If the data are missing, unfinished, or of another simulation than the study's.
    ConfigurationError
        If Lightning's trainer cannot be had here as the study wants it.
    """
    datasets = open_data(study, data)  # before a run folder is made in vain
    if run is None:
        require_devices(study.training.trainer)  # likewise
        run = Run.create(study, folder, resume)
    run.use_data(datasets)
    for seed in study.seeds:
        target = run.seed_folder(seed)
        if run.is_trained(seed):
            continue  # finished before a kill
        model = ClosureEstimator(settings=study.model, training=study.training).fit(
            datasets.train,
            datasets.validation,
            seed=seed,
            folder=target / "fit",
            resume=resume,
            reuse=[other / target.name / "fit" for other in reuse],
        )
        model.save(target / "model")
        run.update(closure_dim=model.parts.autoencoder.closure_dim)  # of all species, those that are kept
        write_json(target / "seconds.json", model.seconds)
        write_json(target / "history.json", model.history)  # last: all is there
    run.update(status="trained")
    return run


def evaluate(folder: Path, data: Path | None, places: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """Evaluate every seed of a run on its tests; write and return ``metrics.json``.

    A test of another number of particles is left out if the encoder reads a list of a fixed length. Data that the
    configuration names may have been moved together with the run folder, or are where ``places`` says by their names:
    their fingerprints decide whether they are those of the run.

    Raises
    ------
    RunError
        If a seed is not trained, the data are not those that the run was trained on, or no test can be read.
    DatasetError
        If data are missing or unfinished.
    """
    run = Run(folder)
    datasets = open_data(run.study.located(run.folder, run.facts["data"], places or {}), data)
    run.use_data(datasets)
    naive = NaivePredictions.of(datasets.train)
    per_seed = [_evaluate_seed(run, seed, datasets, naive) for seed in run.study.seeds]
    metrics = _by_metric([rows for rows, _, _, _ in per_seed])
    write_json(run.folder / "metrics.json", metrics)
    of_naive = per_seed[0][1]
    write_json(
        run.folder / "naive.json",
        {name: _by_metric([{test: rows[name] for test, rows in of_naive.items()}]) for name in NAIVE},
    )
    write_json(
        run.folder / "permutation.json", summarise([{"deviation": deviation} for _, _, deviation, _ in per_seed])
    )
    seconds = [{"simulate": _simulation_seconds(data)} | spent for *_, spent in per_seed]
    write_json(run.folder / "seconds.json", summarise(seconds))
    run.update(status="complete")
    return metrics


Rows = dict[str, dict[str, float]]


def _evaluate_seed(
    run: Run, seed: int, datasets: Datasets, naive: NaivePredictions
) -> tuple[Rows, dict[str, Rows], float, dict[str, float]]:
    """Evaluate one seed: metrics and naive metrics of each test, effect of permutations, seconds of each step."""
    target = run.trained(seed)
    start = time.perf_counter()
    model = ClosureModel.load(target / "model")
    rows, of_naive = {}, {}
    for test, data in datasets.tests.items():
        if not model.parts.autoencoder.takes(None if data.layout.ragged else data.max_particles):
            continue
        path = target / "evaluation" / test
        rows[test], of_naive[test] = evaluate_test(
            model, data, naive, path.with_name(f"{test}.npz"), run.study.unit_range
        )
        run.study.illustrate(model, data, path)
    if not rows:
        raise RunError(
            f"the encoder of {target} reads lists of {model.facts.kind.n_particles} particles, and no test has sets of "
            "that size. Test it on such sets, or take a method whose encoder reads sets of any size."
        )
    first = datasets.tests[next(iter(rows))]
    deviation = permutation_test(model, first, target / "evaluation" / "permutation.npz")
    snapshots(model, first, target / "evaluation" / "snapshots.npz")
    seconds = read_json(target / "seconds.json") | {"evaluate": time.perf_counter() - start}
    return rows, of_naive, deviation, seconds


def _by_metric(per_seed: list[Rows]) -> dict[str, dict[str, Any]]:
    """Turn metrics by test, of each seed, into ``{metric: {test: value}}``."""
    found: dict[str, dict[str, Any]] = {}
    for test in per_seed[0]:
        for metric, value in summarise([rows[test] for rows in per_seed]).items():
            found.setdefault(metric, {})[test] = value
    return found


@contextmanager
def _timed(path: Path, split: str) -> Iterator[None]:
    """Add the seconds of the block to those of ``split`` in ``path``, also when it is stopped (but not killed)."""
    start = time.perf_counter()
    try:
        yield
    finally:
        before = read_json(path) if path.exists() else {}
        write_json(path, before | {split: before.get(split, 0.0) + time.perf_counter() - start})


def _simulation_seconds(data: Path | None) -> float:
    path = None if data is None else Path(data) / "seconds.json"
    return float(sum(read_json(path).values())) if path is not None and path.exists() else 0.0
