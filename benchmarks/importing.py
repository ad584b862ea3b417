"""Speed of the import of LAMMPS dumps, beside MDAnalysis reading the same files.

A dump is 41 frames of 320 particles, as LAMMPS writes them: out of order, with six digits. The import looks at all
files, reads them with a log file for each, and commits each trajectory with the checksums of its files to a data set.
MDAnalysis reads the dumps alone. Both run in one process on one core, one after the other, several times.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.trajectories.readers.base import Source
from setclosure.trajectories.readers.importing import import_files
from setclosure.trajectories.readers.mdanalysis import MDAnalysisConfig
from setclosure.trajectories.readers.spec import ImportSpec

FILES, FRAMES, PARTICLES = 40, 41, 320
ROUNDS = 3

HEAD = """ITEM: TIMESTEP
{step}
ITEM: NUMBER OF ATOMS
{n}
ITEM: BOX BOUNDS pp pp pp
0.0000000000000000e+00 2.2000000000000000e+01
0.0000000000000000e+00 2.2000000000000000e+01
-5.0000000000000000e-01 5.0000000000000000e-01
ITEM: ATOMS id type x y z vx vy vz
"""

SPECIFICATION = {
    "files": "run_{seed}.lammpstrj",
    "reader": {"name": "mdanalysis"},
    "features": {"position": ["x", "y"], "vectors": [["vx", "vy"]]},
    "species": {"from": "type"},
    "observables": [{"log": "run_{seed}.log", "columns": {"PotEng": "energy"}}],
    "splits": {"train": 1.0},
    "name": "benchmark",
}


def write_dumps(folder: Path, files: int) -> list[Path]:
    """Write dumps of particles that move at random."""
    rng = np.random.default_rng(0)
    paths = []
    for m in range(files):
        x = rng.uniform(0, 22, (PARTICLES, 2))
        kinds = rng.integers(1, 3, PARTICLES)
        text = []
        for t in range(FRAMES):
            x = (x + 0.1 * rng.normal(size=x.shape)) % 22
            v = rng.normal(size=x.shape)
            text.append(HEAD.format(step=100 * t, n=PARTICLES))
            text += [
                f"{i + 1} {kinds[i]} {x[i, 0]:g} {x[i, 1]:g} 0 {v[i, 0]:g} {v[i, 1]:g} 0 \n"
                for i in rng.permutation(PARTICLES)
            ]
        paths.append(folder / f"run_{m}.lammpstrj")
        paths[-1].write_text("".join(text))
        rows = [f"{100 * t} 1.0 {rng.normal():g}\n" for t in range(FRAMES)]
        log = "".join(["Step Temp PotEng\n", *rows, "Loop time of 1 on 1 procs for 4000 steps with 320 atoms\n"])
        paths[-1].with_suffix(".log").write_text(log)
    return paths


def _with_mdanalysis(paths: list[Path]) -> None:
    import MDAnalysis

    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            universe = MDAnalysis.Universe(
                str(path), format="LAMMPSDUMP", topology_format="LAMMPSDUMP", to_guess=(), convert_units=False
            )
            for _ in universe.trajectory:
                pass


def _with_our_reader(paths: list[Path]) -> None:
    for path in paths:
        for _ in MDAnalysisConfig().frames(Source((path,))):
            pass


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def dump_import(files: int = FILES) -> dict[str, Any]:
    """Megabytes of dumps that are imported in a second, beside MDAnalysis and beside the reader alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_dumps(folder, files)
        size = sum(path.stat().st_size for path in paths) * 1e-6
        spec = ImportSpec.parse(SPECIFICATION)
        import_files(spec, folder / "warm", folder, pool=1)  # imports and compiles
        _with_mdanalysis(paths[:1])
        rows = [
            (
                _seconds(lambda k=k: import_files(spec, folder / f"data{k}", folder, pool=1)),
                _seconds(lambda: _with_mdanalysis(paths)),
                _seconds(lambda: _with_our_reader(paths)),
            )
            for k in range(ROUNDS)
        ]
    return {
        "name": f"import of {files} LAMMPS dumps, {FRAMES} frames of {PARTICLES} particles",
        "value": size / statistics.median(own for own, _, _ in rows),
        "unit": "MB/s",
        "ratio": {
            "MDAnalysis reading": statistics.median(other / own for own, other, _ in rows),
            "its reader alone": statistics.median(alone / own for own, _, alone in rows),
        },
    }


if __name__ == "__main__":
    print(json.dumps(dump_import(int(sys.argv[1]) if len(sys.argv) > 1 else FILES), indent=2))
