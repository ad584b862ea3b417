"""A cell is the periodic box of a microstate, as a matrix whose rows are lattice vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from setclosure.errors import MicrostateError


def cell_matrices(cell: Any, k: int) -> np.ndarray[Any, Any]:
    """Make matrices of lattice vectors from cells in any accepted form.

    Parameters
    ----------
    cell : array
        Lengths ``(k,)`` of a box along the axes, a matrix ``(k, k)``, or either of these with leading axes; k rows of k
        numbers are a matrix. A zero length, or a row of zeros, means that the direction is not periodic.
    k : int
        Coordinates of a position.

    Returns
    -------
    array
        Lattice vectors as rows, ``(*, k, k)`` float64.

    Raises
    ------
    MicrostateError
        If the shape is another, a number is not finite, a length is negative, or lattice vectors are parallel.

    Examples
    --------
    >>> cell_matrices([5.0, 0.0], 2).tolist()
    [[5.0, 0.0], [0.0, 0.0]]
    """
    try:
        cell = cell.detach().cpu() if isinstance(cell, Tensor) else cell
        array = np.asarray(cell, dtype=np.float64)
        if np.ma.is_masked(cell):
            raise ValueError("some are masked")
    except (TypeError, ValueError) as error:
        raise MicrostateError(
            f"a cell is an array of numbers: lengths ({k},) or a matrix ({k}, {k}); {error}."
        ) from error
    if array.ndim < 1 or array.shape[-1] != k:
        raise MicrostateError(
            f"a cell has shape {array.shape}; expected lengths ({k},) or a matrix ({k}, {k}), as a position has {k} "
            "coordinates."
        )
    if not np.isfinite(array).all():
        raise MicrostateError("a cell holds NaN or infinite numbers; expected lengths of a box, 0 where it is open.")
    if array.ndim < 2 or array.shape[-2] != k:
        if (array < 0).any():
            raise MicrostateError(
                f"a cell has a negative length: {array.min():g}; expected positive ones, or 0 where it is open."
            )
        array = array[..., None] * np.eye(k)
    lengths = np.linalg.norm(array, axis=-1)
    volumes = np.abs(np.linalg.det(array + (lengths == 0)[..., None] * np.eye(k)))
    if (volumes <= 1e-9 * np.where(lengths == 0, 1.0, lengths).prod(axis=-1)).any():
        raise MicrostateError(
            f"the lattice vectors of a cell are parallel, so they span no box. (An array of {k} rows is one matrix; "
            "give the lengths of several boxes as matrices.)"
        )
    return array
