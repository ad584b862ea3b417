"""Run every benchmark, print a table, write ``benchmarks/results.json``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.data import random_frames, whole_trajectories, write_and_check
from benchmarks.flow import spline_flow_step
from benchmarks.importing import dump_import
from benchmarks.mixing import lennard_jones_campaign, mixing_ratio
from benchmarks.particles import pair_energy, pair_forces
from benchmarks.pixels import rendering
from benchmarks.polymer import polymer_steps
from benchmarks.ragged import ragged_training
from benchmarks.rollout import rollout_steps
from benchmarks.training import encode, stage_one_step
from setclosure.files import write_json
from setclosure.provenance import provenance

ALL = (
    pair_forces,
    pair_energy,
    lennard_jones_campaign,
    mixing_ratio,
    rendering,
    polymer_steps,
    spline_flow_step,
    stage_one_step,
    ragged_training,
    encode,
    random_frames,
    whole_trajectories,
    write_and_check,
    dump_import,
    rollout_steps,
)
RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    """Run, print, write."""
    console = Console()
    rows = []
    for benchmark in ALL:
        console.print(f"{benchmark.__name__} …")
        rows.append(benchmark())
    write_json(RESULTS, {"benchmarks": rows, "provenance": provenance()})
    table = Table(title="Benchmarks", title_justify="left")
    for title in ("name", "value", "unit", "times faster than", "share of matrix-product peak"):
        table.add_column(title, justify="right" if title == "value" else "left")
    for row in rows:
        ratios = ", ".join(f"{peer} {ratio:.3g}×" for peer, ratio in row["ratio"].items())
        share = row.get("share_of_matrix_product_peak")
        table.add_row(row["name"], f"{row['value']:.3g}", row["unit"], ratios, f"{share:.0%}" if share else "")
    console.print(table)
    console.print(f"Wrote {RESULTS}")


if __name__ == "__main__":
    main()
