"""``setclosure compare`` trains candidates with small budgets on the same data, and ranks their validation rollouts."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from setclosure.claims import claim
from setclosure.dynamics.ode import ODEConfig
from setclosure.errors import ConfigurationError, MicrostateError, ModelError, RunError, SetclosureWarning
from setclosure.experiments.candidates import candidates
from setclosure.experiments.study import Datasets, Study
from setclosure.files import read_json, sha256, write_json, write_text
from setclosure.fit.estimator import ClosureEstimator
from setclosure.fit.settings import FitSettings
from setclosure.fit.trainer import kept_row
from setclosure.model.facts import ModelFacts
from setclosure.model.specification import ModelSettings
from setclosure.progress import progress
from setclosure.provenance import provenance

STEPS = {"stage_one": 600, "stage_two": 1500}
"""The most steps of each stage that a candidate is trained for."""

EPOCHS = 10
"""A candidate is judged so often in each stage."""

LONG = 3
"""The number of the best candidates that are trained again, over longer horizons."""


@dataclass(frozen=True)
class Result:
    """A candidate that was trained.

    Attributes
    ----------
    name : str
        The candidate in words.
    model : dict
        Its specification, with numbers in the place of what was chosen from the data.
    error : float
        The error of its validation rollouts, in standard deviations of the observables in training.
    numbers : int
        The numbers of its closure that were kept.
    seconds : float
        What its training took.
    """

    name: str
    model: dict[str, Any]
    error: float
    numbers: int
    seconds: float


def compare(
    study: Study,
    datasets: Datasets,
    folder: Path,
    methods: Sequence[str] = (),
    descriptors: Sequence[str] = (),
    steps: dict[str, int] | None = None,
    seed: int = 0,
) -> list[Result]:
    """Train candidates one after another; what is there already in ``folder`` is kept.

    Where the number of particles varies, the dynamics of all candidates knows it (``model.composition``).
    Every candidate learns its drift over one step. The best of them learn it over longer horizons, too, if the dynamics
    is an ODE, whose horizons are chosen by validation rollouts.

    Parameters
    ----------
    study : Study
        The configuration; its section ``model`` says what candidates have in common.
    datasets : Datasets
        The data; only training and validation data are looked at.
    folder : Path
        The folder to make, or to go on in.
    methods, descriptors : sequence of str
        What is compared, as :func:`~setclosure.experiments.candidates.candidates` reads it.
    steps : dict, optional
        Steps of ``stage_one`` and ``stage_two``; :data:`STEPS` by default, and never more than the configuration says.
    seed : int
        Root seed of all trainings.

    Returns
    -------
    list of Result
        All that could be trained, the best first.

    Raises
    ------
    RunError
        If the folder holds another comparison, or no candidate could be trained.
    """
    model = study.model
    if datasets.train.layout.ragged:  # how many particles there are may decide, and weights cannot show it
        model = model.model_copy(update={"composition": True})
    found = candidates(model, ModelFacts.of(datasets.train).kind, methods, descriptors)
    training = _budget(study.training, steps or STEPS)
    facts = {
        "candidates": {name: model.model_dump(mode="json") for name, model in found.items()},
        "training": training.model_dump(mode="json"),
        "seed": seed,
        "data": [data.fingerprint for data in (datasets.train, datasets.validation) if data is not None],
    }
    path = folder / "candidates.json"
    if claim(f"{folder} holds a comparison", read_json(path) if path.exists() else None, facts, resume=True):
        write_json(path, facts)
    work = _Work(datasets, training, folder, seed)
    first = work.all(found, "compare", len(found))
    if not first:
        raise RunError("no candidate could be trained; the warnings above say why.")
    best = sorted(first, key=lambda result: result.error)[:LONG]
    long = {f"{result.name}, longer horizons": _longer(result.model) for result in best}
    more = work.all({name: model for name, model in long.items() if model is not None}, "longer horizons", LONG)
    results = sorted([*first, *more], key=lambda result: result.error)
    write_json(
        folder / "compare.json",
        {"results": [vars(result) for result in results], "provenance": provenance(), "seed": seed},
    )
    write_text(folder / "chosen.yaml", yaml.safe_dump(chosen(study, results[0]), sort_keys=False, allow_unicode=True))
    return results


def chosen(study: Study, best: Result) -> dict[str, Any]:
    """Give the configuration of a study with the model that was found best."""
    values: dict[str, Any] = study.model_dump(mode="json")
    return values | {"model": best.model}


class _Work:
    """The trainings of one comparison."""

    def __init__(self, datasets: Datasets, training: FitSettings, folder: Path, seed: int) -> None:
        self.datasets, self.training, self.folder, self.seed = datasets, training, folder, seed

    def all(self, found: dict[str, ModelSettings], what: str, total: int) -> list[Result]:
        results = []
        with progress(what, total, "candidates") as advance:
            for done, (name, model) in enumerate(found.items()):
                result = self.one(name, model)
                if result is not None:
                    results.append(result)
                advance(done + 1, "" if result is None else f"{name}: error {result.error:.4g}")
        return results

    def one(self, name: str, model: ModelSettings) -> Result | None:
        """Train a candidate, or read what it gave before; None with a warning where it cannot be trained."""
        folder = self.folder / "trained" / sha256(name.encode())[:12]
        if (folder / "result.json").is_file():
            return Result(**read_json(folder / "result.json"))
        start = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SetclosureWarning)  # of single candidates; the choice is what counts
                trained = ClosureEstimator(settings=model, training=self.training).fit(
                    self.datasets.train,
                    self.datasets.validation,
                    seed=self.seed,
                    folder=folder / "fit",
                    resume=True,
                    reuse=[other / "fit" for other in (self.folder / "trained").glob("*") if other != folder],
                    progress=False,
                )
        except (ModelError, MicrostateError, ConfigurationError) as error:
            warnings.warn(f"candidate '{name}' is left out: {error}", SetclosureWarning, stacklevel=2)
            return None
        kept = kept_row(trained.history["stage_two"], "rollout_error", self.training.stage_two)
        numbers = trained.parts.autoencoder.closure_dim
        settings = trained.settings.model_dump(mode="json")
        result = Result(name, settings, kept["rollout_error"], numbers, time.perf_counter() - start)
        write_json(folder / "result.json", vars(result))
        return result


def _budget(training: FitSettings, steps: dict[str, int]) -> FitSettings:
    values = training.model_dump(mode="json")
    for stage, most in steps.items():
        n = min(most, values[stage]["steps"])
        values[stage] |= {"steps": n, "steps_per_epoch": max(1, n // EPOCHS)}
    return FitSettings.parse(values)


def _longer(model: dict[str, Any]) -> ModelSettings | None:
    """Give the same model with horizons that are chosen; None for dynamics that has none."""
    settings = ModelSettings.parse(model)
    if not isinstance(settings.dynamics, ODEConfig):
        return None
    return ModelSettings.parse(model | {"dynamics": model["dynamics"] | {"horizons": "auto"}})
