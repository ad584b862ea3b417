"""The command line in the process of the tests."""

from __future__ import annotations

import sys

import pytest

from setclosure.experiments.cli import main as command_line


@pytest.fixture
def sc(monkeypatch, capsys):
    """``sc(arguments…)``: the command in this process; its status, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["setclosure", *map(str, arguments)])
        capsys.readouterr()
        try:
            command_line.main()
            status = 0
        except SystemExit as error:
            status = error.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return status, out, err

    return call
