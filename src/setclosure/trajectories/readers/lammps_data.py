"""Data files of LAMMPS are read with image flags, and with velocities that are matched by identity.

The columns of the section ``Atoms`` depend on the atom style, which ``write_data`` notes in the line ``Atoms # full``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.lammps_dump import Snapshot
from setclosure.trajectories.readers.text import cut_off, damaged, opened, table, whole_numbers

Array = np.ndarray[Any, Any]

STYLES = {
    "angle": "id mol type x y z",
    "atomic": "id type x y z",
    "bond": "id mol type x y z",
    "bpm/sphere": "id mol type diameter density x y z",
    "charge": "id type q x y z",
    "dipole": "id type q x y z mux muy muz",
    "dpd": "id type dpdTheta x y z",
    "electron": "id type q spin eradius x y z",
    "ellipsoid": "id type ellipsoidflag density x y z",
    "full": "id mol type q x y z",
    "line": "id mol type lineflag density x y z",
    "mdpd": "id type rho x y z",
    "molecular": "id mol type x y z",
    "peri": "id type volume density x y z",
    "sphere": "id type diameter density x y z",
    "spin": "id type x y z spx spy spz sp",
    "tri": "id mol type triangleflag density x y z",
}
"""The columns of the section ``Atoms`` by atom style."""

REFUSED = ("hybrid", "template", "body")
"""Atom styles whose columns depend on more than the style."""

VELOCITIES = {
    4: "id vx vy vz",
    5: "id vx vy vz ervel",
    7: "id vx vy vz wx wy wz",
}
"""The columns of the section ``Velocities`` by their number: of points, of electrons, and of bodies that spin."""

IMAGES = ("ix", "iy", "iz")

SECTION = re.compile(
    r"^(Atoms|Velocities|Masses|Ellipsoids|Lines|Triangles|Bodies|Bonds|Angles|Dihedrals|Impropers"
    r"|(Atom|Bond|Angle|Dihedral|Improper) Type Labels|[A-Za-z0-9]+ Coeffs)$"
)
HEADER = re.compile(r"^(?P<numbers>[-+.\deE\s]+?)\s+(?P<key>[A-Za-z][A-Za-z ]*)$")


def read_data(path: Path, atom_style: str | None = None, open_end: bool = False) -> Snapshot:
    """Read a data file of LAMMPS.

    Parameters
    ----------
    path : Path
        The file, which may be compressed.
    atom_style : str, optional
        A style of :data:`STYLES`, or the names of the columns: ``"id mol type q x y z"``. By default it is what the
        file notes beside the title of the section ``Atoms``.
    open_end : bool
        Whether a last line without a line break is whole.

    Raises
    ------
    ReaderError
        If the file has no section ``Atoms``, its columns are not known, or a line is damaged.
    """
    header, sections, style, units = _sections(path, open_end)
    if "Atoms" not in sections:
        raise ReaderError(f"{path} has no section 'Atoms'; expected a data file of LAMMPS with particles in it.")
    line, rows, begins = sections["Atoms"]
    names = _columns(path, line, rows, atom_style or style)
    atoms = table(rows, names, path, begins)
    n = int(header.get("atoms", [len(rows)])[0])
    if n != len(rows):
        raise damaged(path, f"line {line}", f"{len(rows)} particles", f"{n}, which the head of the file says")
    if "Masses" in sections and "mass" not in atoms:
        _add_masses(path, atoms, sections["Masses"])
    if "Velocities" in sections:
        _add_velocities(path, atoms, sections["Velocities"])
    origin, vectors = _box(path, header)
    step = header.get("step")
    return Snapshot(
        f"{path}, line {line}",
        n,
        tuple(atoms),
        origin,
        vectors,
        step=None if step is None else int(step[0]),
        units=units,
        table=atoms,
    )


def atom_columns(path: Path, atom_style: str | None = None) -> str:
    """Give the columns of the section ``Atoms``, without image flags, as MDAnalysis names them."""
    _, sections, style, _ = _sections(path, open_end=True)
    if "Atoms" not in sections:
        raise ReaderError(f"{path} has no section 'Atoms'; expected a data file of LAMMPS with particles in it.")
    line, rows, _ = sections["Atoms"]
    names = _columns(path, line, rows, atom_style or style)
    return " ".join({"mol": "resid", "q": "charge"}.get(name, name) for name in names)


Section = tuple[int, list[bytes], int]
"""The line of the title of a section, its rows, and the line of the first row."""


def _sections(path: Path, open_end: bool) -> tuple[dict[str, list[float]], dict[str, Section], str | None, str | None]:
    header: dict[str, list[float]] = {}
    sections: dict[str, Section] = {}
    style = None
    rows: list[bytes] | None = None
    with opened(path, open_end) as lines:
        title = lines.line().decode(errors="replace")
        if found := re.search(r"timestep = (\d+)", title):
            header["step"] = [float(found.group(1))]
        last = b"\n"
        while line := lines.line():
            last = line
            text, _, comment = line.decode(errors="replace").partition("#")
            text = text.strip()
            if not text:
                continue
            if SECTION.match(text):
                rows = []
                sections[text] = (lines.number, rows, 0)
                noted = comment.split()[:1]
                if text == "Atoms" and noted and noted[0] in (*STYLES, *REFUSED):
                    style = noted[0]
            elif rows is None:
                if match := HEADER.match(text):
                    header[match["key"]] = [float(number) for number in match["numbers"].split()]
            else:
                name = next(reversed(sections))
                if not rows:
                    sections[name] = (sections[name][0], rows, lines.number)
                rows.append(text.encode() + b"\n")
        if not (open_end or last.endswith(b"\n")):
            raise cut_off(lines, "the last line")
    units = re.search(r"units = (\w+)", title)
    return header, sections, style, None if units is None else units.group(1)


def _columns(path: Path, line: int, rows: list[bytes], style: str | None) -> tuple[str, ...]:
    count = len(rows[0].split()) if rows else 0
    where = f"line {line}"
    if style is None:
        if count not in (0, 5):
            raise damaged(
                path,
                where,
                f"the section 'Atoms' has {count} columns and does not note its atom style",
                "'Atoms # full' or the like",
                "Say the style or the columns: reader: {atom_style: full}, or {atom_style: id mol type q x y z}.",
            )
        style = "atomic"
    names = tuple(STYLES.get(style, style).split())
    if not {"id", "type", "x", "y", "z"} <= set(names):
        raise damaged(
            path,
            where,
            f"the atom style '{style}'",
            f"one of {', '.join(STYLES)}",
            "Say the columns instead: reader: {atom_style: id mol type q x y z}.",
        )
    if count in (0, len(names)):
        return names
    if count == len(names) + 3 and not set(IMAGES) & set(names):
        return names + IMAGES
    raise damaged(
        path,
        where,
        f"{count} columns in the section 'Atoms'",
        f"{len(names)}, which are {' '.join(names)}, or 3 more with image flags",
    )


def _add_masses(path: Path, atoms: dict[str, Array], section: Section) -> None:
    masses = table(section[1], ("type", "mass"), path, section[2])
    of_type = dict(zip(masses["type"].tolist(), masses["mass"].tolist(), strict=True))
    types = atoms["type"].tolist()
    if lacking := set(types) - set(of_type):
        raise damaged(path, f"line {section[0]}", f"no mass of the type {min(lacking, key=str)}", "one for each type")
    atoms["mass"] = np.array([of_type[kind] for kind in types], dtype=np.float64)


def _add_velocities(path: Path, atoms: dict[str, Array], section: Section) -> None:
    line, rows, begins = section
    count = len(rows[0].split()) if rows else 4
    if count not in VELOCITIES:
        raise damaged(path, f"line {begins}", f"{count} columns of velocities", "4, 5 or 7")
    found = table(rows, tuple(VELOCITIES[count].split()), path, begins)
    where = f"{path}, line {line}"
    ids, own = whole_numbers(found.pop("id"), "id", where), whole_numbers(atoms["id"], "id", where)
    order, own_order = np.argsort(ids, kind="stable"), np.argsort(own, kind="stable")
    if not np.array_equal(ids[order], own[own_order]):
        raise damaged(path, f"line {line}", "velocities of other particles than those of 'Atoms'", "one for each")
    for name, column in found.items():
        matched = np.empty_like(column)
        matched[own_order] = column[order]
        atoms[name] = matched


def _box(path: Path, header: dict[str, list[float]]) -> tuple[Array, Array]:
    if "avec" in header:
        keys = ("avec", "bvec", "cvec", "abc origin")
        if all(len(header.get(key, ())) == 3 for key in keys):
            return np.array(header["abc origin"]), np.array([header[key] for key in keys[:3]])
        raise ReaderError(f"{path}: the box lacks a vector; expected lines with {', '.join(keys)}.")
    bounds = []
    for axis in "xyz":
        key = f"{axis}lo {axis}hi"
        if len(header.get(key, ())) != 2:
            raise ReaderError(f"{path}: the box has no bounds along {axis}; expected two numbers and {key}.")
        bounds.append(header[key])
    low, high = np.array(bounds).T
    vectors = np.diag(high - low)
    vectors[1, 0], vectors[2, 0], vectors[2, 1] = header.get("xy xz yz", (0.0, 0.0, 0.0))
    return low, vectors
