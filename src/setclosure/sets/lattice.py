"""Positions in a periodic cell: fractional coordinates, wrapping, minimum images, and the cell's own point group.

A direction that is not periodic, a row of zeros in the cell, is completed by a unit vector at right angles to the
lattice vectors and to the other completed ones. A coordinate along it is a length, and not a fraction.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setclosure.errors import MicrostateError, ModelError

Array = np.ndarray[Any, Any]

SAME_LENGTH = 1e-5
"""Share by which two products of lattice vectors, which are stored in single precision, may differ and be the same."""

MOST_PERIODIC = 3
"""The most periodic directions of a cell whose point group is searched."""


def periodic_directions(cell: Tensor) -> tuple[bool, ...]:
    """Tell which lattice directions of cells ``(B, k, k)`` are periodic.

    Raises
    ------
    MicrostateError
        If the cells of a batch differ in it.

    Examples
    --------
    >>> periodic_directions(torch.tensor([[[5.0, 0.0], [0.0, 0.0]]]))
    (True, False)
    """
    periodic = (cell != 0).any(dim=-1)
    if bool((periodic != periodic[:1]).any()):
        b = int((periodic != periodic[:1]).any(dim=1).nonzero()[0])
        raise MicrostateError(
            f"microstate {b} of a batch is periodic along {periodic[b].tolist()} of its lattice vectors, and "
            f"microstate 0 along {periodic[0].tolist()}; expected the same directions for all."
        )
    return tuple(bool(p) for p in periodic[0])


def require_cell(cell: Tensor | None, periodic: Sequence[bool], names: Sequence[str]) -> None:
    """Refuse cells ``(B, k, k)`` that are periodic along other directions than those of training.

    Parameters
    ----------
    cell : Tensor or None
        The cells of a batch.
    periodic : sequence of bool
        Which lattice directions are periodic in training; none or empty without a cell.
    names : sequence of str
        Names of the coordinates, for the message.

    Raises
    ------
    ModelError
        If they are; the message says along which.
    """
    if not any(periodic):
        if cell is not None and bool((cell != 0).any()):
            raise ModelError(
                "the microstates have a periodic cell, and this model was trained without one. Give microstates "
                "without a cell, or train another model on data with their cells."
            )
        return
    wanted = ", ".join(names[i] for i, p in enumerate(periodic) if p)
    if cell is None:
        raise ModelError(
            f"the microstates have no cell, and this model was trained in one that is periodic along {wanted}: "
            "give it, as in MicrostateBatch.from_arrays(x, cell=…), or as an array cell beside points in an .npz."
        )
    found = periodic_directions(cell)
    if found != tuple(periodic):
        other = ", ".join(names[i] for i, p in enumerate(found) if p) or "no direction"
        raise ModelError(
            f"the cell of the microstates is periodic along {other}; this model was trained in one that is "
            f"periodic along {wanted}. Give microstates in such a cell, or train another model."
        )


def completed(cell: Tensor) -> Tensor:
    """Complete cells ``(B, k, k)``, so that every position has coordinates in their rows.

    Examples
    --------
    >>> completed(torch.tensor([[[5.0, 0.0], [0.0, 0.0]]])).tolist()
    [[[5.0, 0.0], [0.0, 1.0]]]
    """
    periodic = periodic_directions(cell)
    if all(periodic):
        return cell
    k, h = cell.shape[-1], cell.double()
    known = [h[:, i] for i in range(k) if periodic[i]]
    rows = list(h.unbind(dim=1))
    for i in (i for i in range(k) if not periodic[i]):
        # the axis of the same number, then the others: the first that is far from the span of what is known
        axes = [*range(i, k), *range(i)]
        rest = torch.stack([_rest(torch.eye(k, dtype=h.dtype, device=h.device)[a], known, len(h)) for a in axes], 1)
        size = rest.norm(dim=-1)  # (B, k)
        first = (size > 0.3 * size.amax(dim=1, keepdim=True)).to(torch.int8).argmax(dim=1)
        chosen = rest[torch.arange(len(h)), first]
        rows[i] = chosen / chosen.norm(dim=-1, keepdim=True)
        known.append(rows[i])
    return torch.stack(rows, dim=1).to(cell.dtype)


def _rest(axis: Tensor, known: list[Tensor], B: int) -> Tensor:
    """Give what is left of an axis ``(k,)`` at right angles to B times the ``known`` vectors ``(B, k)``."""
    if not known:
        return axis.expand(B, -1)
    span = torch.linalg.qr(torch.stack(known, dim=-1)).Q  # (B, k, known)
    rest: Tensor = axis - (span @ (span.mT @ axis[None, :, None]))[..., 0]
    return rest


def fractions(positions: Tensor, frame: Tensor) -> Tensor:
    """Give positions ``(B, N, k)`` as multiples of the rows of completed cells ``(B, k, k)``."""
    found: Tensor = torch.linalg.solve(frame.mT, positions.mT).mT
    return found


def wrapped(points: Tensor, cell: Tensor) -> Tensor:
    """Move positions into their cell, to fractions of at least 0 and below 1; open directions stay.

    Parameters
    ----------
    points : Tensor
        Positions in the first k columns, ``(B, N, d)``.
    cell : Tensor
        Cells, ``(B, k, k)``.

    Examples
    --------
    >>> wrapped(torch.tensor([[[6.0, -7.0]]]), torch.tensor([[[5.0, 0.0], [0.0, 0.0]]])).tolist()
    [[[1.0, -7.0]]]
    """
    k = cell.shape[-1]
    f = fractions(points[..., :k], completed(cell))
    turns = torch.where((cell != 0).any(dim=-1)[:, None], f.floor(), torch.zeros_like(f))
    moved = points[..., :k] - turns @ cell
    return torch.cat([moved, points[..., k:]], dim=-1)


def image_range(cell: Array, reach: float) -> Array:
    """Bound the images of a lattice vector's multiples that may lie within ``reach``, for fractions in [-½, ½].

    Parameters
    ----------
    cell : array
        One completed cell ``(k, k)``.
    reach : float
        A length.

    Returns
    -------
    array
        For each direction the largest size of the whole number that must be looked at, ``(k,)``.
    """
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)  # distances of opposite faces
    return np.asarray(np.floor(reach / heights + 0.5 + 1e-9).astype(int))


def minimum_images(cell: Array) -> Array:
    """List the lattice vectors ``(n, k)`` among which a difference with fractions in [-½, ½] has its minimum image.

    Zero comes first. A cell whose lattice vectors are at right angles needs no other.
    """
    periodic = (cell != 0).any(axis=1)
    gram = cell @ cell.T
    if np.abs(gram - np.diag(np.diag(gram))).max(initial=0.0) <= 1e-9 * np.abs(gram).max(initial=1.0):
        return np.zeros((1, len(cell)))
    frame = completed(torch.from_numpy(cell)[None])[0].numpy()
    # no point is farther from the lattice than half the diagonal of the box that Gram–Schmidt makes of the cell
    steps = np.abs(np.diag(np.linalg.qr(cell[periodic].T)[1]))
    n = np.where(periodic, image_range(frame, 0.5 * math.sqrt((steps**2).sum())), 0)
    whole = np.array(sorted(itertools.product(*(range(-m, m + 1) for m in n)), key=lambda v: sum(map(abs, v))))
    return np.asarray(whole @ cell)


def minimum_image(differences: Any, cell: Any) -> Array:
    """Give the shortest images of differences of positions.

    Parameters
    ----------
    differences : array
        Differences, ``(…, k)``.
    cell : array
        One cell, ``(k, k)``, triclinic or not; rows of zeros are open directions.

    Examples
    --------
    >>> minimum_image([4.0, 9.0], [[5.0, 0.0], [0.0, 0.0]]).tolist()
    [-1.0, 9.0]
    """
    h, d = np.asarray(cell, dtype=np.float64), np.asarray(differences, dtype=np.float64)
    frame = completed(torch.from_numpy(h)[None])[0].numpy()
    f = d @ np.linalg.inv(frame)
    d = d - np.where((h != 0).any(axis=1), np.rint(f), 0.0) @ h
    candidates = d[..., None, :] + minimum_images(h)
    best = (candidates**2).sum(axis=-1).argmin(axis=-1)
    return np.asarray(np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :])


def point_group(cells: Array, blocks: Sequence[int]) -> Array:
    """List the whole matrices M that turn or mirror the periodic part of all given cells into itself.

    A particle at the fractions f (a row) goes to f M. The lattice vectors a_i then keep their lengths and angles:
    M G Mᵀ = G with G_ij = a_i · a_j.

    Parameters
    ----------
    cells : array
        Cells of the same periodic directions, ``(U, k, k)``.
    blocks : sequence of int
        A number for each direction, ``(k,)``; M mixes no directions of different numbers.

    Returns
    -------
    array
        Matrices ``(n, p, p)`` for the p periodic directions, the identity first.

    Raises
    ------
    MicrostateError
        If more than three directions are periodic.
    """
    cells = np.ascontiguousarray(cells, dtype=np.float64)
    return _point_group(cells.tobytes(), cells.shape, tuple(blocks))


@functools.lru_cache(maxsize=256)
def _point_group(content: bytes, shape: tuple[int, ...], blocks: tuple[int, ...]) -> Array:
    cells = np.frombuffer(content).reshape(shape)
    periodic = (cells[0] != 0).any(axis=1)
    p = int(periodic.sum())
    if p > MOST_PERIODIC:
        raise MicrostateError(
            f"a cell is periodic along {p} directions; rotations are known for {MOST_PERIODIC} at most. Use a symmetry "
            "without rotations."
        )
    of = np.array(blocks)[periodic]
    rows = cells[:, periodic]
    gram = rows @ rows.transpose(0, 2, 1)  # (U, p, p)
    first, size = gram[0], float(np.abs(gram[0]).max())
    heights = 1.0 / np.linalg.norm(np.linalg.pinv(rows[0]), axis=0)
    images = []  # for each lattice vector the whole combinations that have its length
    for i in range(p):
        n = np.floor(math.sqrt(first[i, i]) / heights * (1 + SAME_LENGTH) + 1e-9).astype(int)
        n = np.where(of == of[i], n, 0)
        all_of = np.array(list(itertools.product(*(range(-m, m + 1) for m in n))))
        square = np.einsum("ni,ij,nj->n", all_of, first, all_of)
        images.append(all_of[np.abs(square - first[i, i]) <= SAME_LENGTH * first[i, i]])
    found = [np.array(m) for m in itertools.product(*images) if _keeps(np.array(m), first, size)]
    kept = [m for m in found if all(_keeps(m, g, float(np.abs(g).max())) for g in gram[1:])]
    kept.sort(key=lambda m: (not np.array_equal(m, np.eye(p)), tuple(m.ravel())))
    return np.array(kept, dtype=np.float64)


def _keeps(m: Array, gram: Array, size: float) -> bool:
    return bool(np.abs(m @ gram @ m.T - gram).max() <= SAME_LENGTH * size)
