"""The ``setclosure`` command. It only parses, calls and prints; the work is done below."""

from __future__ import annotations

import io
import logging
import shlex
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from setclosure.errors import SetclosureError, SetclosureWarning
from setclosure.experiments.cli.comparing import compare
from setclosure.experiments.cli.conformance import check_part
from setclosure.experiments.cli.importing import import_
from setclosure.experiments.cli.shared import (
    Config,
    Data,
    Resume,
    RunFolder,
    Scheduler,
    Set,
    Workers,
    say,
    standard_output,
)
from setclosure.registry import installed

COMMANDS = "setclosure.commands"
"""Entry points of this group add commands: each has a name, and a function with Typer's annotations."""


class _StopError(Exception):
    """Ctrl-C was pressed: an error that the parser of the command line does not take for its own."""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        from setclosure.files import reading_errors  # with NumPy, which --help does without

        try:
            with reading_errors(Path.cwd()):
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _StopError from error


app = typer.Typer(
    name="setclosure",
    cls=_Commands,
    help="Learn the macroscopic law of unordered particles: closure variables that no permutation can change, "
    "and the dynamics that they close.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"setclosure {version('setclosure')}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    plugin: Annotated[
        list[Path] | None,
        typer.Option("--plugin", help="Python file that registers parts of your own. Repeatable.", metavar="FILE"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done at each step.")] = False,
    version_: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Load plugins, and set what is shown."""
    from setclosure.progress import progress_shown
    from setclosure.registry import load_plugin

    if verbose:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("setclosure").setLevel(logging.INFO)
    for path in plugin or []:
        load_plugin(path)
    context.with_resource(progress_shown(not quiet))


@app.command()
def simulate(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Data folder.", metavar="DIR")],
    set_: Set = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Simulate every split of a study into DIR; a stopped simulation goes on where it was."""
    from setclosure.experiments.configuration import load_study
    from setclosure.experiments.pipeline import simulate as work

    work(load_study(config, set_), out, workers, scheduler)
    say(f"The data are in {out}.")


@app.command()
def train(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Run folder to make.", metavar="RUN")],
    data: Data = None,
    resume: Resume = False,
    set_: Set = None,
) -> None:
    """Train every seed of a study: the autoencoder, then the macro dynamics."""
    from setclosure.experiments.configuration import load_study
    from setclosure.experiments.pipeline import data_folder
    from setclosure.experiments.pipeline import train as work
    from setclosure.experiments.run import skills_of

    study = load_study(config, set_)
    work(study, data_folder(study, data, out), out, resume)
    for line in skills_of(out):
        say(line)
    again = ["setclosure", "evaluate", str(out), *(["--data", str(data)] if data else [])]
    say(f"Trained. Next: {shlex.join(again)}")


@app.command()
def evaluate(
    run: RunFolder,
    data: Data = None,
    data_path: Annotated[
        list[str] | None,
        typer.Option(
            "--data-path",
            help="Where data of the section 'data' are now, e.g. train=/new/train.zarr. Repeatable.",
            metavar="NAME=PATH",
        ),
    ] = None,
) -> None:
    """Predict every test trajectory from its first frame; write RUN/metrics.json and print it."""
    from setclosure.experiments.cli.prediction import parse_places
    from setclosure.experiments.cli.tables import results_of
    from setclosure.experiments.pipeline import data_folder
    from setclosure.experiments.pipeline import evaluate as work
    from setclosure.experiments.run import Run

    places = parse_places(data_path)
    work(run, data_folder(Run(run).study, data, run), places)
    standard_output().print(results_of(run))


@app.command()
def predict(
    run: Annotated[
        Path,
        typer.Argument(help="Run folder, or folder of a saved model.", metavar="RUN", show_default=False),
    ],
    initial: Annotated[
        Path,
        typer.Option(
            "--initial",
            help=".npy (N, d) or (B, N, d), .npz of sets, or .npz of points, species, masses, cell, observables.",
            metavar="FILE",
        ),
    ],
    steps: Annotated[int, typer.Option("--steps", min=1, help="Frames to predict.")],
    out: Annotated[
        Path, typer.Option("--out", help="File to write, by its ending: .npz, .csv, .nc or .parquet.", metavar="FILE")
    ],
    samples: Annotated[int, typer.Option("--samples", min=1, help="Paths of the noise for each start.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the noise.")] = 0,
    context: Annotated[
        list[str] | None,
        typer.Option("--context", help="What is known from outside, e.g. temperature=300. Repeatable.", metavar="K=V"),
    ] = None,
    training_seed: Annotated[
        int | None, typer.Option("--training-seed", help="Which training seed of the run; the first by default.")
    ] = None,
) -> None:
    """Predict the macroscopic future of initial microstates, and say whether they lie in the training range."""
    from setclosure.experiments.cli.prediction import find_model, parse_context, predict_file

    options = {"samples": samples, "seed": seed, "context": parse_context(context)}
    for line in predict_file(find_model(run, training_seed), initial, steps, out, **options):
        say(line)


@app.command()
def report(run: RunFolder) -> None:
    """Write RUN/report.html, one file that shows the whole run."""
    from setclosure.experiments.report import build_report

    say(f"Report: {build_report(run)}")


@app.command()
def run(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Run folder to make.", metavar="RUN")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Data folder to use or make, if data are simulated; RUN/data by default.", metavar="DIR"
        ),
    ] = None,
    resume: Resume = False,
    set_: Set = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Train, evaluate and report, after simulating where a study does: the whole main job."""
    from setclosure.experiments import pipeline
    from setclosure.experiments.cli.tables import results_of
    from setclosure.experiments.configuration import load_study
    from setclosure.experiments.report import build_report
    from setclosure.experiments.run import Run
    from setclosure.experiments.study import SimulationStudy

    study = load_study(config, set_)
    pipeline.require_trainable(study)  # hours before it is trained
    folder = pipeline.data_folder(study, data, out)
    simulates = isinstance(study, SimulationStudy)
    if not simulates:
        study.open(folder)  # data that are missing are told before a run folder is made
    made = Run.create(study, out, resume)
    if simulates and folder is not None:
        pipeline.simulate(study, folder, workers, scheduler)
    pipeline.train(study, folder, out, resume=True, run=made)
    pipeline.evaluate(out, folder)
    path = build_report(out)
    standard_output().print(results_of(out))
    say(f"Report: {path}")


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A data set, a data folder, a run or a saved model.", metavar="PATH")],
) -> None:
    """Say what a data set or a run holds: schema, fingerprint, provenance, damage."""
    from setclosure.experiments.cli.inspection import inspect_path

    damaged = inspect_path(path, Console())
    if damaged:
        raise typer.Exit(1)


app.command("compare")(compare)
app.command("import")(import_)
app.command("check-part")(check_part)


def _add_commands_of_plugins() -> None:
    for name, command in installed(COMMANDS):
        app.command(name)(command)


def _warn(message: Any, category: type[Warning], *args: Any, **kwargs: Any) -> None:
    if issubclass(category, SetclosureWarning):
        Console(stderr=True).print(f"[yellow]Warning:[/yellow] {escape(str(message))}", soft_wrap=True, highlight=False)


def main() -> None:
    """Run the command; a foreseeable mistake prints its message and ends with status 2, Ctrl-C with 130."""
    warnings.showwarning = _warn
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Greek letters gets question marks
    try:
        app()
    except SetclosureError as error:
        console = Console(stderr=True)
        console.print("[bold red]Error:[/bold red] ", end="")
        console.print(str(error), markup=False, soft_wrap=True, highlight=False)
        sys.exit(2)
    except (_StopError, KeyboardInterrupt):
        again = shlex.join(["setclosure", *sys.argv[1:]])
        resumes = "--resume" in sys.argv or not {"run", "train"} & set(sys.argv[1:])
        Console(stderr=True).print(
            f"\nStopped. Nothing finished was lost; go on with:\n  {again}{'' if resumes else ' --resume'}",
            markup=False,
            soft_wrap=True,
            highlight=False,
        )
        sys.exit(130)


_add_commands_of_plugins()

if __name__ == "__main__":
    main()
