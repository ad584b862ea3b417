"""What differs between what a folder was made with and what is wanted of it now, and the refusal that shows it."""

from __future__ import annotations

from typing import Any

from setclosure.errors import RunError


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """One line for each value that differs between two JSON trees.

    Examples
    --------
    >>> differences({"model": {"closure_dim": 3}}, {"model": {"closure_dim": 2}})
    ['model.closure_dim: was 3, is now 2']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted(before.keys() | now.keys())
            for line in differences(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if before == now else [f"{path}: was {before!r}, is now {now!r}"]


def require_same(before: Any, now: Any, what: str, remedy: str) -> None:
    """Refuse to go on with something made otherwise.

    Raises
    ------
    RunError
        With ``what`` is wrong, a line for each difference, and the ``remedy``.
    """
    different = differences(before, now)
    if different:
        raise RunError("\n".join([f"{what}:", *(f"  {line}" for line in different), remedy]))
