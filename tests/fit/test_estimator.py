"""The estimator: what it takes, what it refuses, and that a seed fixes every number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.model.fits import SMALL_MODEL, own_data, small, spread

import setclosure
from setclosure.errors import ConfigurationError, DatasetError, ModelError, RunError
from setclosure.experiments.configuration import load_study
from setclosure.fit.estimator import ClosureEstimator
from setclosure.fit.split import make_splits
from setclosure.model.specification import ModelSettings
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory

SMALL = [
    "training.stage_one={steps: 10, steps_per_epoch: 5, batch_sets: 6, validation_sets: 4}",
    "training.stage_two={steps: 20, steps_per_epoch: 10, batch_pairs: 32, views: 2}",
]


def weights(model):
    return {key: value.nan_to_num(7.5) for key, value in model.parts.state_dict().items()}


def equal(a, b):
    a, b = weights(a), weights(b)
    return all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture
def fit(tiny_config, tiny_data):
    train, validation = (TrajectoryDataset.open(tiny_data / f"{split}.zarr") for split in ("train", "validation"))

    def run(overrides=(), data=train, validation=validation, **options):
        study = load_study(tiny_config, [*SMALL, *overrides])
        return ClosureEstimator(settings=study.model, training=study.training).fit(data, validation, **options)

    return run


def test_a_seed_fixes_every_number_and_another_seed_gives_others(fit):
    first, again, other = fit(seed=3), fit(seed=3), fit(seed=4)
    assert equal(first, again)
    assert not any(
        torch.equal(a, b)
        for (key, a), b in zip(weights(first).items(), weights(other).values(), strict=True)
        if key.endswith("weight") and a.ndim == 2
    )


def test_fit_without_a_folder_leaves_nothing_behind(fit, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    fit()
    assert list((tmp_path / "here").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_microstates_from_disk_give_the_same_weights_as_from_memory(fit):
    assert equal(fit(), fit(["training.memory_gib=1e-9"]))


def test_validation_data_choose_an_epoch_and_change_no_weight_of_it_and_no_statistic(fit, tiny_data):
    other = TrajectoryDataset.open(tiny_data / "diff_init.zarr")
    last = [f"training.{stage}.keep=last" for stage in ("stage_one", "stage_two")]
    a, b = fit(last), fit(last, validation=other)
    assert equal(a, b)
    assert a.history["stage_one"][0]["train_loss"] == b.history["stage_one"][0]["train_loss"]
    assert a.history["stage_one"][0]["validation_loss"] != b.history["stage_one"][0]["validation_loss"]


def test_a_single_data_set_is_split_by_trajectory(tmp_path):
    model = small().fit(own_data(tmp_path / "own.zarr", M=5, observables="extension"))
    assert len(model.history["stage_two"]) == 2
    parts = make_splits(own_data(tmp_path / "b.zarr", M=5), None, 0, 1.0)
    assert sorted(np.concatenate([part.trajectories for part in parts])) == [0, 1, 2, 3, 4]
    assert [len(part.trajectories) for part in parts] == [4, 1]


def test_one_long_trajectory_is_split_in_time(tmp_path):
    data = own_data(tmp_path / "long.zarr", M=1, T=20, observables="extension")
    model = small().fit(data.between(0, 14), data.between(14, 20))
    assert len(model.history["stage_two"]) == 2


def test_data_that_cannot_be_fitted_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"1 usable trajectories; .* at least two.* data\.between\(0, n\)"):
        small().fit(own_data(tmp_path / "one.zarr", M=1))
    with pytest.raises(DatasetError, match="at least two frames"):
        own_data(tmp_path / "frame.zarr", T=1)


def unfinished(path):
    """Five trajectories, three of which were committed."""
    layout = Layout("system", 2, 5, 6, "given", ("z",))
    data = TrajectoryDataset.create(path, layout, 5)
    for i in (0, 2, 3):
        stream = np.random.default_rng(i)
        data.commit(i, Trajectory(stream.normal(size=(5, 6, 2)), stream.normal(size=(5, 1)), np.arange(5.0)))
    return data


def test_unfinished_data_are_refused_with_the_count_unless_that_is_allowed(tmp_path):
    unfinished(tmp_path / "data.zarr")
    whole = own_data(tmp_path / "whole.zarr", observables=np.zeros((4, 5)), observable_names="z")
    with pytest.raises(DatasetError, match=r"data\.zarr lacks 2 of its 5 trajectories.*allow_unfinished=True"):
        small().fit(TrajectoryDataset.open(tmp_path / "data.zarr"), folder=tmp_path / "fit")
    with pytest.raises(DatasetError, match=r"data\.zarr lacks 2 of its 5 trajectories"):
        small().fit(whole, TrajectoryDataset.open(tmp_path / "data.zarr"), folder=tmp_path / "fit")
    assert not (tmp_path / "fit").exists()
    allowed = TrajectoryDataset.open(tmp_path / "data.zarr", allow_unfinished=True)
    assert np.isfinite(small().fit(allowed).encode(np.zeros((3, 2)))).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"d": 3}, r"features: \['x', 'y', 'z'\] instead of \['x', 'y'\]"),
        ({"features": ("x", "y"), "roles": ("position", "scalar")}, "roles:"),
        ({"observables": spread}, "observable: spread instead of pair_energy"),
        ({"species": [0, 0, 0, 1, 1, 1]}, "species:"),
        ({"context": {"temperature": 1.0}}, r"context: \['temperature'\] instead of \[\]"),
    ],
)
def test_validation_data_of_another_kind_are_named_with_the_difference(tmp_path, options, words):
    data = own_data(tmp_path / "data.zarr", observables="pair_energy")
    other = own_data(tmp_path / "other.zarr", **{"observables": "pair_energy"} | options)
    with pytest.raises(DatasetError, match=rf"the validation data .*other\.zarr are of another kind .*{words}"):
        small().fit(data, other)


def test_arguments_of_fit_are_checked(tmp_path):
    data = own_data(tmp_path / "own.zarr")
    for changes, message in (
        ({"data": np.zeros((4, 5, 6, 2))}, r"data is a ndarray; fit takes a TrajectoryDataset: .*\.from_arrays"),
        ({"validation": np.zeros(3)}, "validation is a ndarray; fit takes a TrajectoryDataset"),
        ({"seed": -1}, "seed is a whole number of at least 0; got -1"),
        ({"seed": 1.5}, "seed is a whole number of at least 0; got 1.5"),
        ({"resume": True}, "give folder="),
    ):
        with pytest.raises(ModelError, match=message):
            small().fit(**{"data": data} | changes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "densty"}, "method: .*Did you mean 'density'"),
        ({"encoder": {"widht": 3}}, r"encoder\.widht: unknown key; did you mean 'width'"),
        ({"dynamics": {"drift": "onsagr"}}, r"dynamics\.drift\.name: .*Did you mean 'onsager'"),
        ({"closure_dim": -1}, "closure_dim: "),
        ({"method": "none", "closure_dim": 2}, "closure_dim: without an encoder"),
        ({"training": {"stage_one": {"stepps": 3}}}, r"stage_one\.stepps: unknown key; did you mean 'steps'"),
    ],
)
def test_wrong_settings_are_named(options, words):
    with pytest.raises(ConfigurationError, match=words):
        ClosureEstimator(**options)


def test_settings_are_given_whole_or_by_their_fields():
    whole = ModelSettings.parse({"method": "inve", "closure_dim": 3})
    assert ClosureEstimator(settings=whole).settings == ClosureEstimator("inve", closure_dim=3).settings
    for options in ({"closure_dim": 3}, {"method": "inve"}, {"symmetry": "translation"}, {"dynamics": "ode"}):
        with pytest.raises(ModelError, match="not both"):
            ClosureEstimator(settings=whole, **options)


def test_a_dict_says_how_to_train(tmp_path):
    data = own_data(tmp_path / "own.zarr")
    training = {"stage_one": {"steps": 2, "batch_sets": 4}, "stage_two": {"steps": 3, "batch_pairs": 8}}
    model = ClosureEstimator(training=training, **SMALL_MODEL).fit(data, observable=spread)
    assert [rows[-1]["step"] for rows in model.history.values()] == [2, 3]
    assert model.observe(np.ones((4, 2))).shape == (1, 1)


def test_an_encoder_that_nothing_would_train_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"model\.dynamics_weight is 0: nothing would train its encoder"):
        ClosureEstimator("inve", dynamics_weight=0.0).fit(own_data(tmp_path / "own.zarr"))


def test_repr_of_an_estimator_says_what_will_be_trained():
    estimator = ClosureEstimator(
        "density-mixture",
        closure_dim=3,
        symmetry="translation",
        dynamics="euler_maruyama",
        training={"stage_one": {"steps": 7}},
    )
    assert repr(estimator) == (
        "ClosureEstimator: method 'density-mixture', 3 numbers of closure a species, symmetry translation, dynamics "
        "euler_maruyama; 7 and 20000 steps"
    )


def test_public_names_are_those_of_the_estimator():
    assert setclosure.ClosureEstimator is ClosureEstimator


def test_a_folder_of_another_fit_is_refused(fit, tmp_path):
    fit(folder=tmp_path)
    with pytest.raises(RunError, match="resume=True"):
        fit(folder=tmp_path)


# ── data of all kinds ─────────────────────────────────────────────────────────────────────────────────────────


def test_unequal_lengths_gaps_sizes_species_empty_sets_cells_and_context_are_fitted(tmp_path):
    stream = np.random.default_rng(0)
    lengths = (6, 9, 4, 12)
    sizes = [stream.integers(0, 6, T) for T in lengths]
    points = [[stream.normal(size=(n, 3)) for n in of_m] for of_m in sizes]
    species = [[stream.integers(0, 2, n) for n in of_m] for of_m in sizes]
    times = [np.cumsum(stream.choice([1.0, 1.0, 2.0, 30.0], T)) for T in lengths]
    data = TrajectoryDataset.from_arrays(
        tmp_path / "data.zarr",
        points,
        [stream.normal(size=(T, 2)) for T in lengths],
        times=times,
        features=("x", "y", "charge"),
        roles=("position", "position", "scalar"),
        species=species,
        cell=[5.0, 5.0],
        context={"field": [stream.normal(size=T) for T in lengths]},
        max_step=2.5,
    )
    for options in ({}, {"method": "density-joint"}, {"dynamics": "euler_maruyama", "symmetry": "euclidean"}):
        model = small(**options).fit(data)
        assert all(np.isfinite(row["validation_loss"]) for rows in model.history.values() for row in rows)
        start = data.first([0, 1])
        out = model.predict(start, times=[0, 1, 3, 3.5], context={"field": 0.3}, observables=np.zeros((2, 2)))
        assert np.isfinite(out.observables).all()


# ── silence ───────────────────────────────────────────────────────────────────────────────────────────────────

SCRIPT = """
import sys
from setclosure.trajectories.dataset import TrajectoryDataset
from tests.model.fits import small
small().fit(TrajectoryDataset.open(sys.argv[1]), progress=sys.argv[2] == "progress")
"""


@pytest.mark.slow
@pytest.mark.parametrize("shown", [True, False])
def test_without_progress_nothing_is_printed(tmp_path, shown):
    """In a process of its own, so that what Lightning and torch print themselves is seen."""
    own_data(tmp_path / "data.zarr", observables="extension")
    asked = "progress" if shown else "none"
    arguments = [sys.executable, "-W", "ignore::UserWarning", "-c", SCRIPT, str(tmp_path / "data.zarr"), asked]
    root = Path(__file__).parents[2]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=root, timeout=300, check=True)
    assert done.stdout == ""
    whats = dict.fromkeys(line.split(":")[0] for line in done.stderr.splitlines())
    assert list(whats) == (["stage one", "encode", "stage two"] if shown else [])
