"""The examples in docstrings run, and the modules that have some are found."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import setclosure

MODULES = sorted(m.name for m in pkgutil.walk_packages(setclosure.__path__, "setclosure."))


def examples(name):
    tests = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name), name)
    return [test for test in tests if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in examples(name):
        report = []
        runner.run(test, out=report.append)
        assert runner.failures == 0, "".join(report)


def test_there_are_examples_to_run():
    assert sum(bool(examples(name)) for name in MODULES) >= 8
