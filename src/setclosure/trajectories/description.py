"""The description of a data set: layout, sizes, provenance, fingerprint, and its trajectories that can be used."""

from __future__ import annotations

import functools
import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from setclosure.errors import DatasetError, SetclosureWarning
from setclosure.sets.features import Features
from setclosure.trajectories.layout import Array, Layout
from setclosure.trajectories.sources import read_sources
from setclosure.trajectories.store import SCHEMA, Store


class Description:
    """The facts of a data set, or of a part of one in time.

    Parameters
    ----------
    store : Store
        The trajectories on disk.
    stretches : array, optional
        For each trajectory of a part in time the index on the disk, the first frame and the last frame + 1, ``(M, 3)``.
    allow_unfinished : bool
        Whether learning may begin although some trajectories were never committed.
    """

    def __init__(self, store: Store, stretches: Array | None = None, allow_unfinished: bool = False) -> None:
        self._store, self._stretches = store, stretches
        self.allow_unfinished = allow_unfinished
        """Whether learning may begin although some trajectories were never committed."""

    def __repr__(self) -> str:
        there = self.committed
        missing = f", {np.count_nonzero(~there)} of them not committed" if not there.all() else ""
        frames = f" of {span(self.lengths[there])} frames" if there.any() else ""
        most = f"{'up to ' if self.layout.ragged else ''}{self.max_particles}"
        species = "" if self.species_names == ("particles",) else f" of {', '.join(self.species_names)}"
        lines = [
            f"TrajectoryDataset {self.path}: {self.layout.name}",
            f"  {self.n_trajectories} trajectories{frames}{missing}",
            f"  {most} particles{species}; features {', '.join(self.features.names)}",
            f"  observables {_with_units(self.observable_names, self.observable_units)}",
        ]
        if self.context_names:
            lines.append(f"  context {_with_units(self.context_names, self.layout.context_units)}")
        return "\n".join(line.rstrip() for line in lines)

    @property
    def path(self) -> Path:
        """The folder of the data set."""
        return self._store.path

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        return self._store.layout

    @property
    def schema(self) -> int:
        """Version of the layout on disk."""
        return SCHEMA

    @property
    def n_trajectories(self) -> int:
        """M, committed or not."""
        return self._store.n_trajectories if self._stretches is None else len(self._stretches)

    @property
    def lengths(self) -> Array:
        """Frames of each trajectory, ``(M,)``; zero where none was committed."""
        if self._stretches is None:
            return self._store.lengths.copy()
        return np.asarray(self._stretches[:, 2] - self._stretches[:, 1])

    @property
    def max_frames(self) -> int:
        """Frames of the longest trajectory."""
        return int(self.lengths.max())

    @property
    def max_particles(self) -> int:
        """N, the most particles of a microstate."""
        return self.layout.max_particles

    @property
    def features(self) -> Features:
        """The roles of the d features of a particle."""
        return self.layout.features

    @property
    def n_features(self) -> int:
        """Features of a particle, d."""
        return self.features.d

    @property
    def n_species(self) -> int:
        """S."""
        return self.layout.n_species

    @property
    def species_names(self) -> tuple[str, ...]:
        """Names of the S species."""
        return self.layout.species_names

    @property
    def observable(self) -> str:
        """Registered name of the observable."""
        return self.layout.observable

    @property
    def observable_names(self) -> tuple[str, ...]:
        """Names of the o observables."""
        return self.layout.observable_names

    @property
    def observable_units(self) -> tuple[str, ...]:
        """Units of the o observables."""
        return self.layout.observable_units

    @property
    def context_names(self) -> tuple[str, ...]:
        """Names of the p numbers that are known from outside."""
        return self.layout.context_names

    @property
    def created(self) -> str:
        """When it was made, in ISO 8601."""
        return str(self._store.facts["created"])

    @property
    def provenance(self) -> dict[str, Any]:
        """The origin of the data: configuration, seed, split and version of the package."""
        return dict(self._store.facts["provenance"])

    @property
    def sources(self) -> dict[int, dict[str, Any]]:
        """The files that imported trajectories come from, by trajectory: path, size, time and SHA-256 of each."""
        known = read_sources(self.path)
        if self._stretches is None:
            return known
        return {m: known[i] for m, i in enumerate(self._stretches[:, 0].tolist()) if i in known}

    @property
    def committed(self) -> Array:
        """The trajectories that were written completely, ``(M,)`` boolean."""
        there = self._store.committed
        return there if self._stretches is None else np.asarray(there[self._stretches[:, 0]])

    def digest(self, index: int) -> bytes | None:
        """Give the SHA-256 of the content of a trajectory; None if it is a part of one on the disk."""
        return None if self._stretches is not None else bytes(self._store.digests[index])

    @property
    def fingerprint(self) -> str:
        """SHA-256 over layout and content: equal for equal data, wherever they are and whoever wrote them when."""
        layout = {key: value for key, value in self.layout.to_json().items() if key != "description"}
        head: dict[str, Any] = {"schema": SCHEMA, "layout": layout}
        if self._stretches is not None:
            head["stretches"] = self._stretches.tolist()
        raw = json.dumps(head, sort_keys=True).encode()
        return hashlib.sha256(raw + self._store.digests.tobytes()).hexdigest()

    def contents(self) -> list[tuple[bytes, int, int]]:
        """Give for each trajectory the SHA-256 of the whole one on the disk, and its first and last frame + 1 there.

        It is empty where none was committed.
        """
        digests = self._store.digests
        return [(digests[i].tobytes() if digests[i].any() else b"", a, b) for i, a, b in self._rows()]

    # ── whole and finished ────────────────────────────────────────────────────────────────────────────────────

    @functools.cached_property
    def usable(self) -> Array:
        """Indices of the committed and undamaged trajectories; the first use reads and checks all of them.

        Warns
        -----
        SetclosureWarning
            Naming the damaged trajectories, if there are any.
        """
        damaged = self._those(self._store.damaged())
        if damaged:
            warnings.warn(
                f"{self.path}: {len(damaged)} of {self.n_trajectories} trajectories are damaged and are left out: "
                f"{listed(damaged)}. Simulate again with the same configuration to redo just these, or restore "
                "the files.",
                SetclosureWarning,
                stacklevel=2,
            )
        return self._sound()

    def verify(self) -> list[int]:
        """List the damaged trajectories: committed, but not readable or with another checksum. All are read anew."""
        return self._those(self._store.damaged(again=True))

    def require_finished(self) -> Self:
        """Refuse a data set of which only a part was committed, unless it was opened with ``allow_unfinished``.

        Raises
        ------
        DatasetError
            With the number of trajectories that are missing.
        """
        M = self._store.n_trajectories  # of all, also for a part in time, which has none that are missing
        missing = M - int(self._store.committed.sum())
        if missing and not self.allow_unfinished:
            raise DatasetError(
                f"{self.path} lacks {missing} of its {M} trajectories: making it was stopped. "
                "The same command goes on where it was; data from arrays are made again at another path. To use what "
                "is there, open it with TrajectoryDataset.open(path, allow_unfinished=True), or say "
                "allow_unfinished: true in the section 'data' of a configuration."
            )
        return self

    def _those(self, stored: list[int]) -> list[int]:
        """Give the trajectories that are, or are a part of, some on the disk."""
        if self._stretches is None:
            return list(stored)
        return [int(m) for m in np.flatnonzero(np.isin(self._stretches[:, 0], stored))]

    def _sound(self) -> Array:
        return np.setdiff1d(np.flatnonzero(self.committed), self._those(self._store.damaged()))

    def _rows(self) -> list[tuple[int, int, int]]:
        """Index on the disk, first and last frame + 1 of every trajectory."""
        return [self._stretch(m) for m in range(self.n_trajectories)]

    def _stretch(self, index: int) -> tuple[int, int, int]:
        if self._stretches is None:
            return index, 0, int(self._store.lengths[index])
        stored, first, last = self._stretches[index].tolist()
        return stored, first, last


def listed(indices: list[Any], most: int = 20) -> str:
    """Give the first indices as text, and how many there are in all."""
    text = ", ".join(map(str, indices[:most]))
    return text if len(indices) <= most else f"{text} … ({len(indices)} in all)"


def span(numbers: Array) -> str:
    """Give the least and the largest number as text."""
    least, most = int(numbers.min()), int(numbers.max())
    return str(most) if least == most else f"{least} to {most}"


def _with_units(names: Sequence[str], units: Sequence[str]) -> str:
    return ", ".join(f"{name} ({unit})" if unit else name for name, unit in zip(names, units, strict=True))
