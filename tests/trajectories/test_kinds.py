"""Data of another kind than the training data are refused, whatever differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from setclosure.errors import DatasetError
from setclosure.sets.features import Features
from setclosure.trajectories.kinds import require_same_kind
from setclosure.trajectories.layout import Layout

LAYOUT = Layout(
    name="flock",
    features=Features(2, 1),
    max_frames=5,
    max_particles=9,
    observable="given",
    observable_names=("energy", "order"),
    observable_units=("eV", ""),
    time_unit="ps",
    context_names=("temperature", "pressure"),
    context_units=("K", "bar"),
)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"context_names": ("pressure", "temperature")}, r"context: \['pressure', 'temperature'\] instead of"),
        ({"context_units": ("mK", "bar")}, "units of the context"),
        ({"observable_names": ("order", "energy")}, "observables"),
        ({"observable_units": ("J", "")}, r"units of the observables: \['J', ''\] instead of \['eV', ''\]"),
        ({"time_unit": "fs"}, "unit of time: fs instead of ps"),
        ({"features": Features(2, 0, 2)}, "roles"),
        ({"features": Features(2, 1, names=("y", "x", "vy", "vx"))}, "features"),
        ({"weighted": True}, "masses: True instead of False"),
        ({"has_cell": True}, "cell"),
        ({"species_names": ("A", "B")}, "species"),
        ({"observable": "extension"}, "observable: extension instead of given"),
    ],
)
def test_what_differs_is_named(change, named):
    with pytest.raises(DatasetError, match=f"^the data of a test are of another kind.*{named}"):
        require_same_kind(LAYOUT, replace(LAYOUT, **change), "the data of a test")


def test_sizes_and_names_for_people_may_differ():
    other = replace(LAYOUT, name="another", max_frames=50, max_particles=3, ragged=True, units="nm", description="d")
    require_same_kind(LAYOUT, other, "the data of a test")
