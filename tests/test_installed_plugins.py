"""An installed plugin that is broken is named, and the rest works."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from setclosure import registry
from setclosure.errors import SetclosureWarning


def _points(*values: str) -> list[EntryPoint]:
    return [EntryPoint(f"plugin{i}", value, "setclosure.parts") for i, value in enumerate(values)]


def test_a_plugin_that_stops_is_named_and_left_out(monkeypatch, tmp_path):
    (tmp_path / "broken_plugin_of_a_test.py").write_text("raise ValueError('no such table')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "entry_points", lambda group: _points("broken_plugin_of_a_test", "json:dumps"))
    with pytest.warns(SetclosureWarning, match=r"'plugin0'.*ValueError: no such table.*mend or uninstall"):
        found = list(registry.installed("setclosure.parts"))
    assert [name for name, _ in found] == ["plugin1"]


def test_a_plugin_that_needs_an_extra_is_left_out_without_a_word(monkeypatch, tmp_path):
    (tmp_path / "plugin_that_draws.py").write_text("raise ModuleNotFoundError('plotly', name='plotly')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "entry_points", lambda group: _points("plugin_that_draws", "json:dumps"))
    assert [name for name, _ in registry.installed("setclosure.parts")] == ["plugin1"]  # warnings are errors here
