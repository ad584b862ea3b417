from __future__ import annotations

import re
import subprocess
import sys

import pytest

import setclosure


def test_every_public_name_is_there_and_comes_from_its_own_home():
    assert sorted(setclosure.__all__, key=str) == sorted(setclosure._HOMES)
    for name in setclosure.__all__:
        value = getattr(setclosure, name)
        assert getattr(value, "__module__", "setclosure").startswith("setclosure")
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", setclosure.__version__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Closure'"):
        _ = setclosure.Closure


def test_importing_the_package_and_showing_help_load_no_heavy_library():
    code = (
        "import sys, setclosure, setclosure.experiments.cli.main\n"
        "print([m for m in ('torch', 'lightning', 'numba', 'zarr', 'matplotlib', 'plotly') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_every_error_is_of_one_family_and_says_what_it_is():
    from setclosure import errors

    classes = [c for c in vars(errors).values() if isinstance(c, type) and c.__module__ == errors.__name__]
    family = [c for c in classes if issubclass(c, setclosure.SetclosureError)]
    assert len(family) >= 10
    assert [c for c in classes if c not in family] == [setclosure.SetclosureWarning, setclosure.SkillWarning]
    assert all(c.__doc__ for c in classes)
