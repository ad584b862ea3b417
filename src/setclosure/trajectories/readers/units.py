"""The units that programs write are named, never converted."""

from __future__ import annotations

LAMMPS_UNITS = {
    "lj": ("σ", "τ", "σ/τ"),
    "real": ("Å", "fs", "Å/fs"),
    "metal": ("Å", "ps", "Å/ps"),
    "si": ("m", "s", "m/s"),
    "cgs": ("cm", "s", "cm/s"),
    "electron": ("bohr", "fs", "bohr/a.u."),
    "micro": ("µm", "µs", "µm/µs"),
    "nano": ("nm", "ns", "nm/ns"),
}
"""Units of lengths, times and velocities by LAMMPS' style of units."""

NAMES = {"Angstrom": "Å", "A": "Å", "angstrom": "Å"}
"""Units that this library writes otherwise than MDAnalysis."""


def unit_name(unit: str | None) -> str:
    """Write a unit of MDAnalysis as this library does: ``Angstrom/ps`` becomes ``Å/ps``.

    Examples
    --------
    >>> unit_name("Angstrom/ps")
    'Å/ps'
    """
    return "/".join(NAMES.get(part, part) for part in unit.split("/")) if unit else ""
