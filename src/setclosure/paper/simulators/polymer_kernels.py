"""Numba kernels simulate a chain of touching beads on rigid rods by Brownian steps.

A step of 300 beads takes 10 to 12 µs on one core. The parts are made for this speed:

- normal numbers come from a counter by polynomials (1.4 µs for 900); it has no state, so the loop is vectorised;
- overlaps are looked for in tiles of 16 consecutive beads, whose boxes tell which pairs of tiles are far apart. Beads
  move by a fifth of their diameter in a step, so a list of neighbours would have to be made anew all the time;
- the tridiagonal systems of the rods, a long chain of dependent divisions, are eliminated from both ends at once.

Coordinates are in single precision, like the stored frames. They are at most 150, where the spacing of such numbers is
1e-5, and errors do not grow, because every step projects anew. The kernels take float64 as well. They release the
interpreter's lock, so that threads run them side by side. Lengths are in bead diameters, and the friction of a bead is
one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from setclosure.compiled import compiled

TILE = 16
"""The number of beads whose distances to one bead are computed together, as a vector of single precision."""

ROD_TOLERANCE = np.float32(1e-4)
"""The largest error of a rod's length after a step."""

MOST_ITERATIONS = 60
"""The number of iterations after which Newton's method gives up.

Steps of 0.02 need 3 to 4, one in a million 11, and each further iteration is three times rarer."""

_F, _I, _U, _W = np.float32, np.int32, np.uint32, np.uint64
_ONE, _HALF, _TWO, _TINY = _F(1.0), _F(0.5), _F(2.0), _F(1e-12)
_SQRT_HALF = _I(0x3F3504F3)  # the bits of √½ as a float32
_GOLDEN, _MIX_1, _MIX_2 = _W(0x9E3779B97F4A7C15), _W(0xBF58476D1CE4E5B9), _W(0x94D049BB133111EB)


@compiled
def counted_bits(keys: Any, counter: Any, bits: Any) -> None:
    """Fill ``bits`` (n,) uint64 with numbers ``counter``, ``counter`` + 1, … of the stream of ``keys`` (2,) uint64.

    Each is a function of its number alone: two rounds of multiplication and shifts (the finaliser of SplitMix64) of a
    Weyl sequence that begins at the first key, with the second key mixed in between.
    """
    start, other = keys[0] + counter * _GOLDEN, keys[1]
    for k in range(len(bits)):
        z = start + _W(k) * _GOLDEN
        z = ((z ^ (z >> _W(30))) * _MIX_1) ^ other
        z = (z ^ (z >> _W(27))) * _MIX_2
        bits[k] = z ^ (z >> _W(31))


@compiled
def normals(halves: Any, out: Any) -> None:
    """Fill ``out`` (n,) float32 with independent standard normal numbers from random words, ``halves`` (n,) uint32.

    The method is that of Box and Muller. One half of a word gives the radius √(−2 log u), and 30 bits of the other half
    an angle in the first quadrant, taken from its diagonal, so that short series suffice; the last two bits are the
    signs. The functions of the library would keep the loops from being vectorised.
    """
    n = len(halves) // 2
    for k in range(n):
        u = (_F(halves[2 * k]) + _HALF) * _F(2.0**-32)
        bits = _F(u).view(np.int32)
        exponent = _I(_I(bits - _SQRT_HALF) >> _I(23))
        mantissa = _I(bits - _I(exponent << _I(23))).view(np.float32)  # in √½ … √2
        s = (mantissa - _ONE) / (mantissa + _ONE)
        v = s * s
        series = _ONE + v * (_F(1 / 3) + v * (_F(1 / 5) + v * (_F(1 / 7) + v * _F(1 / 9))))
        out[k] = math.sqrt(max(-(_F(exponent) * _F(math.log(2)) + _TWO * s * series), _F(0.0)))
    for k in range(n):
        half, radius = halves[2 * k + 1], out[k]  # without √2, which the diagonal has
        a = (_F(_I(half >> _U(2))) * _F(2.0**-30) - _HALF) * _F(math.pi / 2)
        v = a * a
        sine = a * (_ONE - v * (_F(1 / 6) - v * (_F(1 / 120) - v * _F(1 / 5040))))
        cosine = _ONE - v * (_HALF - v * (_F(1 / 24) - v * (_F(1 / 720) - v * _F(1 / 40320))))
        out[k] = _F(_I(1) - _I(_I(half & _U(1)) * _I(2))) * radius * (cosine - sine)
        out[k + n] = _F(_I(1) - _I(half & _U(2))) * radius * (cosine + sine)


@compiled
def tile_boxes(x: Any, N: int, low: Any, high: Any) -> None:
    """Write the least and largest coordinates of the beads ``x`` (3, ≥ N) of each tile to ``low`` and ``high``.

    Both have the shape (3, tiles).
    """
    for k in range(3):
        for tile in range(low.shape[1]):
            least = most = x[k, tile * TILE]
            for i in range(tile * TILE, min(tile * TILE + TILE, N)):
                least, most = min(least, x[k, i]), max(most, x[k, i])
            low[k, tile], high[k, tile] = least, most


@compiled
def remove_overlaps(x: Any, N: int, low: Any, high: Any, near: Any, push: Any) -> int:
    """Move beads i and j with j > i + 1 that are closer than 1 apart, each by half of their overlap.

    All moves are computed from the same positions, then added, so the order of the pairs does not matter.

    Parameters
    ----------
    x : array
        Positions ``(3, P + 2 + TILE)``, changed; P is a multiple of :data:`TILE`, and places from N on are far away.
    N : int
        Beads.
    low, high, near, push : array
        Work space for the boxes of the tiles, ``(3, P / TILE)`` each, for counts, ``(N,)`` int32, and for the moves,
        of the shape of ``x``.

    Returns
    -------
    int
        The number of overlaps that were found.
    """
    tile_boxes(x, N, low, high)
    push[:] = 0
    found = 0
    px, py, pz = x[0], x[1], x[2]
    near[:] = 0
    for k in range(2, 2 + TILE):  # most overlaps are with the next beads along the chain
        for i in range(N):
            dx, dy, dz = px[i + k] - px[i], py[i + k] - py[i], pz[i + k] - pz[i]
            near[i] += _I(dx * dx + dy * dy + dz * dz < _ONE)
    for i in range(N):
        if near[i] > 0:
            found += _push_from(x, i, i + 2, i + 2, push)
    for a in range(low.shape[1]):
        for b in range(a + 1, low.shape[1]):
            if _gap(low, high, a, b) < _ONE:
                for i in range(a * TILE, min(a * TILE + TILE, N)):
                    if _gap_of_bead(low, high, b, x[0, i], x[1, i], x[2, i]) < _ONE:
                        found += _push_from(x, i, b * TILE, i + 2 + TILE, push)
    if found > 0:
        for k in range(3):
            place, move = x[k], push[k]
            for i in range(N):
                place[i] += move[i]
    return found


@compiled
def _gap(low: Any, high: Any, a: int, b: int) -> Any:
    """Give the largest gap, over the axes, between the boxes of two tiles; it is negative if they meet."""
    gap = max(low[0, a] - high[0, b], low[0, b] - high[0, a])
    gap = max(gap, low[1, a] - high[1, b], low[1, b] - high[1, a])
    return max(gap, low[2, a] - high[2, b], low[2, b] - high[2, a])


@compiled
def _gap_of_bead(low: Any, high: Any, b: int, x: Any, y: Any, z: Any) -> Any:
    """Give the largest gap, over the axes, between a bead's centre and the box of tile b."""
    gap = max(low[0, b] - x, x - high[0, b], low[1, b] - y)
    return max(gap, y - high[1, b], low[2, b] - z, z - high[2, b])


@compiled
def _push_from(x: Any, i: int, first: int, least: int, push: Any) -> int:
    """Add the moves of bead i and of the TILE beads from ``first`` on; those before ``least`` have been seen."""
    px, py, pz = x[0], x[1], x[2]
    xi, yi, zi = px[i], py[i], pz[i]
    near = 0
    for j in range(first, first + TILE):  # this loop is vectorised, and mostly finds nothing
        dx, dy, dz = px[j] - xi, py[j] - yi, pz[j] - zi
        near += 1 if dx * dx + dy * dy + dz * dz < _ONE else 0
    if near == 0:
        return 0
    found = 0
    for j in range(max(first, least), first + TILE):
        dx, dy, dz = px[j] - xi, py[j] - yi, pz[j] - zi
        square = dx * dx + dy * dy + dz * dz
        if square < _ONE:
            distance = math.sqrt(square) + _TINY
            share = _HALF * (_ONE - distance) / distance
            push[0, i] -= share * dx
            push[1, i] -= share * dy
            push[2, i] -= share * dz
            push[0, j] += share * dx
            push[1, j] += share * dy
            push[2, j] += share * dz
            found += 1
    return found


@compiled
def solve_rods(off: Any, right: Any, ahead: Any, factor: Any, out: Any) -> None:
    """Solve the symmetric tridiagonal system with 2 on the diagonal and ``off`` (n − 1,) beside it.

    Rows are eliminated from both ends towards the middle, by two chains of divisions that do not wait for each other.
    ``right`` (n,) is the right-hand side, ``out`` (n,) the solution; ``ahead`` and ``factor`` (n,) are work space.
    """
    n = len(right)
    middle = n // 2
    both = n - 1 - middle  # rows behind the middle; before it there are as many, or one more
    g = G = off_g = off_G = right[0] * 0
    inverse = INVERSE = off_g  # capitals: from the end
    for k in range(both):
        i = n - 1 - k
        inverse, INVERSE = _ONE / (_TWO - off_g * off_g * inverse), _ONE / (_TWO - off_G * off_G * INVERSE)
        g, G = (right[k] - off_g * g) * inverse, (right[i] - off_G * G) * INVERSE
        off_g, off_G = off[k], off[i - 1]
        ahead[k], ahead[i] = g, G
        factor[k], factor[i] = off_g * inverse, off_G * INVERSE
    for k in range(both, middle):
        inverse = _ONE / (_TWO - off_g * off_g * inverse)
        g = (right[k] - off_g * g) * inverse
        off_g = off[k]
        ahead[k], factor[k] = g, off_g * inverse
    g = (right[middle] - off_g * g - off_G * G) / (_TWO - off_g * off_g * inverse - off_G * off_G * INVERSE)
    out[middle] = G = g
    for k in range(1, both + 1):
        g = ahead[middle - k] - factor[middle - k] * g
        G = ahead[middle + k] - factor[middle + k] * G
        out[middle - k], out[middle + k] = g, G
    if middle > both:
        out[0] = ahead[0] - factor[0] * g


@compiled
def project_rods(x: Any, N: int, rods: Any, space: Any) -> int:
    """Move the beads along their rods, by Newton's method, until every rod has length 1.

    An iteration takes the unit vectors u_i along the rods as they are then, of lengths l_i, solves
    2 λ_i − (u_i·u_{i−1}) λ_{i−1} − (u_i·u_{i+1}) λ_{i+1} = l_i − 1 and moves bead i by λ_i u_i − λ_{i−1} u_{i−1}.
    With the directions of the step's start (SHAKE) there is often no solution after moves as long as here.

    Parameters
    ----------
    x : array
        Positions ``(3, ≥ N)``, changed; their mean stays.
    N : int
        Beads.
    rods : array
        Work space for the rods, ``(3, N − 1)``.
    space : array
        Work space for the linear system, ``(6, N − 1)``.

    Returns
    -------
    int
        The number of iterations, or −1 if :data:`MOST_ITERATIONS` did not suffice.
    """
    n = N - 1
    error, scale, off, ahead, factor, force = space[0], space[1], space[2, : n - 1], space[3], space[4], space[5]
    dx, dy, dz = rods[0], rods[1], rods[2]
    for iteration in range(MOST_ITERATIONS):
        if _measure_rods(x, rods, error, scale) == 0:
            return iteration
        for k in range(3):
            rod = rods[k]
            for i in range(n):
                rod[i] *= scale[i]
        for i in range(n - 1):
            off[i] = -(dx[i] * dx[i + 1] + dy[i] * dy[i + 1] + dz[i] * dz[i + 1])
        solve_rods(off, error, ahead, factor, force)
        for k in range(3):
            place, rod = x[k], rods[k]
            for i in range(n):
                rod[i] *= force[i]
            for i in range(n):
                place[i] += rod[i]
            for i in range(n):
                place[i + 1] -= rod[i]
    return -1


@compiled
def _measure_rods(x: Any, rods: Any, error: Any, scale: Any) -> int:
    """Write the rods (3, n), their lengths less 1 and one over their lengths (n,), and count the wrong ones."""
    dx, dy, dz = rods[0], rods[1], rods[2]
    for k in range(3):
        place, rod = x[k], rods[k]
        for i in range(len(error)):
            rod[i] = place[i + 1] - place[i]
    for i in range(len(error)):
        length = math.sqrt(dx[i] * dx[i] + dy[i] * dy[i] + dz[i] * dz[i])
        error[i], scale[i] = length - _ONE, _ONE / length
    wrong = 0
    for i in range(len(error)):
        wrong += 0 if abs(error[i]) <= ROD_TOLERANCE else 1  # NaN is wrong, too
    return wrong


@compiled
def brownian_frames(
    start: Any, rate: Any, noise: Any, time_step: Any, stride: int, repel: bool, keys: Any, until: Any, frames: Any
) -> Any:
    """Simulate a chain in planar elongational flow, and write every ``stride``-th state to ``frames``.

    A step is x ← x + Δt ε̇ (x, −y, 0) + noise · √(2 Δt) ξ for each bead; then overlaps are removed once, and then the
    rods get their lengths back. The mean of the beads is moved to the origin at every frame, because the flow carries
    it away and it changes nothing else.

    Parameters
    ----------
    start : array
        Beads ``(N, 3)``, in the dtype of the computation.
    rate, noise, time_step : float
        Rate of the flow ε̇; the square root of kT; step Δt.
    stride : int
        Steps from one frame to the next.
    repel : bool
        Whether overlaps are removed.
    keys : array
        Keys of the stream of random numbers, ``(2,)`` uint64.
    until : float
        The extension at which the simulation stops, after the first frame that has it; infinity for never.
    frames : array
        Space for the frames, ``(T, N, 3)`` float32, which are written.

    Returns
    -------
    int
        The number of frames that were written, the last with the extension ``until``; T if it was not reached. A
        negative number means that the rods could not be kept after that many frames.
    array
        The mean of the beads that was taken off at each frame, ``(T, 3)``.
    """
    N, T = len(start), len(frames)
    P = (N + TILE - 1) // TILE * TILE
    x, push = np.empty((3, P + 2 + TILE), start.dtype), np.empty((3, P + 2 + TILE), start.dtype)
    x[:] = 1e9  # beyond the chain's end nothing overlaps
    x[:, :N] = start.T
    low, high = np.empty((3, P // TILE), start.dtype), np.empty((3, P // TILE), start.dtype)
    near = np.empty(N, np.int32)
    rods, space = np.empty((3, N - 1), start.dtype), np.empty((6, N - 1), start.dtype)
    bits, xi = np.empty(3 * P // 2, np.uint64), np.empty(3 * P, np.float32)
    halves, words = bits.view(np.uint32), np.uint64(0)
    grow = (_F(1 + rate * time_step), _F(1 - rate * time_step), _ONE)
    size = _F(noise * math.sqrt(2 * time_step))
    means = np.zeros((T, 3))
    for t in range(T):
        for _ in range(stride if t > 0 else 0):
            counted_bits(keys, words, bits)
            normals(halves, xi)
            words += _W(len(bits))
            for k in range(3):
                place, kick, factor = x[k], xi[k * P : k * P + N], grow[k]
                for i in range(N):
                    place[i] = factor * place[i] + size * kick[i]
            if repel:
                remove_overlaps(x, N, low, high, near, push)
            if project_rods(x, N, rods, space) < 0:
                return -t, means
        for k in range(3):
            mean = 0.0
            for i in range(N):
                mean += x[k, i]
            means[t, k] = mean / N
            for i in range(N):
                x[k, i] -= means[t, k]
                frames[t, i, k] = x[k, i]
        if frames[t, :, 0].max() - frames[t, :, 0].min() >= until:
            return t + 1, means
    return T, means
