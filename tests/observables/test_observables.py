from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.model.fits import own_data, small

from setclosure.errors import ConfigurationError, MicrostateError
from setclosure.observables.pair_energy import pair_energy_of_points
from setclosure.observables.registered import as_observable, get_observable
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.dataset import TrajectoryDataset


def test_padding_permutations_and_masses_do_not_change_the_pair_energy():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(n, 3)) for n in (7, 20, 1, 12)]
    energy = get_observable("pair_energy")
    alone = np.concatenate([energy(x) for x in sets])
    masses = [rng.uniform(1, 2, len(x)) for x in sets]
    batch = MicrostateBatch.from_arrays(sets, masses=masses)
    assert np.array_equal(energy(batch), alone)
    order = torch.from_numpy(rng.permutation(20))  # mixes padding among the particles
    shuffled = MicrostateBatch(batch.points[:, order], batch.weights[:, :, order])
    assert np.allclose(energy(shuffled), alone, rtol=1e-6)
    assert alone[2] == 0  # one particle, no pair


def test_the_pair_energy_of_distant_particles_does_not_overflow():
    # log cosh(u)/a + b(1 − r) → (r − 1) − log 2 / a − b(r − 1)
    r = 1e6
    assert pair_energy_of_points([[[0.0], [r]]])[0] == pytest.approx(0.9 * (r - 1) - np.log(2) / 4, rel=1e-6)


def test_extension_ignores_padding():
    batch = MicrostateBatch.from_arrays([[[2.0, 9.0], [5.0, 0.0]], [[-1.0, 0.0], [-4.0, 0.0], [-2.0, 0.0]]])
    assert get_observable("extension")(batch).tolist() == [[3.0], [3.0]]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"no observable 'enrgy'.*extension.*pair_energy"):
        get_observable("enrgy")
    with pytest.raises(ConfigurationError, match="parameters"):
        get_observable("pair_energy(4)")


def test_a_name_is_taken_once_but_a_cell_may_run_again():
    def define():
        @register("observable", "of_test", components=("x", "y"), units=("m", "s"))
        def of_test(microstates):
            return microstates.points.mean(dim=1)

        return of_test

    define()
    again = define()
    assert get_observable("of_test").function is again
    assert get_observable("of_test").units == ("m", "s")
    assert get_observable("of_test")(np.ones((4, 5, 2))).tolist() == [[1.0, 1.0]] * 4
    with pytest.raises(ConfigurationError, match="the observable 'pair_energy' exists already"):
        register("observable", "pair_energy")(lambda microstates: 0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda m: m.points, r"gave shape \(3, 5, 2\)"),
        (lambda m: np.zeros(2), r"expected \(3, 1\)"),
        (lambda m: np.array([0.0, np.nan, 0.0]), "microstate 1 is not finite"),
    ],
)
def test_wrong_values_of_a_users_function_are_named(function, message):
    with pytest.raises(MicrostateError, match=message):
        as_observable(function)(np.zeros((3, 5, 2)))


def test_a_registered_name_without_components_is_one_number():
    register("observable", "count_of_test")(lambda microstates: microstates.counts)
    known = get_observable("count_of_test")
    assert (known.components, known.units) == (("count_of_test",), ("",))
    assert known([np.zeros((4, 2)), np.zeros((0, 2))]).tolist() == [[4.0], [0.0]]


# ── padding ──────────────────────────────────────────────────────────────────────────────────────────────────────


def careless(microstates):
    """The spread over all places, those of padding included."""
    return microstates.points.std(dim=1, correction=0).mean(dim=1)


def readme_spread(microstates):
    """The function in the README."""
    return microstates.standard_deviation().mean(dim=1)


def of_weights(microstates):
    """Numbers that only sets without padding have."""
    whole = bool(microstates.mask.all())
    return 1 / microstates.weights.amin(dim=(1, 2)) if whole else microstates.points.new_zeros(len(microstates))


SETS = [[np.random.default_rng(t).normal(size=(n, 2)) for t, n in enumerate((5, 9, 3))] for _ in range(2)]


def test_the_spread_of_the_readme_is_that_of_each_set_also_in_ragged_data(tmp_path):
    text = (Path(__file__).parents[2] / "README.md").read_text()
    assert inspect.getsource(readme_spread).splitlines()[-1] in text
    data = TrajectoryDataset.from_arrays(tmp_path / "a.zarr", SETS, readme_spread, times=range(3))
    assert np.allclose(data.observables()[0][:, 0], [x.std(axis=0).mean() for x in SETS[0]], rtol=1e-5)


@pytest.mark.parametrize(("function", "said"), [(careless, "it is "), (of_weights, "it is .0.0. and not ")])
@pytest.mark.parametrize("sets", [SETS, [[x[0], x[0]] for x in SETS]])
def test_an_observable_that_depends_on_padding_is_refused_when_it_is_first_used(tmp_path, function, said, sets):
    T = len(sets[0])
    with pytest.raises(MicrostateError, match=f"'{function.__name__}' depends on padding: with 3 .*{said}.*mask"):
        TrajectoryDataset.from_arrays(tmp_path / "a.zarr", sets, function, times=range(T))
    assert not (tmp_path / "a.zarr").exists()


def test_a_model_tries_its_observable_once(tmp_path):
    data = own_data(tmp_path / "a.zarr")
    calls = []

    def counted(microstates):
        calls.append(microstates.points.shape[1])
        return readme_spread(microstates)

    model = small().fit(data, observable=counted, progress=False)
    model.observe(data.first(np.array([0])))
    model.observe(data.first(np.array([0])))
    assert calls == [6, 6, 9, 6]
    model = small().fit(data, observable=careless, progress=False)
    with pytest.raises(MicrostateError, match="depends on padding"):
        model.observe(data.first(np.array([0])))
