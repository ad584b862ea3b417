"""The command ``compare``: which closure, if any, pays on these data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from setclosure.experiments.cli.shared import Config, Data, Set, say, standard_output


def compare(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Folder to make, or to go on in.", metavar="DIR")],
    methods: Annotated[
        str | None,
        typer.Option("--methods", help="Methods; none, pooled, density and the configuration's own by default."),
    ] = None,
    descriptors: Annotated[
        str | None,
        typer.Option(
            "--descriptors",
            help="Descriptors, e.g. features,environment,features+radial; by default all that fit the data.",
        ),
    ] = None,
    steps: Annotated[
        str | None, typer.Option("--steps", help="Steps of both stages for each candidate; 600,1500 by default.")
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train, evaluate and report the best one with its whole budget.")
    ] = False,
    data: Data = None,
    set_: Set = None,
) -> None:
    """Train candidates with small budgets, rank them on validation rollouts, and write the best one's configuration.

    A stopped comparison goes on with the same command. Test data are not looked at.
    """
    from setclosure.experiments import pipeline
    from setclosure.experiments.cli.tables import results_of
    from setclosure.experiments.compare import compare as work
    from setclosure.experiments.compared import comparison_table, verdict
    from setclosure.experiments.configuration import load_study
    from setclosure.experiments.report import build_report
    from setclosure.experiments.run import Run
    from setclosure.experiments.study import SimulationStudy

    study = load_study(config, set_)
    folder = pipeline.data_folder(study, data, out)
    if isinstance(study, SimulationStudy) and folder is not None:
        pipeline.simulate(study, folder)
    results = work(
        study, pipeline.open_data(study, folder), out, _listed(methods), _listed(descriptors), _budget(steps)
    )
    standard_output().print(comparison_table(results))
    for sentence in verdict(results):
        say(sentence)
    say(f"Configuration of the best: {out / 'chosen.yaml'}")
    if retrain:
        best, run = load_study(out / "chosen.yaml"), out / "run"
        made = Run.create(best, run, resume=True)
        pipeline.train(best, folder, run, resume=True, run=made)
        pipeline.evaluate(run, folder)
        path = build_report(run)
        standard_output().print(results_of(run))
        say(f"Report: {path}")


def _listed(text: str | None) -> list[str]:
    return [] if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _budget(text: str | None) -> dict[str, int] | None:
    """Read the steps of both stages.

    Raises
    ------
    ConfigurationError
        If they are not two whole numbers of at least one.
    """
    from setclosure.errors import ConfigurationError

    if text is None:
        return None
    numbers = _listed(text)
    if len(numbers) != 2 or not all(n.isdigit() and int(n) > 0 for n in numbers):
        raise ConfigurationError(f"--steps takes two whole numbers such as 600,1500; got '{text}'.")
    return {"stage_one": int(numbers[0]), "stage_two": int(numbers[1])}
