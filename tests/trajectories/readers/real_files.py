"""The files of MDAnalysisTests are read by setclosure and by MDAnalysis, and compared.

    python -m tests.trajectories.readers.real_files

writes what was found into the table of ``docs/how_to/formats.md``.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.base import Source
from setclosure.trajectories.readers.mdanalysis import MDAnalysisConfig, format_of

PAGE = Path(__file__).parents[3] / "docs" / "how_to" / "formats.md"
BEGIN, END = "<!-- table of files: begin -->", "<!-- table of files: end -->"

FULL = {"atom_style": "full"}
WHOLE = {"cut_off": "whole"}
COUNTED = {"times": "frames"}
TOPOLOGIES = {
    "Amber/bala.ncdf": "Amber/bala.prmtop",
    "Amber/cpptraj_traj.nc": "Amber/cpptraj_traj.prmtop",
    "Amber/posfor.ncdf": "Amber/posfor.top",
    "Amber/tz2.truncoct.nc": "Amber/tz2.truncoct.parm7.bz2",
    "Amber/ace_tip3p.nc": "Amber/ace_tip3p.parm7",
    "Amber/ace_mbondi3.nc": "Amber/ace_mbondi3.parm7",
    "SiN_tric_namd.dcd": "SiN_tric_namd.psf",
    "adk_dims.dcd": "adk.psf",
    "adk_dims2.dcd": "adk.psf",
    "adk_gbis_tmd-fast1_NAMD.dcd": "adk_closed_NAMD.psf",
    "adk_oplsaa.trr": "adk_oplsaa.gro",
    "adk_oplsaa.xtc": "adk_oplsaa.gro",
    "analysis/YiiP_lipids.xtc": "analysis/YiiP_lipids.gro.gz",
    "cobrotoxin.h5md": "cobrotoxin.pdb",
    "cobrotoxin.trr": "cobrotoxin.pdb",
    "cobrotoxin.xtc": "cobrotoxin.pdb",
    "coordinates/test.dcd": "coordinates/test_topology.pdb",
    "coordinates/test.h5md": "coordinates/test_topology.pdb",
    "coordinates/test.trr": "coordinates/test_topology.pdb",
    "coordinates/test.xtc": "coordinates/test_topology.pdb",
    "lammps/ifabp_apo_100mM.dcd": "lammps/ifabp_apo_100mM.data.bz2",
    "surface.trr": "surface.pdb.bz2",
    "tip125_tric_C36.dcd": "tip125_tric_C36.psf",
    "watdyn.dcd": "watdyn.psf",
    "xyz_random_walk.xtc": "RANDOM_WALK_TOPO.pdb",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "Amber/bala.ncdf": COUNTED,
    "Amber/tz2.truncoct.nc": COUNTED,
    "example_longer.gsd": COUNTED,
    "five.xyz": WHOLE,
    "lammps/a_lot_of_bond_types.data": FULL,
    "lammps/albite_triclinic.dump": WHOLE,
    "lammps/cnt-hexagonal-class1.data2": {"format": "DATA"},
    "lammps/datatest.data": FULL,
    "lammps/deletedatoms.data": FULL,
    "lammps/hydrogen-class1.data": FULL,
    "lammps/hydrogen-class1.data2": {"format": "DATA", **FULL},
    "lammps/ifabp_apo_100mM.data.bz2": FULL,
    "lammps/ifabp_apo_100mM.dcd": {"format": "LAMMPS", "lammps_units": "real", **FULL},
    "lammps/mass_q_elem.lammpstrj": WHOLE,
    "lammps/mini.data": {**FULL, **WHOLE},
    "lammps/nomass_elemx.lammpstrj": WHOLE,
    "mini.xyz": WHOLE,
}
"""Options beside the topology, where the defaults refuse a file, or its name does not show the format."""

EXTRA = ("lammps/cnt-hexagonal-class1.data2", "lammps/hydrogen-class1.data2", "lammps/wat.lammpstrj_long.bz2")


@dataclass
class Comparison:
    """What came of one file: what was equal, or why it was refused, by setclosure and by MDAnalysis."""

    file: str
    kind: str
    options: dict[str, Any]
    frames: int = 0
    equal: list[str] = field(default_factory=list)
    refused: str = ""
    refused_by_mdanalysis: str = ""
    note: str = ""


def data_folder() -> Path:
    """The folder of the data of MDAnalysisTests."""
    import MDAnalysisTests

    return Path(MDAnalysisTests.__file__).parent / "data"


def files() -> list[str]:
    """All files of the formats that are read, by their names and, for text dumps, by their first line."""
    folder = data_folder()
    found = list(EXTRA)
    for path in folder.rglob("*"):
        if path.suffix in (".dssp", ".pyc", ".npz", ".lock") or not path.is_file() or ".mmcif" in path.suffixes:
            continue
        if format_of(path, unknown="") or ".dump" in path.suffixes:
            found.append(path.relative_to(folder).as_posix())
    return sorted(set(found))


def compare(file: str) -> Comparison:
    """Read a copy of a file with both, and require what both read to be equal within single precision."""
    options = dict(OPTIONS.get(file, {}))
    if file in TOPOLOGIES:
        options["topology"] = str(data_folder() / TOPOLOGIES[file])
    with tempfile.TemporaryDirectory() as folder:  # MDAnalysis writes offsets beside a file
        path = Path(folder) / Path(file).name
        shutil.copyfile(data_folder() / file, path)
        kind = options.get("format") or format_of(path)
        if kind == "DATA":
            options["periodic"] = "ppp"
        shown = {name: TOPOLOGIES[file] if name == "topology" else value for name, value in options.items()}
        result = Comparison(file, kind, shown)
        config, source = MDAnalysisConfig.parse(options), Source((path,))
        try:
            facts, frames = config.scan(source), list(config.frames(source))
        except ReaderError as error:
            result.refused = str(error).replace(f"{folder}/", "").replace(f"{data_folder()}/", "")
        else:
            assert facts.n_frames == len(frames) > 0
            result.frames = len(frames)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                universe = _universe(path, kind, config, options.get("topology"))
                _ = [ts.positions for ts in universe.trajectory]
            except Exception as error:
                result.refused_by_mdanalysis = type(error).__name__
            else:
                if not result.refused:
                    _compare(result, frames, universe, kind)
    return result


def _universe(path: Path, kind: str, config: MDAnalysisConfig, topology: str | None) -> Any:
    import MDAnalysis

    more: dict[str, Any] = {}
    if kind == "DATA" or (topology and ".data" in topology):
        more["atom_style"] = "id resid type charge x y z" if config.atom_style == "full" else None
        more = {name: value for name, value in more.items() if value}
    if kind == "DATA" and "atom_style" not in more:
        from setclosure.trajectories.readers.lammps_data import atom_columns

        more["atom_style"] = atom_columns(path)
    if kind == "LAMMPS":
        more["lengthunit"], more["timeunit"] = "Angstrom", "fs"
    more["format"] = kind
    if not topology and kind in ("DATA", "LAMMPSDUMP", "XYZ", "PDB", "GSD"):
        more["topology_format"] = kind
    if kind == "H5MD" and not topology:  # its parser of topologies does not know convert_units
        import h5py

        with h5py.File(path) as file:
            n = next(iter(file["particles"].values()))["position/value"].shape[1]
        universe = MDAnalysis.Universe.empty(n, trajectory=True)
        universe.load_new(str(path), convert_units=False)
        return universe
    given = [topology, str(path)] if topology else [str(path)]
    return MDAnalysis.Universe(*given, convert_units=False, to_guess=(), **more)


def _compare(result: Comparison, frames: list[Any], universe: Any, kind: str) -> None:
    from MDAnalysis.lib.mdamath import triclinic_box

    equal: dict[str, None] = {}
    trajectory = universe.trajectory
    assert len(trajectory) == len(frames)
    origins = None
    for t, frame in enumerate(frames):
        ts = trajectory[t]
        places = np.stack([frame.columns[axis] for axis in "xyz"], axis=1)
        theirs = np.asarray(ts.positions, dtype=np.float64)
        if kind == "LAMMPSDUMP":
            origins = _origins(result.file) if origins is None else origins
            shift = origins[t]
            if "xs" in frame.columns and trajectory.lammps_coordinate_convention.startswith("scaled"):
                theirs = theirs + shift  # MDAnalysis takes the corner off that it never added
            places = places - shift
            if shift.any():
                result.note = "MDAnalysis moves the corner of the box to the origin"
        _close(places, theirs, "positions", result.file)
        equal["positions"] = None
        for name, prefix, there in (("velocities", "v", ts.has_velocities), ("forces", "f", ts.has_forces)):
            if there:
                ours = np.stack([frame.columns[prefix + axis] for axis in "xyz"], axis=1)
                _close(ours, getattr(ts, name), name, result.file)
                equal[name] = None
        assert (frame.cell is None) == (ts.dimensions is None)
        if frame.cell is not None and np.linalg.norm(frame.cell, axis=1).all():
            _close(triclinic_box(*frame.cell)[:3], ts.dimensions[:3], "lengths of the cell", result.file)
            np.testing.assert_allclose(
                triclinic_box(*frame.cell)[3:], ts.dimensions[3:], atol=2e-3, err_msg=result.file
            )
            equal["cell"] = None
            if np.allclose(frame.cell, np.tril(frame.cell)):
                _close(frame.cell, ts.triclinic_dimensions, "cell", result.file)
        if kind == "LAMMPSDUMP":
            assert frame.step == ts.data["step"]
            equal["steps"] = None
        elif kind == "LAMMPS":
            _close(np.array(frame.time), np.array(ts.time * 1000), "times", result.file)  # ps, and fs in the file
            equal["times"] = None
        elif kind in ("XTC", "TRR", "DCD", "H5MD", "NCDF") and result.options.get("times") != "frames":
            _close(np.array(frame.time), np.array(ts.time), "times", result.file)
            equal["times"] = None
    types = getattr(universe.atoms, "types", None)
    if types is not None and frames[0].species is not None and not _has_no_types(kind, frames[0]):
        assert [str(kind) for kind in frames[0].species] == [str(kind) for kind in types], result.file
        equal["types"] = None
    names = getattr(universe.atoms, "names", None)
    if "types" not in equal and names is not None and frames[0].species is not None:
        assert [str(name) for name in frames[0].species] == [str(name) for name in names], result.file
        equal["names"] = None
    result.equal = list(equal)


def _has_no_types(kind: str, frame: Any) -> bool:
    """MDAnalysis gives every particle of a dump without types the type 1."""
    return kind == "LAMMPSDUMP" and "type" not in frame.columns


def _origins(file: str) -> Any:
    from setclosure.trajectories.readers.lammps_dump import dump_snapshots

    open_end = OPTIONS.get(file) == WHOLE
    return [snapshot.origin for snapshot in dump_snapshots(data_folder() / file, lambda _: True, open_end)]


def _close(ours: Any, theirs: Any, what: str, file: str) -> None:
    """Require numbers that are equal within single precision of the largest one."""
    ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    limit = 4e-7 * max(1e-30, float(np.abs(theirs).max(initial=0)))
    gap = float(np.abs(ours - theirs).max(initial=0))
    assert ours.shape == theirs.shape, (file, what, ours.shape, theirs.shape)
    assert gap <= limit, f"{file}: {what} differ by {gap:g}; {limit:g} is allowed"


def table(results: list[Comparison]) -> str:
    """The table of the files tried, in Markdown."""
    out = ["| file | format | options | frames | equal, or why not read |", "|---|---|---|---|---|"]
    dssp = [result for result in results if result.file.startswith("dssp/") and result.equal]
    for result in results:
        if result in dssp[1:]:
            continue
        name = f"`{result.file}`" if result not in dssp else f"`dssp/*.pdb.gz`, {len(dssp)} files"
        options = ", ".join(f"{key}: {value}" for key, value in result.options.items())
        if result.refused:
            found = f"refused: {result.refused}"
            if result.refused_by_mdanalysis:
                found += f" MDAnalysis stops with {result.refused_by_mdanalysis}."
        elif result.refused_by_mdanalysis:
            found = f"read; MDAnalysis stops with {result.refused_by_mdanalysis}"
        else:
            found = ", ".join(result.equal) + (f"; {result.note}" if result.note else "")
        text = found.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
        cells = [name, result.kind, f"`{options}`" if options else "", str(result.frames or ""), text]
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out)


def written(results: list[Comparison]) -> str:
    """The page with the table in its place."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written([compare(file) for file in files()]))
    print(f"Wrote {PAGE}")
