"""Claims decide whether work in a folder is new, goes on, or is refused because the folder holds other work.

Data sets, fits and runs claim their folder by the same rule, so that nothing is ever overwritten or mixed.
"""

from __future__ import annotations

from typing import Any

from setclosure.errors import RunError, SetclosureError
from setclosure.processes import is_first_process


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """List the values that differ between two JSON trees, a line for each.

    Parameters
    ----------
    before, now : Any
        JSON values.
    path : str
        The key under which both stand, which begins each line.

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


def claim(
    what: str,
    before: Any,
    now: Any,
    *,
    resume: bool = True,
    remedy: str = "Use the same data and configuration, or another folder.",
    error: type[SetclosureError] = RunError,
) -> bool:
    """Decide whether work may begin in a folder, and return whether the folder is new.

    Parameters
    ----------
    what : str
        The folder and its content, for the message: ``"runs/a holds a run"``.
    before : Any
        The facts that the folder was made with, as JSON values; None if the folder holds nothing.
    now : Any
        The facts that are wanted, as JSON values.
    resume : bool
        Whether the work may go on with the content of the folder.
    remedy : str
        The advice at the end of the message if the facts differ.
    error : type
        The error to raise.

    Returns
    -------
    bool
        True for a new folder, False if the work goes on.

    Raises
    ------
    SetclosureError
        The type ``error``, if the folder holds something and ``resume`` is false, or if the facts differ; the message
        has a line for each difference.

    Examples
    --------
    >>> claim("runs/a holds a run", None, {"seed": 0})
    True
    >>> claim("runs/a holds a run", {"seed": 0}, {"seed": 0})
    False
    """
    if before is None:
        return True
    if not resume and is_first_process():  # the other processes of one training find what the first has made
        raise error(f"{what} already. Resume it (resume=True, --resume), or choose another folder.")
    different = differences(before, now)
    if different:
        raise error("\n".join([f"{what}, and what is wanted now differs:", *(f"  {d}" for d in different), remedy]))
    return False
