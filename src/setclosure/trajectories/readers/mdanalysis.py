"""Trajectories of simulation programs are read through MDAnalysis, and past it where it would lose something.

Text dumps and data files of LAMMPS, GSD and H5MD are read here directly, as MDAnalysis drops image flags, boundaries,
velocities or changing numbers of particles of them; its language of selections and its topologies hold for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

from setclosure.errors import ReaderError
from setclosure.registry import register
from setclosure.trajectories.readers.base import Frame, Source, SourceFacts
from setclosure.trajectories.readers.gsd_frames import GSDFrames
from setclosure.trajectories.readers.h5md_frames import H5MDFrames
from setclosure.trajectories.readers.lammps_data import atom_columns
from setclosure.trajectories.readers.lammps_frames import LammpsFrames
from setclosure.trajectories.readers.options import MDAnalysisOptions
from setclosure.trajectories.readers.selection import load_topology
from setclosure.trajectories.readers.text import opened
from setclosure.trajectories.readers.universe_frames import FORMATS, UniverseFrames

SUFFIXES = {
    ".lammpstrj": "LAMMPSDUMP",
    ".lammpsdump": "LAMMPSDUMP",
    ".data": "DATA",
    ".xtc": "XTC",
    ".trr": "TRR",
    ".dcd": "DCD",
    ".h5md": "H5MD",
    ".gsd": "GSD",
    ".nc": "NCDF",
    ".ncdf": "NCDF",
    ".xyz": "XYZ",
    ".pdb": "PDB",
    ".ent": "PDB",
}
"""The format by the suffix of the name, behind which one of a compressed file may stand."""

COMPRESSED = (".gz", ".bz2", ".xz")


class Reading(Protocol):
    """The reading of one source."""

    def scan(self) -> SourceFacts:
        """Look at the source."""
        ...

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give frames."""
        ...


@register("reader", "mdanalysis")
class MDAnalysisConfig(MDAnalysisOptions):
    """Files of simulation programs: LAMMPS dumps and data files, XTC, TRR, DCD, H5MD, GSD, AMBER NetCDF, XYZ, PDB.

    Lengths, times and coordinates are those of the file: nothing is converted and the origin stays where it is.
    Velocities are the columns ``vx``, ``vy`` and ``vz``. MDAnalysis keeps a small file with the offsets of the frames
    beside an XTC or TRR file, where it may.
    """

    path_options: ClassVar[tuple[str, ...]] = ("topology",)

    def scan(self, source: Source) -> SourceFacts:
        """Count the frames, and look at the first one."""
        return self._reading(source).scan()

    def frames(self, source: Source, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Give frames, with particles in the order of their identities."""
        if start < 0 or step < 1:
            raise ReaderError(f"frames start at {start} and step by {step}; expected at least 0 and 1.")
        yield from self._reading(source).frames(start, stop, step)

    def where(self, source: Source, frame: int, particle: int) -> str:
        """Say where a particle of a frame stands in the file: the line of a dump."""
        reading = self._reading(source)
        return reading.where(frame, particle) if isinstance(reading, LammpsFrames) else ""

    def _reading(self, source: Source) -> Reading:
        kind = self.format or format_of(source.path)
        topology = self._topology_path(source)
        self._refuse_what_does_not_fit(kind, source)
        if kind in ("LAMMPSDUMP", "DATA"):
            return LammpsFrames(source, kind == "DATA", self, self._loaded(topology))
        if kind == "GSD":
            return GSDFrames(source, self, self._loaded(topology))
        if kind == "H5MD":
            return H5MDFrames(source, self, self._loaded(topology))
        return UniverseFrames(source, kind, self, topology, self._topology_options(topology))

    def _topology_path(self, source: Source) -> Path | None:
        if self.topology is None:
            return None
        try:
            named = self.topology.format(**source.values)
        except (KeyError, IndexError, ValueError) as error:
            raise ReaderError(
                f"the topology '{self.topology}' has a field that the name of {source.path} does not say: {error}."
            ) from error
        places = [Path(named), source.path.parent / named]
        for place in places:
            if place.is_file():
                return place
        raise ReaderError(f"the topology {named} is not there; looked for {' and '.join(str(p) for p in places)}.")

    def _topology_options(self, path: Path | None) -> dict[str, Any]:
        if path is None or format_of(path, unknown="") != "DATA":
            return {}
        return {"topology_format": "DATA", "atom_style": atom_columns(path, self.atom_style)}

    def _loaded(self, path: Path | None) -> Any:
        return None if path is None else load_topology(path, **self._topology_options(path))

    def _refuse_what_does_not_fit(self, kind: str, source: Source) -> None:
        lammps = kind in ("LAMMPSDUMP", "DATA")
        fits = {
            "units": self.units == "file" or (kind in FORMATS and kind != "LAMMPS"),
            "lammps_units": self.lammps_units is None or lammps or kind == "LAMMPS",
            "coordinates": self.coordinates is None or kind == "LAMMPSDUMP",
            "group": self.group is None or kind == "H5MD",
            "cut_off": self.cut_off == "refuse" or kind in CUT_OFF[self.cut_off],
            "unwrap": not self.unwrap or kind not in FORMATS,
        }
        for option, fit in fits.items():
            if not fit:
                raise ReaderError(
                    f"{source.path}: the option '{option}: {getattr(self, option)}' does not fit files of the format "
                    f"{kind}{_REASONS.get(option, '')}. Leave it out."
                )


CUT_OFF = {"drop": ("LAMMPSDUMP",), "whole": ("LAMMPSDUMP", "DATA", "XYZ", "PDB")}
"""The formats that an option of ``cut_off`` is for."""

_REASONS = {
    "units": ", which do not say their units or are read as they are",
    "unwrap": ", which have no image flags; a periodic cell needs no unwrapping",
}


def format_of(path: Path, unknown: str | None = None) -> str:
    """Say the format of a file by its name, or by its first line if it is a text dump of LAMMPS.

    Raises
    ------
    ReaderError
        If neither shows it, unless ``unknown`` is given, which is returned then.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in COMPRESSED]
    if suffixes and suffixes[-1] in SUFFIXES:
        return SUFFIXES[suffixes[-1]]
    if unknown is None:
        with opened(path) as lines:
            if lines.line().startswith(b"ITEM: "):
                return "LAMMPSDUMP"
        raise ReaderError(
            f"{path}: the name does not show the format. Say it, as in reader: {{name: mdanalysis, format: XTC}}; "
            f"known suffixes are {', '.join(SUFFIXES)}."
        )
    return unknown
