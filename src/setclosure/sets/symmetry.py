"""A symmetry is a group of changes of coordinates that neither the microscopic law nor the observable sees.

Translations move positions alone, along chosen directions; rotations turn positions and vectors; scalars stay. In a
periodic cell translations go around the torus, and rotations are those of the cell's own point group.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from setclosure.errors import ModelError
from setclosure.sets.features import Features
from setclosure.sets.lattice import completed, point_group
from setclosure.sets.microstates import MicrostateBatch

ShortSymmetry = Literal["none", "translation", "euclidean"]
"""The short names of symmetries: none, all translations, or all translations, rotations and reflections."""

Rotation = Literal["none", "proper", "reflections"]
"""The rotations of a symmetry: none, those that keep left and right, or all with reflections."""

VIEWS = 8
"""The most views over which a prediction is averaged, by default."""


MOST_LISTED = 3
"""The most coordinates of a position for which all signed permutations, 48 for three, are listed."""


@dataclass(frozen=True)
class Symmetry:
    """A symmetry of particles with k coordinates of a position.

    Parameters
    ----------
    translation : tuple of bool
        For each direction whether shifts along it change nothing, ``(k,)``. In a cell the directions are the lattice
        vectors.
    rotation : {"none", "proper", "reflections"}
        Rotations mix directions of translation only with each other, and the other directions only with each other:
        a pipe, which is invariant along its axis, may be turned about the axis and turned over.

    Examples
    --------
    >>> Symmetry((True, False), "reflections").blocks
    (1, 0)
    """

    translation: tuple[bool, ...]
    rotation: Rotation = "none"

    @property
    def turns(self) -> bool:
        """Whether there are rotations or reflections."""
        return self.rotation != "none"

    @property
    def blocks(self) -> tuple[int, ...]:
        """A number for each direction: rotations mix directions of one number only."""
        return tuple(int(moved) for moved in self.translation)


def as_symmetry(value: Any, features: Features) -> Symmetry:
    """Make a symmetry from any accepted form.

    Parameters
    ----------
    value : Symmetry, str or mapping
        A symmetry; ``"none"``, ``"translation"`` or ``"euclidean"``; or a mapping (or an object) with ``translation``,
        the names of features or ``"all"``, and ``rotation``.
    features : Features
        The features of a particle, which name the directions.

    Raises
    ------
    ModelError
        If a name is not that of a coordinate of the position.

    Examples
    --------
    >>> as_symmetry({"translation": ["x"]}, Features(2))
    Symmetry(translation=(True, False), rotation='none')
    """
    k, names = features.position, features.names[: features.position]
    if isinstance(value, Symmetry):
        return value
    if isinstance(value, str):
        return Symmetry((value != "none",) * k, "reflections" if value == "euclidean" else "none")
    given = value if isinstance(value, Mapping) else {key: getattr(value, key) for key in ("translation", "rotation")}
    moved = given.get("translation", ())
    wanted = names if moved == "all" else tuple(moved)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ModelError(
            f"symmetry: translation along {', '.join(unknown)}; expected coordinates of the position, which are "
            f"{', '.join(names) or 'none'}. Vectors and scalars have no origin that could be shifted."
        )
    return Symmetry(tuple(name in wanted for name in names), given.get("rotation", "none"))


def random_orthogonal(n: int, k: int, generator: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
    """Draw orthogonal matrices ``(n, k, k)``, uniform in O(k), by QR with the signs of R's diagonal (Mezzadri 2007).

    Examples
    --------
    >>> q = random_orthogonal(5, 3, torch.Generator().manual_seed(0))
    >>> torch.allclose(q @ q.mT, torch.eye(3), atol=1e-6)
    True
    """
    drawn = torch.randn(n, k, k, generator=generator, device=device)
    if drawn.device.type == "mps":  # has no QR
        q, r = (part.to(device) for part in torch.linalg.qr(drawn.cpu()))
    else:
        q, r = torch.linalg.qr(drawn)
    signs = r.diagonal(dim1=-2, dim2=-1).sign()
    oriented: Tensor = q * torch.where(signs == 0, torch.ones_like(signs), signs)[:, None, :]
    return oriented


def random_turns(
    symmetry: Symmetry,
    n: int,
    generator: torch.Generator,
    cell: Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw rotations ``(n, k, k)`` of a symmetry, each with the same probability.

    Parameters
    ----------
    symmetry : Symmetry
        A symmetry with rotations.
    n : int
        The number of rotations.
    generator : torch.Generator
        Source of random numbers.
    cell : Tensor, optional
        Cells ``(·, k, k)``, which every rotation must leave as they are. The matrices then act on the fractions in
        such a cell, see :func:`turned`.
    device : torch.device
        The device of the result.
    """
    k = len(symmetry.translation)
    cell = None if cell is None or not bool((cell != 0).any()) else cell
    if cell is None:
        found = _random_blocks(symmetry.blocks, n, generator, device)
    else:
        found = torch.eye(k, device=device).repeat(n, 1, 1)
        for part in (0, 1):  # open directions, apart from the lattice
            there = [i for i in range(k) if symmetry.blocks[i] == part and not bool((cell[0, i] != 0).any())]
            if there:
                found[:, torch.tensor(there)[:, None], torch.tensor(there)] = random_orthogonal(
                    n, len(there), generator, device
                )
        group = _lattice_group(symmetry, cell)
        chosen = torch.randint(len(group), (n,), generator=generator, device=device)
        periodic = torch.nonzero((cell[0] != 0).any(dim=-1)).flatten().tolist()
        found[:, torch.tensor(periodic)[:, None], torch.tensor(periodic)] = group.to(device)[chosen]
    open_ = [i for i in range(k) if cell is None or not bool((cell[0, i] != 0).any())]
    if symmetry.rotation == "proper" and open_:
        mirrored = torch.linalg.det(found) < 0
        found[:, :, open_[0]] *= torch.where(mirrored, -1.0, 1.0)[:, None]
    return found


def _random_blocks(blocks: tuple[int, ...], n: int, generator: torch.Generator, device: torch.device | str) -> Tensor:
    k = len(blocks)
    if len(set(blocks)) <= 1:
        return random_orthogonal(n, k, generator, device)
    found = torch.zeros(n, k, k, device=device)
    for part in sorted(set(blocks)):
        at = torch.tensor([i for i in range(k) if blocks[i] == part])
        found[:, at[:, None], at] = random_orthogonal(n, len(at), generator, device)
    return found


def _lattice_group(symmetry: Symmetry, cell: Tensor) -> Tensor:
    """Give the point group of all different cells, for their periodic directions, ``(n, p, p)``.

    It has proper rotations alone where no open direction can make a reflection proper.
    """
    cells = np.unique(cell.detach().cpu().double().numpy(), axis=0)
    group = torch.as_tensor(point_group(cells, symmetry.blocks), dtype=torch.float32)
    if symmetry.rotation == "proper" and bool((cell[0] != 0).any(dim=-1).all()):
        group = group[torch.linalg.det(group) > 0]
    return group


def views(symmetry: Symmetry | str, k: int, most: int = VIEWS, cell: Tensor | None = None) -> Tensor:
    """List rotations ``(V, k, k)`` over which predictions are averaged, the identity first.

    They are signed permutations of the k axes of a position, which need no interpolation and are exact in floating
    point. The whole group is taken where it has no more than ``most`` members (2 for k = 1, 8 for k = 2), else a part
    of it is drawn, always the same one. In a cell they are members of its point group.

    Parameters
    ----------
    symmetry : Symmetry or str
        A symmetry, or the short name of one.
    k : int
        Coordinates of a position.
    most : int
        The most views.
    cell : Tensor, optional
        One cell ``(k, k)``; the matrices then act on the fractions in it, see :func:`turned`.

    Examples
    --------
    >>> views("euclidean", 2).shape, views("euclidean", 6).shape, views("translation", 2).shape
    (torch.Size([8, 2, 2]), torch.Size([8, 6, 6]), torch.Size([1, 2, 2]))
    """
    symmetry = as_symmetry(symmetry, Features(k)) if isinstance(symmetry, str) else symmetry
    if not symmetry.turns:
        return torch.eye(k)[None]
    if cell is not None:
        return _some(_views_in_cell(symmetry, cell), most)
    if k > MOST_LISTED:
        return _drawn(symmetry, k, most)
    group = _open_views(symmetry, list(range(k)))
    return _some(group[torch.linalg.det(group) > 0] if symmetry.rotation == "proper" else group, most)


def views_of(symmetry: Symmetry, batch: MicrostateBatch, most: int = VIEWS) -> Tensor:
    """List the views of each microstate of a batch, for :func:`turned`.

    Returns
    -------
    Tensor
        ``(V, k, k)`` without a cell. In a cell ``(V, B, k, k)``, as the point group is that of each one's own cell; a
        group with fewer members than V is gone through again.
    """
    k = batch.roles.position
    if batch.cell is None or not symmetry.turns or not bool((batch.cell != 0).any()):
        return views(symmetry, k, most)
    cells, of = torch.unique(batch.cell.cpu(), dim=0, return_inverse=True)
    groups = [views(symmetry, k, most, cell) for cell in cells]
    V = max(len(group) for group in groups)
    return torch.stack([group[torch.arange(V) % len(group)] for group in groups], dim=1)[:, of]


def _signed_permutations(k: int) -> Tensor:
    members = []
    for order in itertools.permutations(range(k)):
        permuted = torch.eye(k)[list(order)]
        members += [permuted * torch.tensor(signs) for signs in itertools.product((1.0, -1.0), repeat=k)]
    return torch.stack(members)


def _views_in_cell(symmetry: Symmetry, cell: Tensor) -> Tensor:
    """List the point group of a cell, joined with signed permutations of its open directions."""
    k = len(symmetry.translation)
    periodic = [bool((row != 0).any()) for row in cell]
    at = torch.tensor([i for i in range(k) if periodic[i]])
    there = [i for i in range(k) if not periodic[i]]
    lattice = torch.as_tensor(
        point_group(cell.detach().cpu().double().numpy()[None], symmetry.blocks), dtype=torch.float32
    )
    of_open = torch.eye(len(there))[None] if not there else _open_views(symmetry, there)
    found = torch.eye(k).repeat(len(of_open) * len(lattice), 1, 1)
    found[:, at[:, None], at] = lattice.repeat(len(of_open), 1, 1)
    if there:
        o = torch.tensor(there)
        found[:, o[:, None], o] = of_open.repeat_interleave(len(lattice), dim=0)
    return found[torch.linalg.det(found) > 0] if symmetry.rotation == "proper" else found


def _open_views(symmetry: Symmetry, there: list[int]) -> Tensor:
    group = _signed_permutations(len(there))
    blocks = torch.tensor([symmetry.blocks[i] for i in there])
    mixing = (group != 0) & (blocks[:, None] != blocks)
    return group[~mixing.flatten(1).any(dim=1)]


def _some(group: Tensor, most: int) -> Tensor:
    """Take the identity, which is first, and some others of a group."""
    if len(group) <= most:
        return group
    order = torch.randperm(len(group) - 1, generator=torch.Generator().manual_seed(0))[: most - 1] + 1
    return torch.cat([group[:1], group[order.sort().values]])


def _drawn(symmetry: Symmetry, k: int, most: int) -> Tensor:
    """Draw signed permutations that keep the blocks, the identity first, without listing them."""
    stream = np.random.default_rng(0)
    blocks = np.array(symmetry.blocks)
    found = {tuple(np.eye(k).ravel()): np.eye(k)}
    for _ in range(50 * most):
        if len(found) == most:
            break
        m = np.zeros((k, k))
        for part in np.unique(blocks):
            at = np.flatnonzero(blocks == part)
            m[at, stream.permutation(at)] = stream.choice([-1.0, 1.0], len(at))
        if symmetry.rotation == "proper" and np.linalg.det(m) < 0:
            m[:, 0] *= -1
        found.setdefault(tuple(m.ravel() + 0.0), m + 0.0)
    return torch.as_tensor(np.array(list(found.values())), dtype=torch.float32)


def rotated(batch: MicrostateBatch, matrices: Tensor) -> MicrostateBatch:
    """Turn each microstate by its own matrix ``(B, k, k)``, or all by one ``(k, k)``.

    Positions and vectors turn, scalars stay, and the lattice vectors of a cell turn with the positions.

    Examples
    --------
    >>> batch = MicrostateBatch.from_arrays([[[1.0, 0.0]]])
    >>> rotated(batch, torch.tensor([[0.0, -1.0], [1.0, 0.0]])).points.tolist()
    [[[0.0, 1.0]]]
    """
    features = batch.roles
    turn = matrices.transpose(-1, -2)
    with torch.autocast(batch.points.device.type, enabled=False):  # coordinates are never rounded to half precision
        if features.d == features.position:
            points = batch.points @ turn
        else:
            parts = [batch.points[..., group] @ turn for group in features.groups()]
            scalars = batch.points[..., features.d - features.scalars :]
            points = torch.cat([*parts, scalars], dim=-1)
        cell = None if batch.cell is None else batch.cell @ turn
    return MicrostateBatch(points, batch.weights, batch.features, cell)


def turned(batch: MicrostateBatch, matrices: Tensor) -> MicrostateBatch:
    """Change microstates by rotations of :func:`random_turns` or :func:`views`.

    Without a cell this is :func:`rotated`. In a cell a matrix M maps the coordinates f along the lattice vectors h to
    f M; vectors turn by h⁻¹ M h, and the cell stays as it is, because M maps its lattice to itself.

    Parameters
    ----------
    batch : MicrostateBatch
        B microstates.
    matrices : Tensor
        A matrix for each, ``(B, k, k)``, or one for all, ``(k, k)``.
    """
    if batch.cell is None or not bool((batch.cell != 0).any()):
        return rotated(batch, matrices)
    frame = completed(batch.cell).double()
    act = torch.linalg.solve(frame, matrices.to(frame) @ frame)  # h⁻¹ M h, which acts on rows
    return replace(rotated(batch, act.mT.to(batch.points.dtype)), cell=batch.cell)


def shifted(batch: MicrostateBatch, shifts: Tensor) -> MicrostateBatch:
    """Move the positions of each microstate by its own vector ``(B, k)``."""
    k = batch.roles.position
    moved = torch.zeros(len(batch), 1, batch.n_features, dtype=batch.points.dtype, device=batch.points.device)
    moved[:, 0, :k] = shifts.to(moved.dtype)
    return batch.with_points(batch.points + moved)
