"""Numba kernels make pivot moves, a Monte Carlo of a chain of touching beads at equilibrium.

They release the interpreter's lock, so that threads run them side by side. Lengths are in bead diameters.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from setclosure.compiled import compiled


@compiled
def pivot(points: Any, joints: Any, quaternions: Any, repel: bool, moved: Any) -> int:
    """Make pivot moves of a chain, which turn its shorter end about a bead and are kept if no two beads overlap.

    The rod in the middle never turns.

    Parameters
    ----------
    points : array
        Beads ``(N, 3)``, changed; neighbours are 1 apart.
    joints : array
        Beads that the moves turn about, ``(n,)``, in 1 … N − 2.
    quaternions : array
        The rotations, ``(n, 4)``, as quaternions of any length.
    repel : bool
        Whether beads i and j with j > i + 1 must be at least 1 apart.
    moved : array
        Work space, ``(N, 3)``.

    Returns
    -------
    int
        The number of moves that were kept.
    """
    N, kept = len(points), 0
    turn = np.empty((3, 3))
    for n in range(len(joints)):
        joint = joints[n]
        step = 1 if joint >= N // 2 else -1  # the end that moves
        last = N if step == 1 else -1
        rotation(quaternions[n], turn)
        for i in range(joint + step, last, step):
            for k in range(3):
                moved[i, k] = points[joint, k]
                for m in range(3):
                    moved[i, k] += turn[k, m] * (points[i, m] - points[joint, m])
        if not (repel and _meets(points, moved, joint, step, last)):
            for i in range(joint + step, last, step):
                points[i] = moved[i]
            kept += 1
    return kept


@compiled
def rotation(q: Any, turn: Any) -> None:
    """Write the rotation matrix of a quaternion of any length to ``turn`` (3, 3)."""
    s = 2 / (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    for k in range(3):
        a, b, c = q[1 + k], q[1 + (k + 1) % 3], q[1 + (k + 2) % 3]
        turn[k, k] = 1 - s * (b * b + c * c)
        turn[k, (k + 1) % 3] = s * (a * b - c * q[0])
        turn[k, (k + 2) % 3] = s * (a * c + b * q[0])


@compiled
def _meets(points: Any, moved: Any, joint: int, step: int, last: int) -> bool:
    """Tell whether a bead that moved is less than 1 from one that did not, other than its neighbour.

    The search goes outwards from the joint, where overlaps are likely. As rods have length 1, after a distance r no
    bead fewer than r − 1 rods further on can be too close.
    """
    other = 0 if step == 1 else len(points) - 1
    for i in range(joint + step, last, step):
        j = joint - step if i == joint + step else joint
        while (j - other) * step >= 0:
            dx, dy, dz = moved[i, 0] - points[j, 0], moved[i, 1] - points[j, 1], moved[i, 2] - points[j, 2]
            distance = math.sqrt(dx * dx + dy * dy + dz * dz)
            if distance < 1 - 1e-9:
                return True
            j -= step * max(1, math.ceil(distance - 1 - 1e-9))
    return False
