"""Logs of LAMMPS of all forms are read, as far as they are whole."""

from __future__ import annotations

import numpy as np
import pytest

from setclosure.errors import ReaderError
from setclosure.simulate.lammps_library import Lammps
from setclosure.trajectories.readers.lammps_log import read_thermo

ONE_LINE = """LAMMPS (29 Aug 2024)
thermo_style custom step temp pe v_x c_t[1]
Per MPI rank memory allocation (min/avg/max) = 3.1 | 3.1 | 3.1 Mbytes
   Step          Temp          PotEng         v_x          c_t[1]
         0   1.5           -3.25           0              1
WARNING: Fix something was changed (src/fix.cpp:12)
        10   1.25          -3              nan            2
Loop time of 0.1 on 1 procs for 10 steps with 8 atoms
"""

SECOND = """Per MPI rank memory allocation (min/avg/max) = 3.1 | 3.1 | 3.1 Mbytes
   Step          Temp          Press
        10   1.26          0.5
        20   1             0.75
Loop time of 0.1 on 1 procs for 10 steps with 8 atoms
"""


def read(tmp_path, text):
    path = tmp_path / "log.lammps"
    path.write_text(text)
    return {name: column.tolist() for name, column in read_thermo(path).items()}


def test_rows_of_one_line_and_warnings_between_them(tmp_path):
    found = read(tmp_path, ONE_LINE)
    assert found.pop("v_x")[:1] == [0.0]
    assert found == {"Step": [0, 10], "Temp": [1.5, 1.25], "PotEng": [-3.25, -3.0], "c_t[1]": [1.0, 2.0]}


def test_a_second_run_with_other_columns_is_joined_by_step(tmp_path):
    found = read(tmp_path, ONE_LINE + SECOND)
    assert found["Step"] == [0, 10, 20]
    assert found["Temp"] == [1.5, 1.26, 1.0]
    assert np.isnan(found["Press"]).tolist() == [True, False, False]
    assert np.isnan(found["PotEng"]).tolist() == [False, True, True]


def test_steps_that_are_reset_replace_those_before(tmp_path):
    assert read(tmp_path, ONE_LINE + SECOND + ONE_LINE.replace("   10 ", "    5 "))["Step"] == [0, 5]


def test_a_run_that_stopped_is_followed_by_another(tmp_path):
    stopped = ONE_LINE.replace("Loop time of 0.1 on 1 procs for 10 steps with 8 atoms\n", "")
    found = read(tmp_path, stopped + "ERROR: Lost atoms\n" + SECOND)
    assert found["Step"] == [0, 10, 20]
    assert read(tmp_path, stopped + SECOND)["Temp"] == [1.5, 1.26, 1.0]


@pytest.mark.parametrize("end", [3, 12, 40, 66])
def test_a_log_that_is_cut_off_gives_its_whole_rows(tmp_path, end):
    text = ONE_LINE.partition("Loop")[0]
    assert read(tmp_path, text[:-end])["Step"] == [0]
    assert read(tmp_path, text)["Step"] == [0, 10]


def test_a_damaged_row_is_named_by_its_line(tmp_path):
    with pytest.raises(ReaderError, match=r"log.lammps, line 5: 4 numbers .* expected 5, which are Step Temp"):
        read(tmp_path, ONE_LINE.replace("   1.5  ", "  "))


def test_a_file_without_thermodynamic_output_is_refused(tmp_path):
    with pytest.raises(ReaderError, match=r"log.lammps has no thermodynamic output with steps"):
        read(tmp_path, "LAMMPS (29 Aug 2024)\nTotal wall time: 0:00:01\n")
    with pytest.raises(ReaderError, match=r"nowhere.log cannot be read: No such file"):
        read_thermo(tmp_path / "nowhere.log")


@pytest.mark.parametrize("style", ["one", "multi", "yaml", "custom step temp pe etotal vol"])
def test_every_style_of_lammps_gives_the_same_numbers(tmp_path, style):
    pytest.importorskip("lammps")
    path = tmp_path / "run.log"
    with Lammps() as lammps:
        lammps.commands(f"log {path}", "units lj", "lattice fcc 0.8", "region box block 0 3 0 3 0 3")
        lammps.commands("create_box 1 box", "create_atoms 1 box", "mass 1 1", "pair_style lj/cut 1.5")
        lammps.commands("pair_coeff * * 1 1", "velocity all create 1 4321", "fix move all nve")
        lammps.commands(f"thermo_style {style}", "thermo 5", "run 10")
        temperatures = [lammps.value("temp")]
        lammps.commands("run 7")
        temperatures.append(lammps.value("temp"))
        lammps.commands("log none")
    thermo = read_thermo(path)
    assert thermo["Step"].tolist() == [0, 5, 10, 15, 17]
    rows = thermo["Temp"][[2, 4]]
    np.testing.assert_allclose(rows, temperatures, atol=6e-5)  # `multi` writes four digits
    assert thermo["Temp"][0] == pytest.approx(1)
