"""A prediction is written in the form that the ending of its file says."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from setclosure.errors import ConfigurationError, MissingExtraError, StorageError
from setclosure.model.prediction import Prediction
from setclosure.model.range_check import RangeCheck

B, R, T = 2, 3, 4
RNG = np.random.default_rng(0)
CHECK = RangeCheck(np.array([True, False]), np.zeros(B), 1.0, np.zeros(B), 1.0)
PREDICTION = Prediction(
    np.arange(T) * 0.5,
    RNG.normal(size=(B, R, T, 2)),
    RNG.normal(size=(B, R, T, 1)),
    np.array([[0, 2, 1], [0, 0, 0]]),
    np.array([[-1, 2, 3], [-1, -1, -1]]),
    CHECK,
    ("kinetic energy", "time"),  # a table has a column time already
    ("eV", ""),
    "ps",
    RNG.normal(size=(B, R, T, 1)),
    ("log N",),
)
READERS = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


@pytest.mark.parametrize("ending", READERS)
def test_a_table_has_a_row_for_each_start_sample_and_frame(tmp_path, ending):
    PREDICTION.save(tmp_path / f"p{ending}")
    rows = READERS[ending](tmp_path / f"p{ending}")
    numbers = ["kinetic energy", "observable time", "closure_0", "log N"]
    assert list(rows) == ["start", "sample", "frame", "time", *numbers, "status", "inside_training_range"]
    assert len(rows) == B * R * T
    for row in rows.itertuples(index=False):
        b, r, t = row[:3]
        states = (PREDICTION.observables, PREDICTION.closure, PREDICTION.composition)
        assert list(row[4:8]) == np.concatenate([x[b, r, t] for x in states]).tolist()  # no digit is lost
        assert row[3] == 0.5 * t
        assert row[8] == ["ok", "diverged", "outside"][PREDICTION.status[b, r]]
        assert row[9] == CHECK.inside[b]


def test_netcdf_has_dimensions_and_units(tmp_path):
    PREDICTION.save(tmp_path / "p.nc")
    with xr.open_dataset(tmp_path / "p.nc", engine="scipy") as data:
        assert dict(data.sizes) == {"start": B, "sample": R, "frame": T}
        assert np.array_equal(data["kinetic energy"], PREDICTION.observables[..., 0])
        assert data["kinetic energy"].attrs == {"units": "eV"}
        assert np.array_equal(data["log N"], PREDICTION.composition[..., 0])
        assert np.array_equal(data["status"], PREDICTION.status)
        assert np.array_equal(data["inside_training_range"], CHECK.inside)


def test_arrays_are_those_of_the_prediction(tmp_path):
    PREDICTION.save(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as arrays:
        for name in ("times", "observables", "closure", "status", "step", "composition"):
            assert np.array_equal(arrays[name], getattr(PREDICTION, name))
        assert arrays["inside_training_range"].tolist() == [True, False]


@pytest.mark.parametrize("name", ["p.txt", "p", "p.xlsx"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(ConfigurationError, match=rf"{name} says no form; expected one of \.npz, \.csv, \.nc"):
        PREDICTION.save(tmp_path / name)


@pytest.mark.parametrize(("ending", "module"), [(".parquet", "pandas"), (".parquet", "pyarrow"), (".nc", "xarray")])
def test_a_package_that_is_missing_is_named_with_its_extra(tmp_path, monkeypatch, ending, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"'{module}', which is not installed.*setclosure\[io\]"):
        PREDICTION.save(tmp_path / f"p{ending}")
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_commas_needs_no_package(tmp_path, monkeypatch):
    for module in ("pandas", "pyarrow", "xarray"):
        monkeypatch.setitem(sys.modules, module, None)
    PREDICTION.save(tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().startswith("start,sample,frame,time,kinetic energy,")


@pytest.mark.parametrize("ending", [".npz", ".csv", ".nc", ".parquet"])
def test_a_folder_of_that_name_is_left_alone(tmp_path, ending):
    (tmp_path / f"p{ending}").mkdir()
    with pytest.raises(StorageError, match="a file and a folder share that name"):
        PREDICTION.save(tmp_path / f"p{ending}")
