"""The facts of a data set that ``setclosure inspect`` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.summary import MOST_FRAMES, MOST_TRAJECTORIES, Summary, summarise

MOST_NAMED = 3
"""The most gaps and files that are named."""


def dataset_facts(data: TrajectoryDataset, damaged: list[int]) -> dict[str, Any]:
    """Give what a person would ask of a data set, in words.

    Parameters
    ----------
    data : TrajectoryDataset
        The data set.
    damaged : list of int
        Its damaged trajectories.
    """
    missing = data.n_trajectories - int(data.committed.sum())
    sound = np.setdiff1d(np.flatnonzero(data.committed), damaged)
    summary = summarise(data, sound)
    unit, time_unit = data.layout.units, data.layout.time_unit
    facts: dict[str, Any] = {
        "system": data.layout.name,
        "description": data.layout.description,
        "trajectories": f"{data.n_trajectories - missing} of {data.n_trajectories}",
        "frames": _frames(data, summary),
        "times": "" if summary.times is None else f"{_span(summary.times, time_unit)}{_gaps(summary)}",
        "particles": "" if summary.particles is None else _count(summary.particles),
        "species": _species(data, summary),
        "features of a particle": "\n".join(
            f"{name} ({role}){f', {_span(of)}' if of else ''}"
            for name, role, of in _zip(data.features.names, data.features.roles, summary.features)
        ),
        "cell": _cell(summary, unit) if data.layout.has_cell else "none",
        "observables": "\n".join(
            f"{name}{f', {_span(of, unit_of)}' if of else f' ({unit_of})' if unit_of else ''}"
            for name, unit_of, of in _zip(data.observable_names, data.observable_units, summary.observables)
        ),
        "context": "\n".join(
            f"{name}{f', {_span(of, unit_of)}' if of else ''}{_constancy(summary, k)}"
            for k, (name, unit_of, of) in enumerate(
                _zip(data.context_names, data.layout.context_units, summary.context)
            )
        )
        or "none",
        "units": unit,
        "sources": _sources(data),
        "schema": data.schema,
        "created": data.created,
        "fingerprint": data.fingerprint,
        "provenance": json.dumps(
            _said({k: v for k, v in data.provenance.items() if k != "trajectories"}), ensure_ascii=False
        ),
        "not yet committed": missing or "none",
        "damaged trajectories": ", ".join(map(str, damaged)) or "none",
        "suspicious": "\n".join(summary.suspicious) or f"nothing{_looked_at(data, sound)}",
    }
    return {key: value for key, value in facts.items() if value != ""}


def _zip(names: Sequence[str], others: Sequence[str], ranges: list[tuple[float, float]]) -> list[tuple[str, str, Any]]:
    """Put names, roles or units, and ranges side by side; ranges are None if nothing was looked at."""
    return (
        list(zip(names, others, ranges, strict=True))
        if ranges
        else [(a, b, None) for a, b in zip(names, others, strict=True)]
    )


def _span(of: tuple[float, float], unit: str = "") -> str:
    text = f"{of[0]:.5g}" if of[0] == of[1] else f"{of[0]:.5g} to {of[1]:.5g}"
    return f"{text} {unit}".rstrip()


def _count(of: tuple[int, int]) -> str:
    return str(of[0]) if of[0] == of[1] else f"{of[0]} to {of[1]}"


def _frames(data: TrajectoryDataset, summary: Summary) -> str:
    if summary.lengths is None:
        return "none"
    apart = f"{data.time_step:g} {data.layout.time_unit}".rstrip()
    gaps = f"; {len(summary.gaps)} gaps" if summary.gaps else ""
    return f"{_count(summary.lengths)}, {apart} apart, {summary.frames} in all{gaps}"


def _gaps(summary: Summary) -> str:
    if not summary.gaps:
        return ""
    named = ", ".join(f"trajectory {m} behind frame {t}" for m, t in summary.gaps[:MOST_NAMED])
    more = f" and {len(summary.gaps) - MOST_NAMED} more" if len(summary.gaps) > MOST_NAMED else ""
    return f"; gaps: {named}{more}"


def _species(data: TrajectoryDataset, summary: Summary) -> str:
    if not summary.species:
        return ", ".join(data.species_names)
    return "\n".join(f"{name}, {_count(of)}" for name, of in zip(data.species_names, summary.species, strict=True))


def _cell(summary: Summary, unit: str) -> str:
    if not summary.cell:
        return "yes"
    lengths = [_span(of, unit) if of[1] else "open" for of in summary.cell]
    changes = any(low != high for low, high in summary.cell)
    return f"{' × '.join(lengths)}{', not the same in all frames' if changes else ''}"


def _constancy(summary: Summary, k: int) -> str:
    return "" if not summary.constant_context or summary.constant_context[k] else ", changes in time"


def _sources(data: TrajectoryDataset) -> str:
    files = {file["path"]: file["size"] for of in data.sources.values() for file in of["files"]}
    if not files:
        return ""
    named = ", ".join(sorted(files)[:MOST_NAMED]) + (" …" if len(files) > MOST_NAMED else "")
    return f"{len(files)} files of {sum(files.values()) / 1e6:.3g} MB: {named}"


def _provenance(data: TrajectoryDataset) -> str:
    said = {key: _said(value) for key, value in data.provenance.items() if key != "trajectories"}
    return json.dumps(said, ensure_ascii=False)


def _said(value: Any) -> Any:
    """Leave out of JSON values what was not said: nothing, and empty lists, mappings and texts."""
    if isinstance(value, dict):
        return {key: _said(of) for key, of in value.items() if of not in (None, "", [], {}, False)}
    return [_said(of) for of in value] if isinstance(value, list) else value


def _looked_at(data: TrajectoryDataset, sound: np.ndarray) -> str:
    most = int(data.lengths[sound].max()) if len(sound) else 0
    if len(sound) <= MOST_TRAJECTORIES and most <= MOST_FRAMES:
        return ""
    return f" in the first {MOST_FRAMES} frames of up to {MOST_TRAJECTORIES} trajectories"
