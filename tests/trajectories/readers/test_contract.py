"""Every format keeps the contract of readers, on files that the programs' own libraries write."""

from __future__ import annotations

import numpy as np
import pytest
from tests.trajectories.readers.made import universe, write_data_series, write_gsd, write_h5md, write_with_mdanalysis

from setclosure.conformance import ReaderContract, check_reader
from setclosure.trajectories.readers.base import Frame, Source
from setclosure.trajectories.readers.mdanalysis import MDAnalysisConfig

pytest.importorskip("MDAnalysis")

SUFFIXES = {
    "XTC": ".xtc",
    "TRR": ".trr",
    "DCD": ".dcd",
    "H5MD": ".h5md",
    "NCDF": ".nc",
    "XYZ": ".xyz",
    "PDB": ".pdb",
}

DUMP = """ITEM: TIMESTEP
{step}
ITEM: NUMBER OF ATOMS
{n}
ITEM: BOX BOUNDS pp pp ff
0 5
-1 4
0 2
ITEM: ATOMS id type x y z vx vy vz
{rows}
"""


def dump_text(frames=3):
    """Three frames, of 4, 3 and 4 particles, that are out of order, and what they are."""
    rng = np.random.default_rng(0)
    text, known = [], []
    for t in range(frames):
        ids = rng.permutation([1, 2, 5, 9][: 4 - t % 2])
        numbers = rng.uniform(0, 2, (len(ids), 6)).round(6)
        rows = "\n".join(f"{i} {1 + i % 2} " + " ".join(map(str, row)) for i, row in zip(ids, numbers, strict=True))
        text.append(DUMP.format(step=10 * t, n=len(ids), rows=rows))
        order = np.argsort(ids)
        columns = dict(zip(("x", "y", "z", "vx", "vy", "vz"), numbers[order].T, strict=True))
        columns["type"] = 1.0 + ids[order] % 2
        cell = np.diag([5.0, 5.0, 0.0])
        known.append(Frame(10.0 * t, columns, ids[order], 1 + ids[order] % 2, cell, step=10 * t))
    return "".join(text), known


class TestDump(ReaderContract):
    """The contract as a class of tests, as a user runs it."""

    config = MDAnalysisConfig()

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path):
        text, self.reference = dump_text()
        path = tmp_path / "run.lammpstrj"
        path.write_text(text)
        self.source = Source((path,))


@pytest.mark.parametrize("options", [{}, {"select": "type 2"}, {"select": "prop x < 1.5", "time_step": 0.005}])
def test_dumps_in_one_file_or_several(tmp_path, options):
    text, _ = dump_text(4)
    parts = text.split("ITEM: TIMESTEP")[1:]
    paths = []
    for i in (0, 2):
        paths.append(tmp_path / f"part{i}.lammpstrj")
        paths[-1].write_text("ITEM: TIMESTEP" + "ITEM: TIMESTEP".join(parts[i : i + 2]))
    check_reader(MDAnalysisConfig.parse(options), Source(tuple(paths)))


@pytest.mark.parametrize("select", [None, "name O*", "element H and prop x < {half}"])
@pytest.mark.parametrize("kind", SUFFIXES)
def test_formats_of_mdanalysis(tmp_path, kind, select):
    scale = 10 if kind in ("XTC", "TRR") else 1  # they are in nm, and so is the selection
    path = write_with_mdanalysis(tmp_path / f"run{SUFFIXES[kind]}", kind)
    topology = write_with_mdanalysis(tmp_path / "topology.pdb", "PDB")
    options = {} if kind in ("XYZ", "PDB") and not select else {"topology": str(topology)}
    if select is not None:
        options["select"] = select.format(half=12 / scale)
    config = MDAnalysisConfig.parse(options)
    check_reader(config, Source((path,)))
    made = universe()
    frames = list(config.frames(Source((path,))))
    assert len(frames) == len(made.trajectory)
    for frame, ts in zip(frames, made.trajectory, strict=True):
        chosen = made.select_atoms((select or "all").format(half=12))
        assert frame.ids.tolist() == chosen.indices.tolist()
        assert frame.species.tolist() == list(chosen.types)
        found = np.stack([frame.columns[axis] for axis in "xyz"], axis=1)
        digits = {"PDB": 6e-4, "XYZ": 6e-6, "XTC": 6e-3}.get(kind, 2e-6)
        np.testing.assert_allclose(found * scale, chosen.positions, atol=digits)
        if kind in ("TRR", "H5MD", "NCDF"):
            velocities = np.stack([frame.columns["v" + axis] for axis in "xyz"], axis=1)
            np.testing.assert_allclose(velocities * scale, chosen.velocities, atol=2e-6)
        if kind in ("XTC", "TRR", "DCD", "NCDF", "H5MD"):
            np.testing.assert_allclose(frame.cell * scale, ts.triclinic_dimensions, atol=1e-4)
            assert frame.time == pytest.approx(ts.time, abs=1e-5)


def test_gsd(tmp_path):
    path = write_gsd(tmp_path / "run.gsd")
    check_reader(MDAnalysisConfig(), Source((path,)))
    check_reader(MDAnalysisConfig(select="type A and prop x > -1"), Source((path,)))
    import gsd.hoomd

    frames = list(MDAnalysisConfig(unwrap=True).frames(Source((path,))))
    with gsd.hoomd.open(str(path)) as file:
        for t, (frame, known) in enumerate(zip(frames, file, strict=True)):
            cell = [[5 + t, 0, 0], [0.5 * 6, 6, 0], [-0.2 * 7, 0.1 * 7, 7]]
            np.testing.assert_allclose(frame.cell, cell, atol=1e-6)
            np.testing.assert_allclose(
                np.stack([frame.columns[axis] for axis in "xyz"], axis=1),
                known.particles.position + known.particles.image @ np.array(cell),
                atol=1e-5,
            )
            np.testing.assert_allclose(frame.columns["vy"], known.particles.velocity[:, 1])
            assert frame.species.tolist() == ["A", "B"] * 3
            assert frame.observables == {"energy": 0.5 * t}
            assert frame.step == 100 * t


def test_gsd_in_which_particles_come_and_go(tmp_path):
    path = write_gsd(tmp_path / "run.gsd", numbers=(6, 4, 7, 0))
    check_reader(MDAnalysisConfig(), Source((path,)))
    frames = list(MDAnalysisConfig().frames(Source((path,))))
    assert [len(frame) for frame in frames] == [6, 4, 7, 0]
    assert all(frame.ids is None for frame in frames)  # a number is not the same particle any more


@pytest.mark.parametrize("boundary", [("periodic", "periodic", "none"), ("none", "periodic"), ("none",) * 3])
def test_h5md(tmp_path, boundary):
    import h5py

    path = write_h5md(tmp_path / "run.h5md", boundary=boundary)
    check_reader(MDAnalysisConfig(), Source((path,)))
    check_reader(MDAnalysisConfig(select="type 1"), Source((path,)))
    frames = list(MDAnalysisConfig().frames(Source((path,))))
    with h5py.File(path) as file:
        group = file["particles/all"]
        for t, frame in enumerate(frames):
            order = np.argsort(group["id/value"][t])
            assert frame.ids.tolist() == [1, 2, 3, 4, 5, 6]
            np.testing.assert_allclose(frame.columns["y"], group["position/value"][t][order, 1])
            assert frame.species.tolist() == (order % 2).tolist()
            periodic = [flag == "periodic" for flag in boundary]
            assert (frame.cell is None) == (not any(periodic))
            if frame.cell is not None:
                assert frame.cell.tolist() == np.diag([5.0 * flag for flag in periodic]).tolist()
            assert (frame.time, frame.step, frame.observables) == (0.5 * t, 10 * t, {"energy": 1.5 * t})
    facts = MDAnalysisConfig().scan(Source((path,)))
    assert (facts.units["x"], facts.units["vx"], facts.time_unit) == ("nm", "nm/ps", "ps")


def test_data_files_are_frames(tmp_path):
    paths = write_data_series(tmp_path)
    config = MDAnalysisConfig(periodic="ppp", time_step=0.5)
    check_reader(config, Source(paths))
    for t, frame in enumerate(config.frames(Source(paths))):
        assert frame.time == 5 * t
        assert frame.ids.tolist() == [1, 2, 3, 4]
        assert frame.columns["vx"].tolist() == [1.5, 2.5, 3.5, 4.5]
        assert frame.columns["x"].tolist() == [0.5, 1.0, 1.5, 2.0]
        assert frame.columns["mass"].tolist() == [2.5, 1.5, 2.5, 1.5]
        assert frame.cell.tolist() == [[5, 0, 0], [1, 5, 0], [0, 0, 5]]
