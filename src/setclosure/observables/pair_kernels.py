"""Numba kernels compute the pair force tanh(a(1 − r)) + b and its potential, in single precision.

``math.tanh`` and ``math.log`` keep a loop from being vectorised and cost ten times more than everything else. So
both functions are rational approximations here, fitted on ``|u| ≤ 9``, beyond which they are constant or linear to
single precision. The kernels release the interpreter's lock, so that threads run them side by side.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from setclosure.compiled import compiled

RANGE = np.float32(9.0)
"""The size of u beyond which tanh(u) = ±1 and ``log cosh(u) = |u| − log 2`` to single precision."""

TANH_ERROR = 5e-7
"""The largest absolute error of :func:`fast_tanh`."""

LOG_COSH_ERROR = 5e-6
"""The largest error of :func:`fast_log_cosh`, divided by max(1, log cosh u).

Most of it is rounding, and its mean over an interval is below 1e-7."""

# log cosh and tanh are smooth functions of u² (times u): numerators and denominators are polynomials in u²
_T = tuple(np.float32(c) for c in (0.9999999067, 0.1337323494, 3.48662435e-3, 2.047246286e-5, 1.318498192e-8))
_TQ = tuple(np.float32(c) for c in (1.0, 0.4670653191, 2.584214524e-2, 3.271451906e-4, 7.702998436e-7))
_L = tuple(
    np.float32(c) for c in (0.499998102, 0.2209211776, 2.564053976e-2, 8.596918685e-4, 6.681466801e-6, 5.30265226e-9)
)
_LQ = tuple(np.float32(c) for c in (1.0, 0.6084851197, 0.10829806, 6.168503009e-3, 9.813490822e-5, 2.856913225e-7))
_TINY = np.float32(1e-30)  # keeps r⁻¹ finite for a particle with itself; its force is then exactly zero
_ONE = np.float32(1.0)


@compiled
def fast_tanh(u: Any) -> Any:
    """Evaluate tanh(u) in single precision, to :data:`TANH_ERROR`."""
    u = min(max(u, -RANGE), RANGE)
    v = u * u
    p = _T[0] + v * (_T[1] + v * (_T[2] + v * (_T[3] + v * _T[4])))
    q = _TQ[0] + v * (_TQ[1] + v * (_TQ[2] + v * (_TQ[3] + v * _TQ[4])))
    return u * p / q


@compiled
def fast_log_cosh(u: Any) -> Any:
    """Evaluate log cosh(u) in single precision, to :data:`LOG_COSH_ERROR`.

    The result is linear beyond :data:`RANGE`, so it cannot overflow.
    """
    size = abs(u)
    c = min(size, RANGE)
    v = c * c
    p = _L[0] + v * (_L[1] + v * (_L[2] + v * (_L[3] + v * (_L[4] + v * _L[5]))))
    q = _LQ[0] + v * (_LQ[1] + v * (_LQ[2] + v * (_LQ[3] + v * (_LQ[4] + v * _LQ[5]))))
    return v * p / q + (size - c)


@compiled
def pair_forces(x: Any, y: Any, a: Any, b: Any, force_x: Any, force_y: Any) -> None:
    """Write the forces Σ_{j≠i} F(r_ij) (x_i − x_j)/r_ij in the plane to ``force_x`` and ``force_y`` (N,) (Sec. 4.2).

    Every ordered pair is computed. This takes twice the arithmetic of Newton's third law, but nothing is scattered.
    """
    N = len(x)
    for i in range(N):
        x_i, y_i = x[i], y[i]
        sum_x, sum_y = np.float32(0.0), np.float32(0.0)
        for j in range(N):
            dx, dy = x_i - x[j], y_i - y[j]
            square = dx * dx + dy * dy + _TINY
            inverse = _ONE / math.sqrt(square)
            strength = (fast_tanh(a * (_ONE - square * inverse)) + b) * inverse
            sum_x += strength * dx
            sum_y += strength * dy
        force_x[i], force_y[i] = sum_x, sum_y


@compiled
def euler_frames(start: Any, a: Any, b: Any, time_step: Any, stride: Any, frames: Any) -> None:
    """Integrate from ``start`` (N, 2) by forward Euler, and write every ``stride``-th state to ``frames`` (T, N, 2).

    Positions are accumulated in double precision, which costs nothing beside the forces. In single precision the
    smallest displacements near the steady state would round to zero.
    """
    T, N = frames.shape[0], frames.shape[1]
    px, py = start[:, 0].astype(np.float64), start[:, 1].astype(np.float64)
    x, y = px.astype(np.float32), py.astype(np.float32)
    force_x, force_y = np.empty(N, np.float32), np.empty(N, np.float32)
    h = time_step / N
    for t in range(T):
        if t > 0:
            for _ in range(stride):
                pair_forces(x, y, a, b, force_x, force_y)
                for i in range(N):
                    px[i] += h * force_x[i]
                    py[i] += h * force_y[i]
                    x[i], y[i] = np.float32(px[i]), np.float32(py[i])
        for i in range(N):
            frames[t, i, 0], frames[t, i, 1] = x[i], y[i]


@compiled
def pair_energies(points: Any, counts: Any, a: Any, b: Any, energies: Any) -> None:
    """Write the normalised pair energy (A.3) of each set to ``energies`` (B,).

    A set is the first ``counts`` (B,) particles of ``points`` (B, N, d). A set of one particle has no pair, and the
    energy zero.
    """
    B, N, d = points.shape
    columns = np.empty((d, N), np.float32)
    squares = np.empty(N, np.float32)
    for s in range(B):
        n = counts[s]
        for i in range(n):
            for k in range(d):
                columns[k, i] = points[s, i, k]
        total = 0.0
        for i in range(1, n):
            squares[:i] = 0.0
            for k in range(d):
                column = columns[k]
                x_i = column[i]
                for j in range(i):
                    squares[j] += (x_i - column[j]) * (x_i - column[j])
            row: Any = np.float32(0.0)
            for j in range(i):
                u = _ONE - math.sqrt(squares[j])
                row += fast_log_cosh(a * u) / a + b * u
            total += row
        energies[s] = total / (0.5 * n * (n - 1)) if n > 1 else 0.0


@compiled
def pair_energy_in_cell(points: Any, n: Any, a: Any, b: Any, cell: Any, inverse: Any, images: Any) -> Any:
    """Give the normalised pair energy (A.3) of the first ``n`` particles of ``points`` (N, d) in a periodic cell.

    Differences are moved by whole lattice vectors, the rows of ``cell`` (d, d), to fractions of at most a half, and
    then to the shortest of the given ``images`` (m, d) of them.
    """
    d = points.shape[1]
    total = 0.0
    difference = np.empty(d)
    for i in range(1, n):
        for j in range(i):
            for k in range(d):
                difference[k] = points[i, k] - points[j, k]
            for p in range(d):
                turns = 0.0
                for k in range(d):
                    turns += (points[i, k] - points[j, k]) * inverse[k, p]
                for k in range(d):
                    difference[k] -= np.rint(turns) * cell[p, k]
            shortest = np.inf
            for m in range(len(images)):
                square = 0.0
                for k in range(d):
                    square += (difference[k] + images[m, k]) ** 2
                shortest = min(shortest, square)
            u = 1.0 - math.sqrt(shortest)
            size = abs(a * u)
            total += (size + math.log1p(math.exp(-2.0 * size)) - math.log(2.0)) / a + b * u
    return total / (0.5 * n * (n - 1)) if n > 1 else 0.0
