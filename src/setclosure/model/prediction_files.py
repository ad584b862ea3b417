"""A prediction is written as arrays, as a table or as NetCDF; the ending of the file says which."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from setclosure.dynamics.rollout import RolloutStatus
from setclosure.errors import ConfigurationError
from setclosure.extras import missing_extra
from setclosure.files import write_arrays, write_bytes, write_text
from setclosure.model.range_check import RangeCheck

INDEX = ("start", "sample", "frame", "time")
"""The columns of a table that say which state a row is."""


TAKEN = (*INDEX, "status", "status_frame", "inside_training_range")
"""An observable of one of these names has another in files."""


class Written(Protocol):
    """The parts of a :class:`~setclosure.model.prediction.Prediction` that are written."""

    @property
    def times(self) -> np.ndarray:
        """Times of the frames, ``(H + 1,)``."""

    @property
    def observables(self) -> np.ndarray:
        """Observables, ``(B, R, H + 1, o)``."""

    @property
    def closure(self) -> np.ndarray:
        """Closures, ``(B, R, H + 1, S·c)``."""

    @property
    def status(self) -> np.ndarray:
        """Status of each path, ``(B, R)``."""

    @property
    def step(self) -> np.ndarray:
        """Frame at which it was taken, ``(B, R)``."""

    @property
    def check(self) -> RangeCheck | None:
        """The comparison of the starts with the training range."""

    @property
    def observable_names(self) -> tuple[str, ...]:
        """Names of the observables."""

    @property
    def observable_units(self) -> tuple[str, ...]:
        """Units of the observables."""

    @property
    def time_unit(self) -> str:
        """Unit of the times."""

    @property
    def composition(self) -> np.ndarray | None:
        """The numbers of the composition, ``(B, R, H + 1, K)``."""

    @property
    def composition_names(self) -> tuple[str, ...]:
        """Their names."""


def require_known_ending(path: Path) -> None:
    """Refuse a file whose ending says no form.

    Raises
    ------
    ConfigurationError
        If there is no such form.
    """
    if path.suffix not in _WRITERS:
        raise ConfigurationError(
            f"the ending of {path.name} says no form; expected one of {', '.join(_WRITERS)}: arrays of NumPy, a table, "
            "NetCDF, or a Parquet table."
        )


def write_prediction(prediction: Written, path: Path) -> None:
    """Write a prediction; see :meth:`setclosure.model.prediction.Prediction.save`."""
    require_known_ending(path)
    try:
        _WRITERS[path.suffix](prediction, path)
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error


def table(prediction: Written) -> dict[str, np.ndarray]:
    """Give a prediction as columns of equal length, a row for each start, sample and frame."""
    B, R, T, _ = prediction.observables.shape
    start, sample, frame = (index.ravel() for index in np.indices((B, R, T)))
    columns: dict[str, np.ndarray] = dict(zip(INDEX, (start, sample, frame, prediction.times[frame]), strict=True))
    for name, values, _ in _variables(prediction):
        columns[name] = values.ravel()
    names = np.array([RolloutStatus(int(s)).name.lower() for s in prediction.status.ravel()])
    columns["status"] = names[start * R + sample]
    if prediction.check is not None:
        columns["inside_training_range"] = prediction.check.inside[start]
    return columns


def _variables(prediction: Written) -> Iterator[tuple[str, np.ndarray, str]]:
    """Give name, values ``(B, R, T)`` and unit of every number of a state."""
    o, c = prediction.observables.shape[-1], prediction.closure.shape[-1]
    names = prediction.observable_names or tuple(f"observable_{k}" for k in range(o))
    units = prediction.observable_units or ("",) * o
    for k in range(o):
        yield f"observable {names[k]}" if names[k] in TAKEN else names[k], prediction.observables[..., k], units[k]
    for k in range(c):
        yield f"closure_{k}", prediction.closure[..., k], ""
    if prediction.composition is not None:
        for k, name in enumerate(prediction.composition_names):
            yield name, prediction.composition[..., k], ""


def _write_npz(prediction: Written, path: Path) -> None:
    arrays: dict[str, Any] = {
        "times": prediction.times,
        "observables": prediction.observables,
        "observable_names": np.array(list(prediction.observable_names)),
        "closure": prediction.closure,
        "status": prediction.status,
        "step": prediction.step,
    }
    if prediction.composition is not None:
        arrays |= {
            "composition": prediction.composition,
            "composition_names": np.array(list(prediction.composition_names)),
        }
    if prediction.check is not None:
        check = prediction.check
        arrays |= {"inside_training_range": check.inside, "kl": check.kl, "distance": check.distance}
    write_arrays(path, **arrays)


def _write_csv(prediction: Written, path: Path) -> None:
    columns = table(prediction)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    write_text(path, text.getvalue())


def _write_parquet(prediction: Written, path: Path) -> None:
    import pyarrow  # noqa: F401  # pandas would say it in other words
    from pandas import DataFrame

    content = io.BytesIO()
    DataFrame(table(prediction)).to_parquet(content, engine="pyarrow", index=False)
    write_bytes(path, content.getvalue())


def _write_netcdf(prediction: Written, path: Path) -> None:
    import scipy.io  # noqa: F401
    from xarray import Dataset

    dims = ("start", "sample", "frame")
    variables: dict[str, Any] = {
        name.replace("/", "_"): (dims, values, {"units": unit} if unit else {})
        for name, values, unit in _variables(prediction)
    }
    meaning = ", ".join(f"{int(status)} {status.name.lower()}" for status in RolloutStatus)
    variables["status"] = (dims[:2], prediction.status.astype(np.int32), {"long_name": meaning})
    variables["status_frame"] = (dims[:2], prediction.step.astype(np.int32))
    if prediction.check is not None:
        variables["inside_training_range"] = (dims[:1], prediction.check.inside.astype(np.int8))
    unit = (
        {"units_of_data": prediction.time_unit} if prediction.time_unit else {}
    )  # "units" would be read as a calendar
    data = Dataset(variables, coords={"time": ("frame", prediction.times, unit)})
    write_bytes(path, bytes(data.to_netcdf(engine="scipy")))


_WRITERS: dict[str, Callable[[Written, Path], None]] = {
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".nc": _write_netcdf,
    ".parquet": _write_parquet,
}
