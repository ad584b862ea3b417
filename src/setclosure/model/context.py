"""The context of a prediction is read from all forms in which a user may give it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from setclosure.errors import MicrostateError, ModelError
from setclosure.sets.arrays import real_numbers


def read_context(given: Any, names: tuple[str, ...], B: int, T: int) -> Tensor:
    """Make the context of B predictions over T frames, ``(B, T, p)``.

    Parameters
    ----------
    given : dict, array or None
        The context in any form that :meth:`setclosure.ClosureModel.predict` takes.
    names : tuple of str
        The names of the p numbers with which the model was trained.
    B, T : int
        The number of starts, and of frames with the start included.

    Raises
    ------
    ModelError
        If names or shapes do not fit, or a number is not finite.

    Examples
    --------
    >>> read_context({"temperature": [1.0, 2.0]}, ("temperature",), B=3, T=2)[0].tolist()
    [[1.0], [2.0]]
    """
    if not names:
        if given is not None and np.size(given if not isinstance(given, dict) else list(given)):
            raise ModelError("this model was trained without context; leave context= out.")
        return torch.zeros(B, T, 0)
    if given is None:
        raise ModelError(
            f"this model was trained with the context {', '.join(names)}: pass context={{'{names[0]}': …}} with "
            "a number or a schedule for each."
        )
    if hasattr(given, "columns") and hasattr(given, "to_numpy"):  # a table: its columns have names
        given = {str(name): given[name] for name in given.columns}
    if isinstance(given, dict):
        if set(given) != set(names):
            raise ModelError(f"the context has {sorted(given)}; this model was trained with {sorted(names)}.")
        columns = [_column(name, given[name], B, T) for name in names]
        values = np.stack(columns, axis=-1)
    else:
        values = _array(given, len(names), B, T)
    if not np.isfinite(values).all():
        raise ModelError("the context holds NaN or infinite numbers; expected finite ones.")
    return torch.tensor(values, dtype=torch.float32)


def as_numbers(given: Any, what: str) -> np.ndarray[Any, Any]:
    """Read an argument as an array of float64.

    Raises
    ------
    ModelError
        If it is none: ragged, or of texts. It begins with ``what``.
    """
    try:
        return real_numbers(given, what)
    except MicrostateError as error:
        raise ModelError(f"{what} cannot be read as an array of numbers: {error}") from error


def _column(name: str, given: Any, B: int, T: int) -> np.ndarray[Any, Any]:
    values = as_numbers(given, f"the context '{name}'")
    allowed = [(), (T,), (B, 1), (B, T)]
    if values.shape not in allowed:
        raise ModelError(
            f"the context '{name}' has shape {values.shape}; expected a number, a schedule ({T},) for all starts, "
            f"({B}, 1) or ({B}, {T})."
        )
    return np.broadcast_to(values, (B, T))


def _array(given: Any, p: int, B: int, T: int) -> np.ndarray[Any, Any]:
    values = as_numbers(given, "the context")
    if values.shape not in [(p,), (T, p), (B, 1, p), (B, T, p)]:
        raise ModelError(
            f"the context has shape {values.shape}; expected ({p},), ({T}, {p}), ({B}, 1, {p}) or ({B}, {T}, {p})."
        )
    return np.broadcast_to(values, (B, T, p))
