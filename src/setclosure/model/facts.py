"""A model carries facts about its training data: sizes, names, units."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from setclosure.errors import DatasetError
from setclosure.model.composition import Composition
from setclosure.model.observable_map import ObservableMap, Transform
from setclosure.sets.features import Features
from setclosure.sets.microstates import MicrostateKind
from setclosure.trajectories.dataset import TrajectoryDataset


@dataclass(frozen=True)
class ModelFacts:
    """The facts about the training data that are needed to use a model and to name what it predicts.

    Attributes
    ----------
    system : str
        Name of the system.
    kind : MicrostateKind
        Features, species S and particles N of a microstate, and along which directions its cell is periodic.
    species_names : tuple of str
        Names of the S species.
    observable : str
        Registered name of the observable φ̄.
    observable_names, observable_units : tuple of str
        Names and units of the o numbers of z̄.
    context_names, context_units : tuple of str
        Names and units of the p numbers of the context.
    time_step : float
        Usual time between frames.
    time_unit : str
        Unit of the times.
    observable_map : ObservableMap
        The coordinates in which the dynamics sees the observables.
    composition : Composition or None
        The numbers of the composition that the dynamics knows, and their range in training; None if it knows none.
    n_axes : int or None
        The number of principal axes that are kept of the encoder's embeddings; None if closures are the embeddings.
    """

    system: str
    kind: MicrostateKind
    species_names: tuple[str, ...]
    observable: str
    observable_names: tuple[str, ...]
    observable_units: tuple[str, ...]
    context_names: tuple[str, ...]
    context_units: tuple[str, ...]
    time_step: float
    time_unit: str
    observable_map: ObservableMap
    composition: Composition | None = None
    n_axes: int | None = None

    @classmethod
    def of(cls, data: TrajectoryDataset) -> ModelFacts:
        """Take the facts from a data set.

        Raises
        ------
        DatasetError
            If its cells are periodic along different directions.
        """
        layout = data.layout
        return cls(
            layout.name,
            MicrostateKind(data.features, data.n_species, data.max_particles, periodic=_periodic(data)),
            layout.species_names,
            layout.observable,
            layout.observable_names,
            layout.observable_units,
            layout.context_names,
            layout.context_units,
            data.time_step,
            layout.time_unit,
            ObservableMap.plain(layout.observable_names),
        )

    def to_json(self) -> dict[str, Any]:
        """Give the facts as JSON values, which :meth:`from_json` reads."""
        kind = self.kind
        values = asdict(self) | {
            "kind": {
                "features": kind.features.to_json(),
                "n_species": kind.n_species,
                "n_particles": kind.n_particles,
                "periodic": list(kind.periodic),
            }
        }
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelFacts:
        """Make facts from the JSON values of :meth:`to_json`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the values are something else.
        """
        kind = values["kind"]
        n_species, n_particles = _whole(kind["n_species"]), _whole(kind["n_particles"])
        facts = cls(
            _text(values["system"]),
            MicrostateKind(
                Features.from_json(kind["features"]), n_species, n_particles, periodic=_truths(kind["periodic"])
            ),
            _texts(values["species_names"], n_species),
            _text(values["observable"]),
            _texts(values["observable_names"]),
            _texts(values["observable_units"]),
            _texts(values["context_names"]),
            _texts(values["context_units"]),
            _positive(values["time_step"]),
            _text(values["time_unit"]),
            _read_map(values),
            _read_composition(values.get("composition"), n_species),
            None if values.get("n_axes") is None else _whole(values["n_axes"]),
        )
        if not facts.observable_names:
            raise ValueError("expected the name of one observable at least")
        for names, units in (
            (facts.observable_names, facts.observable_units),
            (facts.context_names, facts.context_units),
        ):
            if len(names) != len(units):
                raise ValueError(f"expected one unit for each of {names}; got {units}")
        return facts


def _periodic(data: TrajectoryDataset) -> tuple[bool, ...]:
    """Say along which lattice vectors all microstates are periodic; empty for data without a cell."""
    if not data.layout.has_cell:
        return ()
    found: tuple[int, np.ndarray[Any, Any]] | None = None
    for m, cells in data.each("cell", data.usable):
        periodic = (np.asarray(cells)[: data.lengths[m]] != 0).any(axis=-1)  # (T, k)
        found = (m, periodic[0]) if found is None else found
        other = np.flatnonzero((periodic != found[1]).any(axis=1))
        if len(other):
            raise DatasetError(
                f"{data.path}: the cell of trajectory {m}, frame {other[0]} is periodic along "
                f"{periodic[other[0]].tolist()} of its lattice vectors, and that of trajectory {found[0]}, frame 0 "
                f"along {found[1].tolist()}; a model needs the same directions for all."
            )
    return () if found is None else tuple(bool(p) for p in found[1])


def _truths(values: Any) -> tuple[bool, ...]:
    if not isinstance(values, list) or not all(isinstance(value, bool) for value in values):
        raise ValueError(f"expected a list of truth values; got {values!r}")
    return tuple(values)


def _read_map(values: dict[str, Any]) -> ObservableMap:
    names = tuple(values["observable_names"])
    given = values.get("observable_map")  # a model of an earlier day has none
    if given is None:
        return ObservableMap.plain(names)
    transforms = tuple(given["transforms"])
    numbers = [tuple(float(value) for value in given[key]) for key in ("offsets", "spreads")]
    if not set(transforms) <= set(get_args(Transform)) or {len(transforms), *map(len, numbers)} != {len(names)}:
        raise ValueError(f"expected a transform, an offset and a spread for each of {names}; got {given!r}")
    return ObservableMap(names, transforms, *numbers)


def _read_composition(given: Any, n_species: int) -> Composition | None:
    if given is None:
        return None
    parts = [tuple(given[key]) for key in ("names", "varies", "low", "high")]
    if {len(part) for part in parts} != {n_species}:
        raise ValueError(f"expected {n_species} numbers of the composition; got {given!r}")
    return Composition(*parts)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text; got {value!r}")
    return value


def _texts(values: Any, n: int | None = None) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"expected a list of texts; got {values!r}")
    if n is not None and len(values) != n:
        raise ValueError(f"expected {n} texts; got {values!r}")
    return tuple(values)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a whole number of at least 1; got {value!r}")
    return value


def _positive(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise ValueError(f"expected a positive number; got {value!r}")
    return float(value)
