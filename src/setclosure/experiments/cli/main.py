"""The ``setclosure`` command. It only parses, calls and prints; the work is done below."""

from __future__ import annotations

import io
import shlex
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from setclosure.errors import SetclosureError, SetclosureWarning
from setclosure.processes import is_first_process


class _StopError(Exception):
    """Ctrl-C, as something that the parser of the command line does not take for its own."""


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
    add_completion=False,
)

Config = Annotated[Path, typer.Argument(help="Configuration file (YAML).", metavar="CONFIG", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override a setting, e.g. model.closure_dim=4. Repeatable.", metavar="SECTION.KEY=VALUE"
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a stopped run was.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Trajectories at a time; by default one a core.")]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", help="Simulate on the workers of a Dask cluster.", metavar="tcp://HOST:PORT"),
]


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
    _say(f"Data sets are in [bold]{escape(str(out))}[/bold].")


@app.command()
def train(
    config: Config,
    data: Annotated[Path, typer.Option("--data", help="Data folder, from simulate.", metavar="DIR")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to make.", metavar="RUN")],
    resume: Resume = False,
    set_: Set = None,
) -> None:
    """Train every seed of a study: the autoencoder, then the macro dynamics."""
    from setclosure.experiments.configuration import load_study
    from setclosure.experiments.pipeline import train as work

    work(load_study(config, set_), data, out, resume)
    _say(f"Trained. Next: [bold]{escape(shlex.join(['setclosure', 'evaluate', str(out), '--data', str(data)]))}[/bold]")


@app.command()
def evaluate(
    run: RunFolder,
    data: Annotated[Path, typer.Option("--data", help="Data folder, from simulate.", metavar="DIR")],
) -> None:
    """Predict every test trajectory from its first frame; write RUN/metrics.json and print it."""
    from setclosure.experiments.cli.tables import results_of
    from setclosure.experiments.pipeline import evaluate as work

    work(run, data)
    _console().print(results_of(run))


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
            help=".npy (N, d) or (B, N, d), .npz of sets, or .npz of points and their species, masses, observables.",
            metavar="FILE",
        ),
    ],
    steps: Annotated[int, typer.Option("--steps", min=1, help="Frames to predict.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: .npz with times, observables, …", metavar="FILE")],
    samples: Annotated[int, typer.Option("--samples", min=1, help="Paths of the noise for each start.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the noise.")] = 0,
    training_seed: Annotated[
        int | None, typer.Option("--training-seed", help="Which training seed of the run; the first by default.")
    ] = None,
) -> None:
    """Predict the macroscopic future of initial microstates, and say whether they lie in the training range."""
    from setclosure.experiments.cli.prediction import find_model, predict_file

    for line in predict_file(find_model(run, training_seed), initial, steps, out, samples=samples, seed=seed):
        _say(escape(line))


@app.command()
def report(run: RunFolder) -> None:
    """Write RUN/report.html, one file that shows the whole run."""
    from setclosure.experiments.report import build_report

    _say(f"Report: [bold]{escape(str(build_report(run)))}[/bold]")


@app.command()
def run(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Run folder to make.", metavar="RUN")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Data folder to use or make; RUN/data by default.", metavar="DIR"),
    ] = None,
    resume: Resume = False,
    set_: Set = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Simulate, train, evaluate and report: the whole main job."""
    from setclosure.experiments.cli.tables import results_of
    from setclosure.experiments.report import build_report
    from setclosure.experiments import pipeline
    from setclosure.experiments.configuration import load_study
    from setclosure.experiments.runs import Run

    study = load_study(config, set_)
    pipeline.require_trainable(study)  # hours before it is trained
    made = Run.create(study, out, resume)
    folder = data or out / "data"
    pipeline.simulate(study, folder, workers, scheduler)
    pipeline.train(study, folder, out, resume=True, run=made)
    pipeline.evaluate(out, folder)
    path = build_report(out)
    _console().print(results_of(out))
    _say(f"Report: [bold]{escape(str(path))}[/bold]")


@app.command()
def reproduce(
    name: Annotated[str | None, typer.Argument(help="A table or figure; see --list.", metavar="NAME")] = None,
    scale: Annotated[str, typer.Option("--scale", help="demo, laptop or paper.", metavar="SCALE")] = "demo",
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", help="Training seeds; those of the scale by default.", metavar="0,1,2"),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Results folder.", metavar="DIR")] = Path("results"),
    work: Annotated[
        Path, typer.Option("--work", help="Where data and runs are made, and found again.", metavar="DIR")
    ] = Path("runs/reproduce"),
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Trainings at a time; by default one a core, or one with a GPU.")
    ] = None,
    set_: Set = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what there is to reproduce.")] = False,
) -> None:
    """Make a table or figure of the paper from nothing; what is there already, is used, and a killed run goes on."""
    from setclosure.paper.reproduction.command import list_exhibits, parse_seeds
    from setclosure.paper.reproduction.reproduce import reproduce as work_on

    if list_ or name is None:
        _console().print(list_exhibits())
        return
    result = work_on(name, scale, parse_seeds(seeds), out, work, jobs, set_ or [])
    path = out / scale / f"{name}.md"
    _console().print(path.read_text(), markup=False, highlight=False, soft_wrap=True)
    _say(f"Written: [bold]{escape(str(path.with_suffix('.json')))}[/bold], with {len(result['rows'])} rows.")


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A data set, a data folder, a run or a saved model.", metavar="PATH")],
) -> None:
    """Say what a data set or a run holds: schema, fingerprint, provenance, damage."""
    from setclosure.experiments.cli.inspection import inspect_path

    damaged = inspect_path(path, Console())
    if damaged:
        raise typer.Exit(1)


def _console() -> Console:
    """Standard output, where the first process of a distributed training alone speaks."""
    return Console(quiet=not is_first_process())


def _say(text: str) -> None:
    _console().print(text, soft_wrap=True, highlight=False)


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
        resumes = "--resume" in sys.argv or sys.argv[1:2] not in (["run"], ["train"])
        Console(stderr=True).print(
            f"\nStopped. Nothing finished was lost; go on with:\n  {again}{'' if resumes else ' --resume'}",
            markup=False,
            soft_wrap=True,
            highlight=False,
        )
        sys.exit(130)


if __name__ == "__main__":
    main()
