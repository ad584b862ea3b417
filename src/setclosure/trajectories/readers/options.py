"""The options of the reader of trajectories of simulation programs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from setclosure.trajectories.readers.base import ReaderConfig

LAMMPS_STYLES = Literal["lj", "real", "metal", "si", "cgs", "electron", "micro", "nano"]


class MDAnalysisOptions(ReaderConfig):
    """The options that the readings of all formats share."""

    topology: str | None = Field(
        None,
        description="File with the particles' types, names, charges, masses or bonds. Names in braces stand for what "
        "the name of the trajectory says; a relative path may start at the folder of the trajectory.",
    )
    select: str | None = Field(
        None, description="Which particles are read, in MDAnalysis's language: 'type 1 or type 2', 'name O*'."
    )
    format: Literal["LAMMPSDUMP", "DATA", "LAMMPS", "XTC", "TRR", "DCD", "H5MD", "GSD", "NCDF", "XYZ", "PDB"] | None = (
        Field(
            None,
            description="Format of the files, if their names do not show it. LAMMPS is a DCD file written by LAMMPS.",
        )
    )
    species: str | None = Field(
        None,
        description="What says the species: type, name, element, charge, resname or a column of the file. By default "
        "the first of type and name that the file or the topology has.",
    )
    time_step: float | None = Field(
        None,
        gt=0,
        description="The time of one step of LAMMPS or HOOMD, or between frames where the file does not say times "
        "(XYZ, PDB) or frames are counted. Without it times are numbers of steps or frames there.",
    )
    times: Literal["file", "frames"] = Field(
        "file", description="Times as in the file, or by counting frames, for files that say no true ones."
    )
    units: Literal["file", "mdanalysis"] = Field(
        "file", description="Units as in the file, or converted by MDAnalysis to Å and ps where the file says its own."
    )
    lammps_units: LAMMPS_STYLES | None = Field(
        None, description="LAMMPS' style of units, which names the units of a dump; nothing is converted."
    )
    atom_style: str | None = Field(
        None,
        description="Atom style of a LAMMPS data file that does not note it, or the names of its columns: "
        "'id mol type q x y z'.",
    )
    coordinates: Literal["x", "xs", "xu", "xsu"] | None = Field(
        None, description="Which coordinates of a LAMMPS dump are read, if it has several kinds; by default the first."
    )
    unwrap: bool = Field(
        False, description="Whether positions are unwrapped, by image flags or as the file has them unwrapped."
    )
    periodic: str | None = Field(
        None,
        pattern="^[pf]{3}$",
        description="Which directions of the box are periodic, if the file does not say it: ppf is a slab.",
    )
    cut_off: Literal["refuse", "drop", "whole"] = Field(
        "refuse",
        description="What happens to an end of a text file that looks cut off: it is refused; an incomplete frame at "
        "the end of a LAMMPS dump is dropped; or a last line without a line break is taken as whole.",
    )
    group: str | None = Field(None, description="Group of particles of an H5MD file, if it has several.")
    leave_out: tuple[str, ...] = Field((), description="Columns that are not read, because only some frames have them.")
