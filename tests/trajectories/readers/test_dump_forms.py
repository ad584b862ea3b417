"""Dumps of every form are read, and damaged ones are named by their line; options that do not fit are refused."""

from __future__ import annotations

import bz2
import lzma

import numpy as np
import pytest
from tests.trajectories.readers.made import write_gsd, write_h5md, write_with_mdanalysis
from tests.trajectories.readers.test_contract import dump_text

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.base import Source
from setclosure.trajectories.readers.mdanalysis import MDAnalysisConfig


def frames(path, text=None, **options):
    if text is not None:
        path.write_text(text)
    return list(MDAnalysisConfig.parse(options).frames(Source((path,))))


def dump(columns, *rows, bounds="pp pp pp", box=("0 4", "0 2", "0 3"), head=""):
    return (
        f"{head}ITEM: TIMESTEP\n7\nITEM: NUMBER OF ATOMS\n{len(rows)}\nITEM: BOX BOUNDS {bounds}\n"
        + "\n".join(box)
        + f"\nITEM: ATOMS {columns}\n"
        + "".join(f"{row}\n" for row in rows)
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.lammpstrj"


# ── forms ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_general_triclinic_box(path):
    box = ("0 2 0 10", "-3 0 0 20", "0 0 4 30")
    (frame,) = frames(path, dump("id xs ys zs", "1 0.5 0.5 0.25", bounds="abc origin pp ff pp", box=box))
    assert frame.cell.tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 4]]
    assert [frame.columns[axis].tolist() for axis in "xyz"] == [[10 - 1.5], [21], [31]]


def test_a_dump_of_the_plane_may_lack_z(path):
    (frame,) = frames(path, dump("id type x y ix iy", "2 1 1 1.5 1 0", "1 1 0 0 0 -1"), unwrap=True)
    assert set(frame.columns) == {"x", "y", "type"}
    assert frame.columns["x"].tolist() == [0, 5]
    assert frame.columns["y"].tolist() == [-2, 1.5]


def test_the_kind_of_coordinates_can_be_chosen(path):
    text = dump("id x y z xs ys zs xu yu zu", "1 1 1 1 0.5 0.5 0.5 9 9 9")
    assert frames(path, text)[0].columns["x"].tolist() == [1]
    assert frames(path, coordinates="xs")[0].columns["x"].tolist() == [2]
    assert frames(path, coordinates="xu")[0].columns["x"].tolist() == [9]
    assert frames(path, unwrap=True)[0].columns["x"].tolist() == [9]
    with pytest.raises(ReaderError, match=r"no columns xsu, …; it has id x y z xs"):
        frames(path, coordinates="xsu")


def test_image_flags_are_not_left_for_a_second_unwrapping(path):
    text = dump("id x y z xu yu zu ix iy iz", "1 1 1 1 5 1 1 1 0 0")
    assert "ix" in frames(path, text)[0].columns
    assert "ix" not in frames(path, coordinates="xu")[0].columns
    assert "ix" not in frames(path, unwrap=True)[0].columns


def test_no_identities_and_no_types(path):
    (frame,) = frames(path, dump("x y z", "1 2 3", "0 0 0"))
    assert frame.ids is None
    assert frame.species is None
    assert frame.columns["z"].tolist() == [3, 0]


@pytest.mark.parametrize(("suffix", "pack"), [(".bz2", bz2.compress), (".xz", lzma.compress)])
def test_compressed_dumps(tmp_path, suffix, pack):
    text, known = dump_text()
    path = tmp_path / f"any-name{suffix}"
    path.write_bytes(pack(text.encode()))
    assert [frame.columns["x"].tolist() for frame in frames(path)] == [k.columns["x"].tolist() for k in known]
    path.write_bytes(pack(text.encode())[:-20])
    with pytest.raises(ReaderError, match="any-name"):
        frames(path)


def test_units_and_times_are_named_and_not_converted(path):
    text = dump("id x y z vx", "1 1 2 3 4", head="ITEM: UNITS\nmetal\nITEM: TIME\n0.25\n")
    (frame,) = frames(path, text)
    facts = MDAnalysisConfig().scan(Source((path,)))
    assert (frame.time, frame.step, frame.columns["vx"].tolist()) == (0.25, 7, [4])
    assert (facts.time_unit, facts.units) == ("ps", {"x": "Å", "y": "Å", "z": "Å", "vx": "Å/ps"})
    with pytest.raises(ReaderError, match="the file says the time itself; leave 'time_step' out"):
        frames(path, time_step=0.5)
    path.write_text(dump("id x y z", "1 1 2 3"))
    for options, time, unit in (
        ({}, 7, "steps"),
        ({"time_step": 0.5, "lammps_units": "real"}, 3.5, "fs"),
        ({"times": "frames"}, 0, "frames"),
    ):
        config = MDAnalysisConfig.parse(options)
        assert next(config.frames(Source((path,)))).time == time
        assert config.scan(Source((path,))).time_unit == unit


def test_the_line_of_a_particle_can_be_named(path):
    text, known = dump_text()
    path.write_text(text)
    lines = text.splitlines()
    for t, frame in enumerate(known):
        for i, name in enumerate(frame.ids):
            line = int(MDAnalysisConfig().where(Source((path,)), t, i).removeprefix("line "))
            assert lines[line - 1].split()[0] == str(name)
            assert float(lines[line - 1].split()[2]) == frame.columns["x"][i]


# ── damage ────────────────────────────────────────────────────────────────────────────────────────────────────


def damaged(path, old, new, match, **options):
    text, _ = dump_text()
    assert old in text
    with pytest.raises(ReaderError, match=match):
        frames(path, text.replace(old, new, 1), **options)


def test_damage_is_named_by_its_line(path):
    text, _ = dump_text()
    row = text.splitlines()[9]
    entry = row.split()[3]
    damaged(path, row, row.replace(entry, "1.2.3", 1), r"lammpstrj, line 10: '1.2.3' in the column 'y'; expected a num")
    damaged(path, row, row.rsplit(" ", 1)[0], r"line 10: 7 entries .*; expected 8, which are id type x y z vx vy vz")
    damaged(path, row, row + " 1", "line 10: 9 entries")
    damaged(path, row, row.replace(entry, "nan", 1), "a coordinate y is NaN")
    damaged(
        path, row, "1.5" + row[1:], r"line 1 \(frame 0, step 0\): the column 'id' holds 1.5; expected whole numbers"
    )
    damaged(path, "ITEM: NUMBER OF ATOMS", "ITEM: NUMBERS", "line 3: 'ITEM: NUMBERS'; expected 'ITEM: TIMESTEP' or")
    damaged(path, "-1 4", "-1", r"line 7: '-1'; expected the bounds of the box: 2 numbers")
    damaged(path, "ITEM: TIMESTEP\n10", "ITEM: TIMESTEP\n0", r"line 14 \(frame 1, step 0\): its time 0 is not after 0")
    damaged(path, "id type x y z vx", "id type x y z x", r"line 9: the columns are .*; expected names that differ")


def test_a_line_that_is_short_and_one_that_is_long_do_not_make_up_for_each_other(path):
    text = dump("id type x y z", "1 1 0.1 0.2", "2 1 0.3 0.4 0.5 0.6")
    with pytest.raises(ReaderError, match="line 10: 4 entries"):
        frames(path, text)


def test_a_particle_that_is_there_twice(path):
    with pytest.raises(ReaderError, match=r"line 1 .*: the particle 3 is there twice"):
        frames(path, dump("id x y z", "3 0 0 0", "1 0 0 0", "3 1 1 1"))


def test_a_run_that_was_killed_can_be_read_up_to_its_end(path):
    text, _ = dump_text()
    cut = text[: -len(text.splitlines()[-1]) - 4]
    with pytest.raises(ReaderError, match=r"ends at line 3\d, within frame 2, whose step is 20.*cut_off"):
        frames(path, cut)
    assert len(frames(path, cut, cut_off="drop")) == 2
    assert MDAnalysisConfig(cut_off="drop").scan(Source((path,))).n_frames == 2
    with pytest.raises(ReaderError, match="within frame 2"):
        frames(path, cut, cut_off="whole")
    assert len(frames(path, text[:-1], cut_off="whole")) == 3  # the line break alone is missing
    with pytest.raises(ReaderError, match=r"A last line is whole if it ends with a line break"):
        frames(path, text[:-1])


def test_frames_before_the_damage_can_be_read(path):
    text, _ = dump_text()
    path.write_text(text[:-30])
    assert len(list(MDAnalysisConfig().frames(Source((path,)), 0, 2))) == 2


def test_columns_that_come_and_go(path):
    text, _ = dump_text()
    mixed = text + dump("id type x y z vx vy", "1 1 1 1 1 1 1", bounds="pp pp ff").replace(
        "TIMESTEP\n7", "TIMESTEP\n99"
    )
    with pytest.raises(ReaderError, match=r"expected those of the first, .*leave_out: \[vz\]"):
        frames(path, mixed)
    assert [set(frame.columns) for frame in frames(path, leave_out=["vz"])] == [{"x", "y", "z", "type", "vx", "vy"}] * 4


def test_directions_that_the_file_does_not_say(path):
    text = dump("id x y z", "1 1 1 1").replace(" pp pp pp", "")
    with pytest.raises(ReaderError, match=r"does not say which directions of the box are periodic.*periodic: ppp"):
        frames(path, text)
    assert frames(path, text, periodic="pfp")[0].cell.tolist() == [[4, 0, 0], [0, 0, 0], [0, 0, 3]]
    assert frames(path, text, periodic="fff")[0].cell is None


def test_other_dumps_of_lammps_are_refused_by_name(path):
    text = (
        "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ENTRIES\n1\nITEM: BOX BOUNDS pp pp pp\n0 1\n0 1\n0 1\nITEM: ENTRIES a\n1\n"
    )
    with pytest.raises(ReaderError, match="line 3: 'ITEM: NUMBER OF ENTRIES'; expected particles"):
        frames(path, text)
    with pytest.raises(ReaderError, match="line 1: 'hello'; expected 'ITEM: TIMESTEP'"):
        frames(path, "hello\n")
    with pytest.raises(ReaderError, match="is empty; expected a text dump of LAMMPS"):
        frames(path, "")
    other = path.with_name("run.dat")
    with pytest.raises(ReaderError, match=r"run.dat: the name does not show the format.*format: XTC"):
        frames(other, "hello\n")


# ── options and topologies ────────────────────────────────────────────────────────────────────────────────────


def test_options_that_do_not_fit_the_format_are_refused(path):
    path.write_text(dump("id x y z", "1 1 1 1"))
    for options in ({"units": "mdanalysis"}, {"group": "all"}):
        with pytest.raises(
            ReaderError, match=f"the option '{next(iter(options))}: .*does not fit files of the format L"
        ):
            frames(path, **options)
    xyz = write_with_mdanalysis(path.with_name("a.xyz"), "XYZ")
    for options in ({"unwrap": True}, {"coordinates": "xs"}, {"lammps_units": "lj"}, {"cut_off": "drop"}):
        with pytest.raises(
            ReaderError, match=f"the option '{next(iter(options))}: .*does not fit files of the format X"
        ):
            frames(xyz, **options)
    xtc = write_with_mdanalysis(path.with_name("a.xtc"), "XTC")
    with pytest.raises(ReaderError, match="files of the format XTC say times; leave 'time_step' out, or say times: fr"):
        frames(xtc, time_step=1.0)
    assert [frame.time for frame in frames(xtc, times="frames", time_step=0.5)] == [0, 0.5, 1, 1.5]


def test_mdanalysis_converts_when_it_is_asked(path):
    trr = write_with_mdanalysis(path.with_name("a.trr"), "TRR")
    own, theirs = frames(trr), frames(trr, units="mdanalysis")
    facts = MDAnalysisConfig(units="mdanalysis").scan(Source((trr,)))
    assert (facts.units["x"], facts.units["vx"], facts.time_unit) == ("Å", "Å/ps", "ps")
    for one, other in zip(own, theirs, strict=True):
        np.testing.assert_allclose(10 * one.columns["vx"], other.columns["vx"], rtol=1e-6)
        np.testing.assert_allclose(10 * one.cell, other.cell, rtol=1e-5, atol=1e-5)


def test_a_topology_is_found_by_the_name_of_the_trajectory(path):
    xtc = write_with_mdanalysis(path.with_name("run_3.xtc"), "XTC")
    write_with_mdanalysis(path.with_name("top_3.pdb"), "PDB")
    config = MDAnalysisConfig(topology="top_{seed}.pdb", select="name H1", species="name")
    frame = next(config.frames(Source((xtc,), {"seed": "3"})))
    assert set(frame.species) == {"H1"}
    assert frame.ids.tolist() == [1, 4, 7, 10]
    with pytest.raises(ReaderError, match=r"has a field that the name of .*run_3.xtc does not say: 'seed'"):
        next(config.frames(Source((xtc,))))
    with pytest.raises(ReaderError, match=r"topology top_4.pdb is not there; looked for top_4.pdb and .*top_4.pdb"):
        next(config.frames(Source((xtc,), {"seed": "4"})))
    write_with_mdanalysis(path.with_name("top_5.pdb"), "PDB", n=9)
    with pytest.raises(ReaderError, match=r"run_3.xtc cannot be read as XTC with the topology .*top_5.pdb"):
        next(config.frames(Source((xtc,), {"seed": "5"})))


def test_a_topology_is_joined_by_identity(path):
    h5md = write_h5md(path.with_name("run.h5md"))
    top = path.with_name("top.data")
    rows = [f"{i} {1 + i % 2} {i}.5 0 0 0" for i in (4, 6, 1, 2, 3, 5)]
    head = "title\n\n6 atoms\n2 atom types\n\n0 9 xlo xhi\n0 9 ylo yhi\n0 9 zlo zhi\n\nAtoms # charge\n\n"
    top.write_text(head + "\n".join(rows) + "\n")
    for frame in frames(h5md, topology=str(top)):
        assert frame.columns["charge"].tolist() == [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    chosen = frames(h5md, topology=str(top), select="prop charge > 3 and prop x > 0")
    assert [frame.ids.tolist() for frame in chosen] == [[3, 4, 5, 6]] * 4
    path.write_text(dump("id x y z", "7 1 1 1"))
    with pytest.raises(ReaderError, match="the particle 7 is not in the topology, which has 6 with the numbers 1 to 6"):
        frames(path, topology=str(top))


def test_several_groups_of_an_h5md_file(path):
    import h5py

    h5md = write_h5md(path.with_name("run.h5md"))
    with h5py.File(h5md, "a") as file:
        file.copy("particles/all", "particles/some")
    with pytest.raises(ReaderError, match=r"has 2 groups of particles: all, some. Say which: reader: {group: all}"):
        frames(h5md)
    assert len(frames(h5md, group="some")) == 4


def test_steps_that_do_not_rise(path):
    import gsd.hoomd

    path = write_gsd(path.with_name("run.gsd"))
    with gsd.hoomd.open(str(path), "a") as file:
        file.append(file[1])
    with pytest.raises(ReaderError, match=r"frame 4: its step 100 is not after 300.*times: frames"):
        frames(path)
    assert [frame.time for frame in frames(path, times="frames", time_step=2)] == [0, 2, 4, 6, 8]


def test_frames_without_particles(path):
    text = dump("id x y z", "1 1 1 1") + dump("id x y z").replace("TIMESTEP\n7", "TIMESTEP\n8")
    assert [len(frame) for frame in frames(path, text)] == [1, 0]
    facts = MDAnalysisConfig().scan(Source((path,)))
    assert (facts.min_particles, facts.max_particles) == (0, 1)
