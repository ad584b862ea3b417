"""Arrays of every kind and maker give the same data set, or are refused with the first place that is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from setclosure.errors import MicrostateError
from setclosure.model.context import read_context
from setclosure.sets.arrays import FILL
from setclosure.sets.microstates import MicrostateBatch
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Layout, Trajectory

M, T, N, D = 3, 3, 5, 2  # as many trajectories as frames
POINTS = np.random.default_rng(0).normal(size=(M, T, N, D)).astype(np.float16).astype(np.float64)
Z = np.arange(M * T, dtype=np.float64).reshape(M, T)
TIMES = np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 3.0], [1.0, 5.0, 6.0]])
SPECIES = np.array([[0, 0, 1, 1, 1], [0, 1, 0, 1, 1], [1, 0, 0, 0, 1]])


def made(path, points=POINTS, observables=Z, times=TIMES, species=SPECIES, **options):
    return TrajectoryDataset.from_arrays(path, points, observables, times=times, species=species, **options)


def table(values):
    """A table whose labels are in another order than its rows and columns."""
    return pd.DataFrame(values, index=range(len(values))[::-1], columns=range(values.shape[1])[::-1])


def mapped(tmp_path, values):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
    np.save(path, values)
    return np.load(path, mmap_mode="r")


KINDS = {
    "list of lists": lambda _, x: x.tolist(),
    "memory map": mapped,
    "big-endian": lambda _, x: x.astype(">f8"),
    "Fortran order": lambda _, x: np.asfortranarray(x),
    "float16": lambda _, x: x.astype(np.float16),
    "tensor": lambda _, x: torch.as_tensor(x).float(),
    "with strides": lambda _, x: np.repeat(x, 2, axis=-1)[..., ::2],
    "tensor with gradients": lambda _, x: torch.tensor(x.astype(float), requires_grad=True),
    "xarray": lambda _, x: xr.DataArray(x),
    "a mask of nothing": lambda _, x: np.ma.array(x, mask=False),
    "objects": lambda _, x: x.astype(object),
}


@pytest.mark.parametrize("kind", KINDS)
def test_points_of_every_kind_are_the_same_data(tmp_path, kind):
    expected = made(tmp_path / "plain.zarr")
    assert made(tmp_path / "other.zarr", KINDS[kind](tmp_path, POINTS)).fingerprint == expected.fingerprint
    batch = MicrostateBatch.from_arrays(KINDS[kind](tmp_path, POINTS[0]))
    assert torch.equal(batch.points, MicrostateBatch.from_arrays(POINTS[0]).points)


def test_points_in_a_tensor_of_brain_floats_are_read():
    x = torch.ones(4, 2, dtype=torch.bfloat16) / 4
    assert MicrostateBatch.from_arrays(x).points.unique().tolist() == [0.25]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_tensor_on_a_gpu_is_read(tmp_path):
    on_gpu = [torch.as_tensor(x, device="cuda") for x in (POINTS, Z, TIMES, SPECIES)]
    assert made(tmp_path / "gpu.zarr", *on_gpu).fingerprint == made(tmp_path / "plain.zarr").fingerprint


@pytest.mark.parametrize("kind", [*KINDS, "table"])
def test_observables_times_and_species_of_every_kind_are_the_same_data(tmp_path, kind):
    change = (lambda _, x: table(x)) if kind == "table" else KINDS[kind]
    expected = made(tmp_path / "plain.zarr", context={"T": Z})
    z, times, species = (change(tmp_path, x) for x in (Z, TIMES, SPECIES))
    found = made(tmp_path / "other.zarr", POINTS, z, times, species, context={"T": z})
    assert found.fingerprint == expected.fingerprint  # the rows of a table are trajectories, also where M = T


def test_a_column_of_a_table_is_read_by_place_and_not_by_label(tmp_path):
    temperatures = pd.Series([1.0, 2.0, 3.0], index=[2, 0, 1])
    data = made(tmp_path / "a.zarr", context={"T": temperatures})
    assert [data.context(m)[0, 0] for m in range(M)] == [1.0, 2.0, 3.0]


def test_frames_as_tables_are_read(tmp_path):
    frames = [[pd.DataFrame(x, columns=["x", "y"]) for x in of_m] for of_m in POINTS]
    assert made(tmp_path / "a.zarr", frames).fingerprint == made(tmp_path / "b.zarr").fingerprint


def test_the_columns_of_a_table_of_context_go_by_their_names():
    given = pd.DataFrame({"field": [1.0, 2.0], "T": [7.0, 7.0]})
    assert read_context(given, ("T", "field"), 1, 2)[0].tolist() == [[7.0, 1.0], [7.0, 2.0]]


# ── masks, and numbers that were never written ───────────────────────────────────────────────────────────────────


def test_a_mask_of_whole_particles_says_that_they_are_not_there(tmp_path):
    gone = np.zeros((M, T, N), bool)
    gone[1, 2, 1] = gone[0, 0, 4] = True
    masked = np.ma.array(np.where(gone[..., None], FILL, POINTS), mask=np.repeat(gone[..., None], D, axis=-1))
    data = made(tmp_path / "masked.zarr", masked)
    sets = [[POINTS[m, t][~gone[m, t]] for t in range(T)] for m in range(M)]
    kinds = [[SPECIES[m][~gone[m, t]] for t in range(T)] for m in range(M)]
    assert data.fingerprint == made(tmp_path / "ragged.zarr", sets, species=kinds).fingerprint
    assert data.trajectory(1).counts.tolist() == [5, 5, 4]
    batch = MicrostateBatch.from_arrays(masked[1], species=np.broadcast_to(SPECIES[1], (T, N)))
    assert torch.equal(batch.weights, data.trajectory(1).weights)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("points", r"trajectory 1, frame 2, particle 0 is masked in feature 1 and has others"),
        ("observables", r"trajectory 1: observables are masked at \(?2"),
        ("times", r"trajectory 1: times are masked at 2"),
        ("species", r"trajectory 1, frame 0: species are masked at 2"),
    ],
)
def test_a_mask_elsewhere_is_refused_with_its_first_place(tmp_path, name, message):
    values = {"points": POINTS, "observables": Z, "times": TIMES, "species": SPECIES}[name]
    masked = np.ma.array(values, mask=False)
    masked[(1, 2, 0, 1)[: values.ndim]] = np.ma.masked
    with pytest.raises(MicrostateError, match=message):
        made(tmp_path / "a.zarr", **{name: masked})
    assert not (tmp_path / "a.zarr").exists()


def test_what_netcdf_writes_for_nothing_is_refused(tmp_path):
    points = POINTS.astype(np.float32)
    points[2, 1, 3] = 9.96921e36
    with pytest.raises(MicrostateError, match=r"trajectory 2, frame 1, particle 3 .* never written.*netCDF"):
        made(tmp_path / "a.zarr", points)
    with pytest.raises(MicrostateError, match=r"microstate 1, particle 3 .*netCDF"):
        MicrostateBatch.from_arrays(points[2])
    with pytest.raises(MicrostateError, match=r"trajectory 0, frame 2 has an observable .*netCDF"):
        made(tmp_path / "a.zarr", observables=np.where(Z == 2, FILL, Z))


def test_a_trajectory_that_is_committed_has_no_masked_numbers(tmp_path):
    data = TrajectoryDataset.create(tmp_path / "a.zarr", Layout("a", D, T, N, "given", ("z",)), 1)
    masked = np.ma.masked_less(POINTS[0], -1.0)
    assert masked.mask.any()
    with pytest.raises(MicrostateError, match="trajectory 0 has points that are masked, first at "):
        data.commit(0, Trajectory(masked, Z[0][:, None], TIMES[0]))
