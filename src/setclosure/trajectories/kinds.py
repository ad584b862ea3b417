"""Kinds of data sets: the facts in which training, validation and test data must agree."""

from __future__ import annotations

from typing import Any

from setclosure.errors import DatasetError
from setclosure.trajectories.layout import Layout


def kind_of(layout: Layout) -> dict[str, Any]:
    """Give what a model takes for granted of a data set: columns by position, names, units."""
    return {
        "features": list(layout.features.names),
        "roles": list(layout.features.roles),
        "species": list(layout.species_names),
        "masses": layout.weighted,
        "cell": layout.has_cell,
        "observable": layout.observable,
        "observables": list(layout.observable_names),
        "units of the observables": list(layout.observable_units),
        "context": list(layout.context_names),
        "units of the context": list(layout.context_units),
        "unit of time": layout.time_unit,
    }


def require_same_kind(training: Layout, other: Layout, what: str) -> None:
    """Refuse data of another kind than the training data.

    Parameters
    ----------
    training, other : Layout
        The layouts of both data sets.
    what : str
        The other data, for the message: ``"the validation data b.zarr"``.

    Raises
    ------
    DatasetError
        With every fact that differs.
    """
    wanted, found = kind_of(training), kind_of(other)
    different = [f"{key}: {found[key]} instead of {wanted[key]}" for key in wanted if wanted[key] != found[key]]
    if different:
        raise DatasetError(
            f"{what} are of another kind than the training data: {'; '.join(different)}. Columns go by their places: "
            "make them again with the names, units and order of the training data."
        )
