"""The examples in docstrings run, and first sentences can be read without the code."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import setclosure

MODULES = sorted(m.name for m in pkgutil.walk_packages(setclosure.__path__, "setclosure."))
SOURCES = sorted(Path(setclosure.__file__).parent.rglob("*.py"))
# a text that begins so is a clause of a sentence that only the code completes
CLAUSES = ("What", "Whose", "Of", "Where", "Who", "How", "Which", "And", "But")


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


def is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def described(tree):
    """Yield (line, text, may begin with Whether) for the docstrings of a file, and the texts behind its names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.body and is_text(node.body[0]):
                decorators = [ast.unparse(d) for d in getattr(node, "decorator_list", [])]
                yield node.body[0].lineno, node.body[0].value.value, any("property" in d for d in decorators)
            for name, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(name, ast.Assign | ast.AnnAssign) and is_text(text):
                    yield text.lineno, text.value.value, True


def clauses(source):
    found = []
    for line, text, may_be_boolean in described(ast.parse(source)):
        first = text.split(maxsplit=1)[0].rstrip(",.:;") if text.split() else ""
        if first in CLAUSES or (first == "Whether" and not may_be_boolean) or not first:
            found.append((line, text.strip().partition("\n")[0]))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_first_sentences_are_whole(path):
    wrong = clauses(path.read_text())
    assert not wrong, "\n".join(f"{path}:{line}: {text}" for line, text in wrong)


def test_clauses_are_found_in_modules_classes_functions_and_behind_names():
    source = '''
"""What this is for."""
SIZE = 3
"""Of the window."""
class A:
    """Whose parts are these."""
    ready: bool = True
    """Whether it may begin."""
    @property
    def large(self):
        """Whether it is large."""
    def small(self):
        """Whether it is small."""
        def within():
            """Where it happens."""
'''
    assert [line for line, _ in clauses(source)] == [2, 4, 6, 13, 15]
