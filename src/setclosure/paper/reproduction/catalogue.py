"""The catalogue lists every table and figure that can be made, with the numbers that the paper prints of it."""

from __future__ import annotations

from typing import Any

from setclosure.paper.reproduction.bands import Bands, images, snapshots
from setclosure.paper.reproduction.figure4 import Figure4
from setclosure.paper.reproduction.figure5 import Figure5
from setclosure.paper.reproduction.figure8 import Figure8
from setclosure.paper.reproduction.unravelling import Unravelling
from setclosure.tables.exhibits import Column, Exhibit, Row, Table, ours

PARTICLES = "interacting_particles"
MIXING = "lennard_jones"
POLYMER = "polymer"
STARTS = ("fast", "medium", "slow")
TESTS = tuple(Column(split, split) for split in ("in_dst", "diff_init", "diff_n"))
SWEEP_BUDGET = {"training.stage_one.steps": 1500, "training.stage_two.steps": 6000, "training.stage_two.views": 1}
"""Tables of many models that differ in one setting train each of them a third as long as Table 1 does."""

OURS = {"in_dst": (5.19e-5, 0.25e-5), "diff_init": (4.38e-4, 0.19e-4), "diff_n": (5.22e-5, 0.46e-5)}
"""The row of the paper's own method in its Tables 1 and 3: test → mean and standard deviation."""

TRANSIENT = {"training.stage_two.transient_share": 0.5}
"""Stage two draws half of its pairs where the observable changes fast. Some methods gain and others lose by that, so a
method has this setting if it does better with it on development data (the table ``baselines``)."""

DEVELOPMENT = tuple(Column(c.name, c.split, {"simulation.seed": 90001}) for c in TESTS)
"""The tests of Table 1 on other simulations. Settings are chosen by these, so that the data of Table 1 take part in no
choice."""

POINTWISE = ("ae-aug", "ae-inve", "ae-inve-cd")
SYMMETRIES = ("none", "translation", "euclidean")
ONE_CHANGE: tuple[tuple[str, Any], ...] = (
    ("model.symmetry", "none"),
    ("model.symmetry", "translation"),
    ("model.bandwidth", 0.05),
    ("model.dynamics.drift.activation", "silu"),
    ("training.stage_one.transient_share", 0.0),
    ("training.stage_two.transient_share", 0.5),
    ("training.stage_two.learning_rate", 2e-3),
)
"""Rows of the table ``what-helps``: each changes one key of the configuration."""

MORE_CHAINS = {"simulation.trajectories.train": 240}
NUMBERED_BEADS = {"simulation.system.microstates": "numbered beads"}
POLYMER_CHANGES: tuple[tuple[str, Any], ...] = (
    ("model.closure_dim", 8),
    ("model.weight_feature", 2),
    ("model.bandwidth", 0.3),
    *MORE_CHAINS.items(),
)
"""Rows of the table ``slow``: each changes one key of the polymer's configuration."""


def _changed(changes: tuple[tuple[str, Any], ...]) -> tuple[Row, ...]:
    """Make rows of the paper's method, each with one key changed."""
    return tuple(Row("density", {key: value}, f"{key}={value}") for key, value in changes)


EXHIBITS: dict[str, Exhibit] = {
    "table1": Table(
        title="Table 1: relative error of the energy of interacting particles, by method",
        study=PARTICLES,
        rows=(
            Row("ae-aug"),
            *(Row(method, TRANSIENT) for method in ("ae-inve", "ae-inve-cd", "inve")),
            Row("none"),
            Row("density"),
        ),
        columns=TESTS,
        printed={
            "ae-aug": {"in_dst": (1.25e-3, 0.016e-3), "diff_init": (8.04e-4, 0.10e-4)},
            "ae-inve": {"in_dst": (2.41e-4, 0.34e-4), "diff_init": (5.87e-4, 0.49e-4), "diff_n": (2.49e-4, 0.43e-4)},
            "ae-inve-cd": {"in_dst": (6.14e-5, 0.73e-5), "diff_init": (3.90e-4, 0.12e-4), "diff_n": (6.43e-5, 1.10e-5)},
            "inve": {"in_dst": (6.01e-5, 0.49e-5), "diff_init": (4.85e-4, 0.11e-4), "diff_n": (6.13e-5, 0.30e-5)},
            "ours": OURS,
        },
    ),
    "figure4": Figure4(),
    "figure5": Figure5(study=PARTICLES),
    "table3": Table(
        title="Table 3: DeepSet against Set Transformer as the encoder",
        study=PARTICLES,
        rows=(Row("density"), Row("density-set-transformer")),
        columns=TESTS,
        printed={
            "ours": OURS,
            "ours-set-transformer": {
                "in_dst": (3.20e-5, 0.48e-5),
                "diff_init": (1.70e-3, 0.24e-3),
                "diff_n": (2.60e-5, 0.23e-5),
            },
        },
    ),
    "table4": Table(
        title="Table 4: in-distribution error by the dimension of the closure",
        study=PARTICLES,
        rows=(Row("density"),),
        columns=tuple(Column(str(c), "in_dst", {"model.closure_dim": c}) for c in range(1, 9)),
        printed={
            "ours": {
                "1": (1.6e-3, 8.6e-6),
                "2": (1.1e-3, 4.5e-4),
                "3": (7.0e-4, 3.0e-5),
                "4": (7.2e-4, 4.1e-5),
                "5": (4.5e-5, 1.5e-6),
                "6": (4.6e-5, 2.3e-6),
                "7": (5.0e-5, 1.9e-6),
                "8": (5.2e-5, 2.5e-6),
            }
        },
        budgets={"laptop": SWEEP_BUDGET},
        seeds={"laptop": (0,)},
    ),
    "table5": Table(
        title="Table 5: in-distribution error by the bandwidth ε",
        study=PARTICLES,
        rows=(Row("density"),),
        columns=tuple(Column(f"1e-{k}", "in_dst", {"model.bandwidth": 10.0**-k}) for k in range(1, 9)),
        printed={
            "ours": {
                "1e-1": (6.9e-5, 4.3e-6),
                "1e-2": (5.2e-5, 2.5e-6),
                "1e-3": (5.0e-5, 1.2e-5),
                "1e-4": (5.5e-5, 2.7e-6),
                "1e-5": (5.5e-5, 9.7e-6),
                "1e-6": (6.4e-5, 9.0e-6),
                "1e-7": (5.3e-5, 3.8e-6),
                "1e-8": (6.1e-5, 4.0e-6),
            }
        },
        budgets={"laptop": SWEEP_BUDGET},
        seeds={"laptop": (0,)},
    ),
    "table2": Table(
        title="Table 2: discrepancy of the mixing ratios of a Lennard-Jones mixture, by method",
        study=MIXING,
        rows=tuple(map(Row, ("ae-aug", "ae-inve", "ae-inve-cd", "inve", "none", "density", "truth"))),
        columns=TESTS,
        printed={
            "ae-aug": {"in_dst": (1.91e-2, 0.22e-2), "diff_init": (1.07e-1, 0.045e-1)},
            "ae-inve": {"in_dst": (2.60e-2, 0.46e-2), "diff_init": (9.17e-2, 0.47e-2), "diff_n": (5.26e-2, 0.75e-2)},
            "ae-inve-cd": {
                "in_dst": (2.24e-2, 0.92e-2),
                "diff_init": (1.04e-1, 0.050e-1),
                "diff_n": (2.16e-2, 0.99e-2),
            },
            "inve": {"in_dst": (1.43e-1, 0.049e-1), "diff_init": (1.22e-1, 0.048e-1), "diff_n": (1.41e-1, 0.053e-1)},
            "ours": {"in_dst": (1.09e-2, 0.11e-2), "diff_init": (5.70e-2, 0.14e-2), "diff_n": (9.64e-3, 0.084e-3)},
        },
        printed_metric="mmd",
    ),
    "figure6": Bands(
        study=MIXING,
        title="Figure 6: mixing ratios from three boundaries of the species",
        methods=("density", "inve"),
        splits=("boundary_",),
        pictures=snapshots,
    ),
    "figure7": Bands(
        study=POLYMER,
        title="Figure 7: extension of a polymer from three starts",
        methods=("density", "none"),
        splits=STARTS,
        pictures=images,
    ),
    "figure8": Figure8(study=POLYMER),
    "figure9": Bands(
        study=POLYMER,
        title="Figure 9: extension of a polymer by models of images",
        methods=("cnn", "vit"),
        splits=STARTS,
    ),
    "slow": Table(
        title="The slow start of the polymer: what was tried, on development data",
        study=POLYMER,
        rows=(
            *map(Row, ("none", "density")),
            *_changed(POLYMER_CHANGES),
            Row("density", {"simulation.system.microstates": "beads"}, "beads for pixels"),
            Row("density", NUMBERED_BEADS, "numbered beads for pixels"),
            Row("density", {**NUMBERED_BEADS, **MORE_CHAINS}, "numbered beads for pixels, 240 chains"),
        ),
        columns=tuple(Column(s, s, {"simulation.seed": 90001, "simulation.system.start_seed": 1}) for s in STARTS),
        budgets={
            "laptop": {
                "simulation.trajectories": {"train": 60, "validation": 12, "each_test": 16},
                "simulation.system.n_frames": 601,
                "training.stage_one.steps": 1500,
                "training.stage_two.steps": 6000,
            }
        },
        seeds={"laptop": (0,)},
    ),
    "unravelling": Unravelling(study=POLYMER),
    "baselines": Table(
        title="Baselines: what was tried for each, on development data",
        study=PARTICLES,
        rows=(
            *(Row(m, {"model.symmetry": s}, f"{m}, {s}") for m in POINTWISE for s in SYMMETRIES),
            *(Row(m, TRANSIENT, f"{ours(m)}, euclidean, transient") for m in (*POINTWISE, "inve", "none", "density")),
            Row("inve"),
            Row("inve", {"training.stage_one.learning_rate": 3e-4}, "inve, learning rate 3e-4"),
            Row("none"),
            Row("density"),
        ),
        columns=DEVELOPMENT,
        budgets={"laptop": SWEEP_BUDGET},
        seeds={"laptop": (0,)},
    ),
    "what-helps": Table(
        title="What helps: one change at a time to ours, on development data",
        study=PARTICLES,
        rows=(
            Row("density"),
            *_changed(ONE_CHANGE),
            Row("density-mixture"),
            *(Row("density-joint", {"model.dynamics_weight": w}, f"ours-joint, weight {w:g}") for w in (1e-1, 1e-3)),
            Row("none"),
        ),
        columns=DEVELOPMENT,
        budgets={"laptop": SWEEP_BUDGET},
        seeds={"laptop": (0,)},
    ),
}
