"""Numba kernels sum over the neighbours of each particle within several radii, by cell lists, on all cores."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np

from setclosure.sets.cell_lists import beside_of, cells_around, square_of

Array = np.ndarray[Any, Any]


def surroundings(
    positions: Array,
    vectors: Array,
    kinds: Array,
    relative: Array,
    frames: Array,
    periodic: Array,
    radii: Array,
    soft: Array,
    n_species: int,
) -> tuple[Array, Array]:
    """Count neighbours and average their vectors, for each particle of B microstates.

    Parameters
    ----------
    positions : array
        ``(B, N, k)`` with k ≤ 3.
    vectors : array
        V vectors of each particle, ``(B, N, V, k)``.
    kinds : array
        The species of each place, ``(B, N)``; −1 for none.
    relative : array
        The weight of each particle over the mean of its species, ``(B, N)``.
    frames, periodic : array
        As :func:`setclosure.sets.cell_lists.completed_frames` gives them.
    radii, soft : array
        Rising radii, and half the width of the border of each, ``(n,)``.
    n_species : int
        S.

    Returns
    -------
    (array, array)
        Neighbours by species, the particle's own first, ``(B, N, S, n)``; and the means of the vectors of neighbours
        and the particle itself, ``(B, N, V, n, k)``.
    """
    B, N, k = positions.shape
    V, n = vectors.shape[2], len(radii)
    x = np.zeros((B, N, 3))
    x[..., :k] = positions
    counts = np.zeros((B, N, n_species, n))
    means = np.zeros((B, N, V, n, k))
    kinds = np.ascontiguousarray(kinds, dtype=np.int64)
    inverses = np.linalg.inv(frames)

    def part(b: slice) -> None:
        _sum_over_neighbours(
            x[b],
            np.ascontiguousarray(vectors[b]),
            kinds[b],
            relative[b],
            frames[b],
            inverses[b],
            periodic,
            radii - soft,
            radii + soft,
            counts[b],
            means[b],
        )

    workers = min(os.cpu_count() or 1, B)
    bounds = np.linspace(0, B, workers + 1).astype(int)
    if workers < 2:
        part(slice(0, B))
    else:
        with ThreadPoolExecutor(workers) as pool:  # the kernel frees the interpreter's lock
            list(pool.map(part, (slice(a, b) for a, b in itertools.pairwise(bounds))))
    return counts, means


@numba.njit(nogil=True, cache=True)
def _sum_over_neighbours(
    x: Any,
    vectors: Any,
    kinds: Any,
    relative: Any,
    frames: Any,
    inverses: Any,
    periodic: Any,
    low: Any,
    high: Any,
    counts: Any,
    means: Any,
) -> None:
    """Add up over pairs, each of which is met once; ``low`` and ``high`` are the borders of each radius."""
    B, N, _ = x.shape
    V, n = vectors.shape[2], len(low)
    reach = high[n - 1]
    f, place, after = np.empty((N, 3)), np.empty((N, 3), np.int64), np.empty(N, np.int64)
    beside = np.empty((3, 3), np.int64)
    weight = np.empty(n)
    for b in range(B):
        kind = kinds[b]
        cells = cells_around(x[b], kind, inverses[b], periodic, reach, f, place)
        head = np.full((cells[0], cells[1], cells[2]), -1, np.int64)
        total = np.zeros((N, n))
        for i in range(N):
            if kind[i] < 0:
                continue
            for axis in range(3):
                for step in range(3):
                    beside[axis, step] = beside_of(place[i, axis], step - 1, cells[axis], periodic[axis])
            for at in range(27):
                c0, c1, c2 = beside[0, at // 9], beside[1, at // 3 % 3], beside[2, at % 3]
                j = head[c0, c1, c2] if c0 >= 0 and c1 >= 0 and c2 >= 0 else -1
                while j >= 0:
                    square = square_of(f[i], f[j], frames[b], periodic)
                    if square < reach * reach:
                        _add_pair(b, i, j, np.sqrt(square), kind, relative[b], low, high, weight, counts, total)
                        if V:
                            _add_vectors(b, i, j, relative[b], weight, vectors, means)
                    j = after[j]
            after[i] = head[place[i, 0], place[i, 1], place[i, 2]]
            head[place[i, 0], place[i, 1], place[i, 2]] = i
        if V:
            _average(kind, relative[b], total, vectors[b], means[b])


@numba.njit(nogil=True, cache=True)
def _add_pair(
    b: Any,
    i: Any,
    j: Any,
    r: Any,
    kind: Any,
    relative: Any,
    low: Any,
    high: Any,
    weight: Any,
    counts: Any,
    total: Any,
) -> None:
    """Write the weight of a pair at each radius, and add it to the counts of both particles."""
    own = kind[i]
    other = kind[j]
    of_i = 0 if own == other else (other + 1 if other < own else other)  # own species first, then the others
    of_j = 0 if own == other else (own + 1 if own < other else own)
    for at in range(len(low)):
        weight[at] = 0.0
    for at in range(len(low) - 1, -1, -1):
        if r >= high[at]:
            break
        w = 1.0
        if r > low[at]:
            t = (high[at] - r) / (high[at] - low[at])
            w = t * t * (3.0 - 2.0 * t)
        weight[at] = w
        counts[b, i, of_i, at] += w * relative[j]
        counts[b, j, of_j, at] += w * relative[i]
        total[i, at] += w * relative[j]
        total[j, at] += w * relative[i]


@numba.njit(nogil=True, cache=True)
def _average(kind: Any, relative: Any, total: Any, vectors: Any, means: Any) -> None:
    """Make the sums over neighbours means, in which the particle itself counts, too."""
    N, V, n, k = means.shape
    for i in range(N):
        if kind[i] < 0:
            continue
        for at in range(n):
            share = 1.0 / (total[i, at] + relative[i])
            for v in range(V):
                for c in range(k):
                    means[i, v, at, c] = (means[i, v, at, c] + relative[i] * vectors[i, v, c]) * share


@numba.njit(nogil=True, cache=True)
def _add_vectors(b: Any, i: Any, j: Any, relative: Any, weight: Any, vectors: Any, means: Any) -> None:
    V, k = vectors.shape[2], vectors.shape[3]
    for v in range(V):
        for at in range(len(weight)):
            if weight[at] == 0.0:
                continue
            for c in range(k):
                means[b, i, v, at, c] += weight[at] * relative[j] * vectors[b, j, v, c]
                means[b, j, v, at, c] += weight[at] * relative[i] * vectors[b, i, v, c]
