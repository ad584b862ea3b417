"""Parts that break a promise are registered for the time of one test."""

from __future__ import annotations

import pytest

from setclosure import registry
from setclosure.registry import Registered


@pytest.fixture
def known(monkeypatch):
    """Register a part under ``broken`` until the test ends."""

    def keep(kind, value, **facts):
        monkeypatch.setitem(registry._PARTS[kind], "broken", Registered(kind, "broken", value, facts))
        if isinstance(value, type):
            value.part_name = "broken"
        return value

    return keep
