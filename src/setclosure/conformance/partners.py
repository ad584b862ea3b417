"""Partners: the parts that methods join with another one, so that it can be tried as it is used."""

from __future__ import annotations

from typing import Any

from setclosure.parts import read_part
from setclosure.registry import find, names


def partners(kind: str, of: str, name: str) -> list[Any]:
    """List configurations of the parts of a ``kind`` that go with the part ``name`` of the kind ``of``.

    These are those of the methods that have that part; if there is no such method, all that are registered.

    Examples
    --------
    >>> [config.part_name for config in partners("reconstruction", "decoder", "spline_flow")]
    ['distribution']
    """
    found: dict[str, Any] = {}
    for method in names("method"):
        row = find("method", method).value
        one, other = getattr(row, of), getattr(row, kind)
        if one is not None and other is not None and one["name"] == name:
            found.setdefault(other["name"], read_part(kind, dict(other)))
    return list(found.values()) or [read_part(kind, other) for other in names(kind)]
