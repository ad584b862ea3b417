"""The columns of one time become a frame: particles are selected, species named, columns left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.base import Frame, SourceFacts
from setclosure.trajectories.readers.options import MDAnalysisOptions
from setclosure.trajectories.readers.selection import Selector

Array = np.ndarray[Any, Any]

AXES = "xyz"

SPECIES = ("type", "typelabel", "name", "element")
"""The columns that say the species, the first that is there, unless an option names one."""


def finished(
    options: MDAnalysisOptions,
    selector: Selector | None,
    content: dict[str, Array],
    *,
    where: str,
    time: float,
    step: int | None,
    ids: Array | None,
    cell: Array | None,
    observables: dict[str, float] | None = None,
    topology: Any = None,
    rows: Array | None = None,
) -> Frame:
    """Make a frame of the columns of one time, numbers and words.

    Parameters
    ----------
    options : MDAnalysisOptions
        The options of the reader.
    selector : Selector, optional
        The selection.
    content : dict
        The columns ``(N,)``, which the frame keeps where they are numbers.
    where : str
        The place, for messages.
    time, step, ids, cell, observables
        As in :class:`~setclosure.trajectories.readers.base.Frame`.
    topology : Universe, optional
        The topology, which adds what the file does not say.
    rows : array, optional
        The numbers of the particles in the topology.

    Raises
    ------
    ReaderError
        If the selection or the species cannot be made.
    """
    if topology is not None and rows is not None:
        join_topology(content, topology.atoms, rows)
    if selector is not None:
        n = len(next(iter(content.values())))
        places = np.stack([content.get(axis, np.zeros(n)) for axis in AXES], axis=1)
        chosen = selector.indices(content, ids, rows, places, _box(cell), where)
        content = {name: column[chosen] for name, column in content.items()}
        ids = None if ids is None else ids[chosen]
    return Frame(
        float(time),
        {
            name: np.ascontiguousarray(column, dtype=np.float64)
            for name, column in content.items()
            if column.dtype.kind in "fiub" and name not in options.leave_out
        },
        ids,
        species_of(content, options.species, where),
        cell,
        observables or {},
        step,
    )


def species_of(content: dict[str, Array], wanted: str | None, where: str) -> Array | None:
    """Give the column that says the species, whole numbers or words; None if there is none.

    Raises
    ------
    ReaderError
        If the one that is wanted is not there.
    """
    name = wanted or next((name for name in SPECIES if name in content), None)
    if name is None:
        return None
    column = content.get(name)
    if column is None:
        raise ReaderError(f"{where}: there is no column '{name}' for the species; it has {', '.join(content)}.")
    if column.dtype.kind == "f" and (column == np.rint(column)).all():
        return column.astype(np.int64)
    return column


def facts(frame: Frame, count: int, sizes: tuple[int, int], length: str, velocity: str, time: str) -> SourceFacts:
    """Make the facts of a source from its first frame, its frames, the fewest and the most particles, and its units."""
    units = {**dict.fromkeys(AXES, length), **{f"v{axis}": velocity for axis in AXES}}
    return SourceFacts(
        count,
        sizes[1],
        tuple(frame.columns),
        has_ids=frame.ids is not None,
        has_cell=frame.cell is not None,
        units={name: unit for name, unit in units.items() if unit and name in frame.columns},
        time_unit=time,
        min_particles=sizes[0],
    )


def least_and_most(frames: Iterable[Frame]) -> tuple[int, int]:
    """Count the fewest and the most particles of frames."""
    sizes = [len(frame) for frame in frames]
    return min(sizes, default=0), max(sizes, default=0)


def require_columns(frame: Frame, columns: tuple[str, ...] | None, where: str) -> None:
    """Require the columns of the first frame.

    Raises
    ------
    ReaderError
        If the frame has others.
    """
    if columns is None or set(frame.columns) == set(columns):
        return
    differing = ", ".join(sorted(set(frame.columns) ^ set(columns)))
    raise ReaderError(
        f"{where}: its columns are {', '.join(frame.columns)}; expected those of the first, {', '.join(columns)}. "
        f"If they are not needed, leave them out where they are: reader: {{leave_out: [{differing}]}}."
    )


def join_topology(content: dict[str, Array], atoms: Any, rows: Array | slice) -> None:
    """Add what a topology says of the particles and their own file does not.

    Parameters
    ----------
    content : dict
        Columns, to which some are added.
    atoms : AtomGroup
        The particles of the topology.
    rows : array or slice
        The numbers of the particles in it.
    """
    attributes = {"type": "types", "name": "names", "element": "elements", "resname": "resnames", "mass": "masses"}
    for name, attribute in {**attributes, "charge": "charges"}.items():
        values = getattr(atoms, attribute, None)
        if values is None or name in content:
            continue
        column = np.asarray(values)[rows]
        if column.dtype.kind in "fiu" or (name == "type" and all(str(value).isdigit() for value in set(column))):
            content[name] = column.astype(np.float64)
        else:
            content[name] = column.astype(str)


def _box(cell: Array | None) -> Array | None:
    return None if cell is None or cell.shape != (3, 3) else cell
