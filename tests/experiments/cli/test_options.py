"""Options of the command itself: its version, quiet, completion of the shell."""

from __future__ import annotations

from importlib.metadata import version

import pytest


def test_version(sc):
    assert sc("--version")[:2] == (0, f"setclosure {version('setclosure')}\n")


def test_help_names_the_options_and_completion(sc):
    status, out, _ = sc("--help")
    assert status == 0
    names = ("--plugin", "--quiet", "--version", "--install-completion", "--show-completion")
    assert [name for name in names if name not in out] == []


@pytest.mark.parametrize("quiet", [[], ["--quiet"], ["-q"]])
def test_quiet_shows_no_progress_and_the_same_result(sc, tiny_config, tmp_path, quiet):
    small = "simulation.trajectories={train: 2, validation: 1, in_dst: 1, diff_init: 1, diff_n: 1}"
    status, out, err = sc(*quiet, "simulate", tiny_config, "--out", tmp_path / "data", "--set", small)
    assert status == 0
    assert out == f"The data are in {tmp_path / 'data'}.\n"
    assert bool(err) is not bool(quiet)
    assert ("simulate train" in err) is not bool(quiet)
