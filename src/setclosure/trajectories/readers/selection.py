"""Particles are chosen by MDAnalysis's language of selections, for every file that this library reads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.extras import optional_packages

Array = np.ndarray[Any, Any]

GEOMETRIC = frozenset(("around", "sphlayer", "sphzone", "isolayer", "cyzone", "cylayer", "point", "prop", "box"))
"""Words of a selection that depends on where particles are, so that it is made anew in each frame."""

ATTRIBUTES = {
    "type": "types",
    "element": "elements",
    "name": "names",
    "typelabel": "names",
    "mass": "masses",
    "charge": "charges",
    "q": "charges",
}
"""The attributes of MDAnalysis that are made of columns of a LAMMPS file."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of MDAnalysis about what it guesses, as nothing that it guesses is used."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def moves(selection: str) -> bool:
    """Say whether a selection depends on where the particles are."""
    return bool(GEOMETRIC & set(selection.replace("(", " ").replace(")", " ").split()))


def select_atoms(group: Any, selection: str, where: str, updating: bool = False) -> Any:
    """Select of a group of MDAnalysis.

    Raises
    ------
    ReaderError
        If the selection cannot be understood, the file lacks what it asks for, or nothing is left.
    """
    try:
        with quiet():
            chosen = group.select_atoms(selection, updating=updating)
    except Exception as error:  # MDAnalysis raises several kinds, none of which it documents
        raise ReaderError(
            f"{where}: the selection '{selection}' cannot be used: {' '.join(str(error).split())}. Expected words of "
            f"MDAnalysis's language, such as 'type 1 or type 2'. {_known(group)}"
        ) from error
    if not len(chosen) and not moves(selection):
        raise ReaderError(f"{where}: the selection '{selection}' leaves no particle. {_known(group)}")
    return chosen


class Selector:
    """A selection among the particles of successive frames that no universe of MDAnalysis holds.

    Parameters
    ----------
    selection : str
        The selection.
    topology : Universe, optional
        A universe with attributes and bonds of the particles, whose identities are those of the frames.
    """

    def __init__(self, selection: str, topology: Any = None) -> None:
        self.selection = selection
        self.topology = topology
        self.moves = moves(selection)
        self._key: tuple[Any, ...] = ()
        self._group: Any = None
        self._chosen = np.zeros(0, dtype=np.int64)

    def indices(
        self,
        table: dict[str, Array],
        ids: Array | None,
        rows: Array | None,
        positions: Array,
        vectors: Array | None,
        where: str,
    ) -> Array:
        """Give the numbers of the chosen particles of one frame.

        Parameters
        ----------
        table : dict
            Columns of the frame.
        ids : array, optional
            Identities of the particles.
        rows : array, optional
            Their numbers in the topology.
        positions : array
            ``(N, 3)``.
        vectors : array, optional
            Lattice vectors ``(3, 3)``.
        where : str
            The place, for messages.

        Raises
        ------
        ReaderError
            If the selection cannot be made, or leaves nothing.
        """
        given = {name: table[name] for name in (*ATTRIBUTES, "mol") if name in table}
        key = (ids, rows, *given.values())
        same = len(key) == len(self._key) and all(np.array_equal(a, b) for a, b in zip(key, self._key, strict=True))  # type: ignore[arg-type]
        if not same:
            self._group = self._made(given, ids, rows, len(positions))
            self._key = key
        elif not self.moves:
            return self._chosen
        if self.moves:
            self._group.positions = positions
            self._group.universe.dimensions = _dimensions(vectors)
        chosen = select_atoms(self._group, self.selection, where)
        number = np.full(self._group.universe.atoms.n_atoms, -1)
        number[self._group.indices] = np.arange(len(self._group))
        self._chosen = np.sort(number[chosen.indices])
        return self._chosen

    def _made(self, given: dict[str, Array], ids: Array | None, rows: Array | None, n: int) -> Any:
        attributes = {
            ATTRIBUTES[name]: column.astype(int).astype(str)
            if name == "type" and column.dtype.kind in "fiu"
            else column
            for name, column in given.items()
            if name != "mol"
        }
        with quiet():
            if self.topology is not None and rows is not None:
                self.topology.load_new(np.zeros((1, self.topology.atoms.n_atoms, 3), dtype=np.float32))
                group = self.topology.atoms[rows]
                for name, values in attributes.items():
                    if hasattr(group, name):
                        setattr(group, name, values)
                return group
            return self._without_topology(attributes, given.get("mol"), ids, n)

    def _without_topology(
        self, attributes: dict[str, Array], molecules: Array | None, ids: Array | None, n: int
    ) -> Any:
        with optional_packages():
            import MDAnalysis
        names, place = (None, None) if molecules is None else np.unique(molecules, return_inverse=True)
        universe = MDAnalysis.Universe.empty(
            n,
            n_residues=1 if names is None else len(names),
            atom_resindex=np.zeros(n, dtype=int) if place is None else place,
            trajectory=True,
        )
        if names is not None:
            universe.add_TopologyAttr("resids", names.astype(int))
        if ids is not None:
            universe.add_TopologyAttr("ids", ids)
        for name, values in attributes.items():
            universe.add_TopologyAttr(name, values)
        return universe.atoms


def topology_rows(topology: Any, ids: Array | None, where: str) -> Array:
    """Give the numbers of the particles of a frame in a topology, by their identities.

    Raises
    ------
    ReaderError
        If the frame or the topology has no identities, or the topology lacks one.
    """
    known = getattr(topology.atoms, "ids", None)
    if ids is None or known is None:
        lacking = "the frame" if ids is None else "the topology"
        raise ReaderError(f"{where}: {lacking} has no identities of particles, by which the topology is joined.")
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known, ids, sorter=order).clip(max=len(known) - 1)
    rows: Array = order[place]
    if (missing := known[rows] != ids).any():
        raise ReaderError(
            f"{where}: the particle {ids[missing][0]} is not in the topology, which has {len(known)} with the "
            f"numbers {known.min()} to {known.max()}. Give the topology of this trajectory."
        )
    return rows


def load_topology(path: Path, **options: Any) -> Any:
    """Load a file with attributes and bonds of particles as a universe of MDAnalysis, in the units of the file.

    Raises
    ------
    ReaderError
        If MDAnalysis cannot read it.
    """
    with optional_packages():
        import MDAnalysis
    try:
        with quiet():
            return MDAnalysis.Universe(str(path), to_guess=(), convert_units=False, **options)
    except MemoryError:
        raise
    except Exception as error:  # parsers of MDAnalysis raise whatever their file makes them raise
        raise ReaderError(
            f"{path} cannot be read as a topology: {type(error).__name__}: {' '.join(str(error).split())}. Expected a "
            "file with the particles' names or types that MDAnalysis knows, such as PSF, PDB, GRO, TPR, PRMTOP or DATA."
        ) from error


def _dimensions(vectors: Array | None) -> Array | None:
    with optional_packages():
        from MDAnalysis.lib.mdamath import triclinic_box
    if vectors is None or not np.linalg.norm(vectors, axis=1).all():
        return None
    box: Array = triclinic_box(*vectors)
    return box


def _known(group: Any) -> str:
    found = []
    for name in ("types", "elements", "names", "resnames"):
        values = getattr(group, name, None)
        if values is None:
            continue
        distinct = sorted({str(value) for value in values})
        more = f" and {len(distinct) - 8} more" if len(distinct) > 8 else ""
        found.append(f"{name} {', '.join(distinct[:8])}{more}")
    return f"The particles have {'; '.join(found)}." if found else "The particles have no types and no names."
