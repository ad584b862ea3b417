"""``setclosure import`` reads files of other programs into data sets, and prepares a configuration for them."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from setclosure.experiments.cli.shared import Scheduler, Workers, say


def import_(
    spec: Annotated[Path, typer.Argument(help="Import specification (YAML).", metavar="SPEC", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Data folder.", metavar="DIR")],
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Read files of other programs into data sets in DIR; a stopped import goes on where it was."""
    import numpy as np

    from setclosure.experiments.configuration import read_values
    from setclosure.progress import progress
    from setclosure.simulate.workers import open_workers
    from setclosure.trajectories.dataset import TrajectoryDataset
    from setclosure.trajectories.readers.importing import import_files
    from setclosure.trajectories.readers.pool import Pool
    from setclosure.trajectories.readers.spec import ImportSpec
    from setclosure.trajectories.summary import summarise

    wanted = ImportSpec.parse(read_values(spec, "an import specification"), f"in {spec}")
    with ExitStack() as stack:
        pool: Pool | int | None = workers
        if scheduler is not None:
            cluster = stack.enter_context(open_workers(False, workers, scheduler))
            pool = Pool(cluster.executor, cluster.window, cluster.lost)
        made = import_files(wanted, out, spec.parent, pool=pool, shows=progress)
    for path in made.values():
        data = TrajectoryDataset.open(path)
        say(repr(data))
        for words in summarise(data, np.arange(data.n_trajectories)).suspicious:
            say(f"Suspicious in {path.name}: {words}")
    configuration = out / "run.yaml"
    if not configuration.exists():
        write_configuration(wanted, made, configuration)
    say(f"Look at the data: {shlex.join(['setclosure', 'inspect', str(out)])}")
    say(f"Learn from them: {shlex.join(['setclosure', 'run', str(configuration), '--out', 'RUN'])}")


def write_configuration(spec: Any, made: dict[str, Path], path: Path) -> None:
    """Write a configuration that learns from imported data, with the defaults of everything else.

    Parameters
    ----------
    spec : ImportSpec
        The specification of the import.
    made : dict
        The data sets by name; ``train`` is learned from and ``validation`` decides between weights, if they are there,
        and all others are tests.
    path : Path
        The file, in the folder of the data sets.
    """
    import yaml

    from setclosure.files import write_text

    names = list(made)
    train = "train" if "train" in made else names[0]
    fitted = [train] + (["validation"] if "validation" in made and train != "validation" else [])
    data: dict[str, Any] = {role: made[name].name for role, name in zip(("train", "validation"), fitted, strict=False)}
    data["tests"] = {name: made[name].name for name in names if name not in fitted}
    head = (
        "# Written by `setclosure import`; `setclosure run` reads it. All other sections have their defaults: see the\n"
        "# documentation of the configuration, and change what you like.\n"
    )
    write_text(path, head + yaml.safe_dump({"name": spec.name, "data": data}, sort_keys=False, allow_unicode=True))
