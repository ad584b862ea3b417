from __future__ import annotations

import json

import numpy as np
import pytest

from setclosure.errors import DatasetError, ModelError, RunError
from setclosure.evaluation.metrics import mean_relative_error
from setclosure.evaluation.pictures import snapshots
from setclosure.experiments import pipeline
from setclosure.experiments.configuration import load_study
from setclosure.experiments.run import Run, summarise
from setclosure.fit.estimator import ClosureEstimator
from setclosure.model.closure_model import ClosureModel
from setclosure.trajectories.dataset import TrajectoryDataset

SPLITS = {"in_dst", "diff_init", "diff_n"}


def test_metrics_file_has_the_promised_shape(tiny_run):
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    for metric in ("mre", "mre_scaled", "diverged"):
        assert set(metrics[metric]) == SPLITS
        assert all(isinstance(value, float) and np.isfinite(value) for value in metrics[metric].values())
    assert all(set(of_tests) <= SPLITS for of_tests in metrics.values())  # metrics by test, and nothing else
    seconds = json.loads((tiny_run / "seconds.json").read_text())
    assert set(seconds) == {"simulate", "stage_one", "encode", "stage_two", "evaluate"}
    assert all(value > 0 for value in seconds.values())
    permutation = json.loads((tiny_run / "permutation.json").read_text())
    assert set(permutation) == {"deviation"}
    with np.load(tiny_run / "seed-0" / "evaluation" / "permutation.npz") as arrays:
        assert permutation["deviation"] == arrays["deviation"] < 1e-4


def test_the_metrics_are_those_of_the_written_curves(tiny_run):
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    for split in SPLITS:
        with np.load(tiny_run / "seed-0" / "evaluation" / f"{split}.npz") as curves:
            assert np.allclose(curves["truth"][:, 0], curves["predicted"][:, 0], rtol=1e-5)  # both start at z̄_0
            mre, _ = mean_relative_error(curves["truth"][:, 1:], curves["predicted"][:, 1:])
            assert np.isclose(mre, metrics["mre"][split])
            assert (curves["truth"][:, -1] < curves["truth"][:, 0]).all()


def test_evaluation_reads_nothing_of_the_test_data_but_the_first_frame(tiny_run, tiny_data, tiny_study):
    model = ClosureModel.load(tiny_run / "seed-0" / "model")
    data = tiny_study.open_split(tiny_data, "in_dst")
    again = model.predict(data.first(data.usable), data.max_frames - 1).observables[:, 0]
    with np.load(tiny_run / "seed-0" / "evaluation" / "in_dst.npz") as curves:
        assert np.array_equal(curves["predicted"], again)


def test_training_twice_gives_the_same_weights(tiny_study, tiny_data, tiny_run, tmp_path):
    pipeline.train(tiny_study, tiny_data, tmp_path / "again")
    weights = "seed-0/model/weights.safetensors"
    assert (tmp_path / "again" / weights).read_bytes() == (tiny_run / weights).read_bytes()


def test_a_run_folder_is_never_overwritten(tiny_study, tiny_data, tiny_run, tiny_config, tmp_path):
    with pytest.raises(RunError, match="--resume"):
        pipeline.train(tiny_study, tiny_data, tiny_run)
    other = load_study(tiny_config, ["model.closure_dim=2"])
    with pytest.raises(RunError, match=r"model.closure_dim: was 3, is now 2"):
        pipeline.train(other, tiny_data, tiny_run, resume=True)
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="not a run folder"):
        pipeline.train(tiny_study, tiny_data, tmp_path)


def test_other_data_are_refused_with_the_difference(tiny_study, tiny_run, tiny_config, tmp_path):
    other = load_study(tiny_config, ["simulation.seed=1"])
    pipeline.simulate(other, tmp_path)
    with pytest.raises(DatasetError, match=r"holds a simulation that differs .*\n  seed: was 1, is now 0"):
        pipeline.evaluate(tiny_run, tmp_path)


def test_data_that_do_not_say_where_they_are_from_are_told_apart_by_their_content(tiny_run, tiny_data, tmp_path):
    for path in tiny_data.glob("*.zarr"):
        data = TrajectoryDataset.open(path)
        TrajectoryDataset.from_arrays(
            tmp_path / path.name,
            [data.trajectory(m).points.numpy() for m in range(data.n_trajectories)],
            data.observables(),
            times=data.times(0),
        )
    with pytest.raises(RunError, match=r"holds a run that differs .*\n  diff_init: was '\w{64}', is now '\w{64}'"):
        pipeline.evaluate(tiny_run, tmp_path)


def test_missing_and_unfinished_data_are_named(tiny_study, tmp_path):
    with pytest.raises(DatasetError, match=r"no train\.zarr"):
        pipeline.train(tiny_study, tmp_path / "nothing", tmp_path / "run")


@pytest.mark.slow
def test_every_method_without_and_with_a_joint_objective_trains(tiny_config, tiny_data, tmp_path):
    for name, overrides in {
        "none": ["model.method=none"],
        "mixture": ["model.method=density-mixture", "model.decoder={components: 4, hidden: 16}"],
        "set_transformer": ["model.method=density-set-transformer", "model.encoder={width: 16, heads: 2}"],
        "joint": ["model.dynamics_weight=0.5", "model.dynamics.drift={name: onsager, hidden: [16]}"],
        "stochastic": ["model.dynamics.name=euler_maruyama", "model.symmetry=none"],
    }.items():
        study = load_study(tiny_config, overrides)
        pipeline.train(study, tiny_data, tmp_path / name)
        metrics = pipeline.evaluate(tmp_path / name, tiny_data)
        metric = "mmd" if name == "stochastic" else "mre"
        assert all(np.isfinite(value) for value in metrics[metric].values()), name


def test_several_seeds_are_summarised_by_mean_and_sd():
    out = summarise([{"a": 1.0}, {"a": 2.0, "b": 1.0}, {"a": 6.0}])
    assert out == {"a": {"mean": 3.0, "sd": pytest.approx(7**0.5), "values": [1.0, 2.0, 6.0]}}
    assert summarise([{"a": 1.0}]) == {"a": 1.0}


def test_run_of_a_newer_schema_is_refused(tiny_run, tmp_path):
    from setclosure.errors import SchemaVersionError

    facts = json.loads((tiny_run / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(facts | {"schema": 99}))
    with pytest.raises(SchemaVersionError, match="99"):
        Run(tmp_path)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_trains(tiny_config, tiny_data, tmp_path, precision):
    overrides = [
        f"training.trainer.precision={precision}",
        "training.stage_one.steps=10",
        "training.stage_two.steps=20",
    ]
    study = load_study(tiny_config, overrides)
    run = pipeline.train(study, tiny_data, tmp_path / "run")
    history = json.loads((run.seed_folder(0) / "history.json").read_text())
    assert all(np.isfinite(rows[-1]["validation_loss"]) for rows in history.values())


def test_a_mistake_before_the_first_checkpoint_is_corrected_in_place(tiny_study, tiny_config, tiny_data, tmp_path):
    mistaken = load_study(tiny_config, ["model.symmetry=none", "model.weight_feature=7"])
    with pytest.raises(ModelError, match="weight_feature is 7"):
        pipeline.train(mistaken, tiny_data, tmp_path / "run")
    with pytest.raises(RunError, match="holds a run already"):
        pipeline.train(tiny_study, tiny_data, tmp_path / "run")
    run = pipeline.train(tiny_study, tiny_data, tmp_path / "run", resume=True)
    assert run.study == tiny_study == load_study(tmp_path / "run" / "config.yaml")
    assert run.facts["resumed"] == []
    with pytest.raises(RunError, match="weight_feature: was None, is now 7"):
        pipeline.train(mistaken, tiny_data, tmp_path / "run", resume=True)


def test_a_resumed_run_says_which_commit_resumed_it(tiny_study, tiny_data, tmp_path):
    pipeline.train(tiny_study, tiny_data, tmp_path / "run")
    run = pipeline.train(tiny_study, tiny_data, tmp_path / "run", resume=True)
    assert [set(entry) for entry in run.facts["resumed"]] == [set(run.facts["provenance"])]


def test_snapshots_of_ragged_sets_leave_padding_out(tmp_path, tiny_study):
    rng = np.random.default_rng(0)
    sets = [[rng.normal(loc=(5.0, 7.0), size=(n, 2)) for n in (6, 9, 4)] for _ in range(4)]
    data = TrajectoryDataset.from_arrays(tmp_path / "ragged.zarr", sets, "pair_energy", times=[0, 1, 2])
    model = ClosureEstimator(settings=tiny_study.model, training=tiny_study.training).fit(data)
    snapshots(model, data, tmp_path / "snapshots.npz")
    with np.load(tmp_path / "snapshots.npz") as shown:
        drawn = np.isfinite(shown["points"]).all(axis=-1).sum(axis=1)
        assert drawn.tolist() == [len(sets[0][frame]) for frame in shown["frames"]]
        assert 2 < shown["grid_x"].mean() < 8  # the grid lies where the particles are, not at the origin
        assert 4 < shown["grid_y"].mean() < 10


def test_data_that_are_there_already_add_no_seconds_of_simulation(tiny_study, tiny_data):
    before = (tiny_data / "seconds.json").read_text()
    pipeline.simulate(tiny_study, tiny_data)
    assert (tiny_data / "seconds.json").read_text() == before
