"""A polymer unravels in planar elongational flow, as touching beads on rigid rods (Sec. 4.4, A.5)."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from setclosure.errors import SimulationError
from setclosure.paper.images.trajectories import bead_layout
from setclosure.paper.simulators.pivot_kernels import pivot, rotation
from setclosure.paper.simulators.polymer_kernels import brownian_frames
from setclosure.processes import available_cores
from setclosure.registry import register
from setclosure.seeds import numpy_stream
from setclosure.simulate.simulator import SimulatorConfig
from setclosure.trajectories.layout import Array, Layout, Trajectory

MOVES_PER_BEAD = 20
"""The number of pivot moves for each bead by which a straight chain becomes a coil.

About half of the moves are kept, and a few moves change the size of the whole chain."""

NARROW_SHARE = 0.1
"""The share of the candidates that is narrower than the medium start."""

FOLDED_SHARE = 0.08
"""The share of the candidates, the most folded ones, that is stretched to find the slow start."""

FOLDED_EXTENSION = 0.25
"""The extension of the slow start, as a share of the chain's length."""

FOLDED_FRAMES = 1001
"""The number of frames, those of a trajectory, in which a candidate must reach :data:`FOLDED_EXTENSION`."""

_ONE_AT_A_TIME = threading.Lock()
"""A lock at which threads that need the same fixed start wait for the one that computes it."""


@register("simulator", "polymer")
class Polymer(SimulatorConfig):
    """A free-draining chain of N beads in the flow u = ε̇ (x, −y, 0).

    Rods of length l join the beads, whose diameter is l, too; l, kT and the friction ζ of a bead are one. Each bead
    moves by dx = u(x) dt + √(2 kT/ζ) dW. Beads that are not neighbours and overlap are moved apart, each by half of
    the overlap. Then the rods get their lengths back by Newton's method, with the directions of each iteration. Frames
    have their centre of mass at the origin. The observable is the extension, the largest minus the smallest x.

    In the limit of small steps the directions along which rods get their lengths back decide the equilibrium of the
    chain. The directions of the moved beads, used here, weigh a conformation by det(J Jᵀ)^−½, where J has the gradients
    of the rods' lengths. This favours straight joints a little where overlaps forbid a joint to fold back. Moves normal
    to the constraints would weigh it by det(J Jᵀ)^½, and give a steady extension 3 % shorter than that of the published
    data. Equilibrium coils are drawn without this weight, which raises the mean cosine of a single joint from 0.25 to
    0.263, and so makes a coil some 1.5 % larger.

    ``start`` says how trajectories begin. With ``coil`` each trajectory has its own equilibrium coil, on which the flow
    has acted for ``lead_frames``. Each of the other three is one conformation for all trajectories, which follows
    from the configuration alone. With the size of the slowest mode along the flow,
    a = (1/N) abs Σ_i x_i cos(π (i − ½)/N), ``n_candidates`` coils are drawn from ``start_seed``, and

    - ``fast`` is the coil with the largest a;
    - ``medium`` is the coil with a tenth of the coils narrower than it, in x;
    - ``slow`` is folded. The 8 % with the smallest a for their width are simulated until the first frame with an
      extension of a quarter of the chain's length, and the frame with the smallest a for its extension is taken. The
      flow pulls out the slowest mode, and a chain in which it is small stays folded for long.

    Warning
    -------
    Rods keep their lengths to 1e-4, but some beads overlap. In a coil of 100 beads, with Δt = 0.02, two pairs are
    closer than 0.8 at any time, and now and then a chain can pass through itself. With Δt = 0.01 one frame in five has
    such a pair, and none is closer than 0.6. The steady extension at N = 300 is 247.3 ± 3.7 and 246.2 ± 3.7 (published:
    246.6 to 247.2 ± 3.5). Over whole trajectories from coils at rest the extension has mean 189 ± 3 and standard
    deviation 83; over the published ones for training 208 and 70. So the first frames of the latter are not coils at
    rest. With the default lead the two are 206 ± 3 and 70 (64 chains each), and first frames are 50 ± 20 wide, like
    those of the published tests (20, 55 and 74).

    At N = 300 the slow start takes about 40 s on one core, once in a process; the other two take a quarter of that.

    Examples
    --------
    >>> import numpy as np
    >>> system = Polymer(n_beads=20, n_frames=5)
    >>> system.simulate(np.random.default_rng(0)).points.shape
    (5, 20, 3)
    """

    in_threads: ClassVar[bool] = True

    n_beads: int = Field(300, ge=2, description="Beads, N.")
    extension_rate: float = Field(1.05e-3, ge=0, le=1, description="Rate of the flow, ε̇.")
    excluded_volume: bool = Field(True, description="Whether beads keep each other out; without, the chain is ideal.")
    time_step: float = Field(0.02, gt=0, le=0.05, description="Step of the integrator, Δt.")
    frame_interval: float = Field(10.0, gt=0, description="Time from one frame to the next, a multiple of Δt.")
    n_frames: int = Field(1001, ge=2, description="Frames of a trajectory, T, the start included.")
    start: Literal["coil", "fast", "medium", "slow"] = Field(
        "coil",
        description="First frame. coil: a new equilibrium coil for each trajectory; fast, medium, slow: one "
        "conformation for all of them, chosen by how fast it unravels.",
    )
    lead_frames: int = Field(85, ge=0, description="Frames of flow before the first one; for start coil alone.")
    start_seed: int = Field(0, ge=0, description="Seed of the candidates for a start that all trajectories share.")
    n_candidates: int = Field(200, ge=10, description="Coils from which a start that all trajectories share is chosen.")

    @model_validator(mode="after")
    def _frames_are_whole_steps(self) -> Polymer:
        if self.stride < 1 or abs(self.stride * self.time_step / self.frame_interval - 1) > 1e-9:
            raise ValueError(
                f"frame_interval {self.frame_interval:g} is not a multiple of time_step {self.time_step:g}"
            )
        self.require_start(self.start)
        return self

    def require_start(self, start: str) -> None:
        """Refuse a start that this chain cannot have.

        Raises
        ------
        ValueError
            If the chain is too short for the start, or there is no flow to stretch it.
        """
        if start != "coil" and self.n_beads < 10:
            raise ValueError(f"start '{start}' needs a chain of at least 10 beads to choose from; use 'coil'")
        if start == "slow" and self.extension_rate == 0:
            raise ValueError("start 'slow' is a chain that a flow has begun to stretch, but extension_rate is 0")

    @property
    def stride(self) -> int:
        """The number of steps from one frame to the next."""
        return round(self.frame_interval / self.time_step)

    @property
    def times(self) -> Array:
        """The times of the frames, ``(T,)``."""
        return np.asarray(np.arange(self.n_frames) * self.frame_interval)

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        units = "lengths in diameters of a bead, times in that squared times its friction over kT"
        return bead_layout("polymer in elongational flow", self.n_frames, self.n_beads, units)

    def initial(self, rng: np.random.Generator) -> Array:
        """Draw the first frame of a trajectory, ``(N, 3)``, with its centre of mass at the origin.

        Raises
        ------
        SimulationError
            If the rods could not be kept, or no candidate becomes a slow start.
        """
        if self.start == "coil":
            coil = self.coil(rng)
            return self.run(coil, rng, self.lead_frames + 1)[-1] if self.lead_frames else coil
        with _ONE_AT_A_TIME:
            # the start does not depend on these two fields, so that systems that differ in them share it
            fixed: Array = _fixed_start(self.model_copy(update={"n_frames": 2, "lead_frames": 0}))
        return fixed

    def coil(self, rng: np.random.Generator) -> Array:
        """Draw an equilibrium coil without flow, ``(N, 3)``, by pivot Monte Carlo from a straight chain."""
        points = np.zeros((self.n_beads, 3))
        points[:, 0] = np.arange(self.n_beads)
        if self.n_beads > 2:
            moves = MOVES_PER_BEAD * self.n_beads
            joints = rng.integers(1, self.n_beads - 1, moves)
            pivot(points, joints, rng.standard_normal((moves, 4)), self.excluded_volume, np.empty_like(points))
        turn = np.empty((3, 3))
        rotation(rng.standard_normal(4), turn)
        points = points @ turn.T
        return np.asarray(points - points.mean(axis=0))

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory, with points ``(T, N, 3)`` float32 and observables ``(T, 1)``.

        Raises
        ------
        SimulationError
            If the rods could not be kept, or no candidate becomes a slow start.
        """
        points = self.run(self.initial(rng), rng, self.n_frames)
        return Trajectory(points, extension(points)[:, None], self.times)

    def run(self, start: Array, rng: np.random.Generator, n_frames: int, until: float = np.inf) -> Array:
        """Simulate frames ``(T, N, 3)`` float32 from a conformation, which is the first of them.

        Parameters
        ----------
        start : array
            The conformation, ``(N, 3)``.
        rng : numpy.random.Generator
            Source of the noise.
        n_frames : int
            The number of frames, T.
        until : float
            The extension at which the simulation stops; the frame that has it is the last.

        Raises
        ------
        SimulationError
            If the rods could not be kept at their length.
        """
        keys = rng.integers(0, 2**64, 2, dtype=np.uint64)
        frames = np.empty((n_frames, self.n_beads, 3), np.float32)
        start = np.ascontiguousarray(start, dtype=np.float32)
        done, _ = brownian_frames(
            start, self.extension_rate, 1.0, self.time_step, self.stride, self.excluded_volume, keys, until, frames
        )
        if done <= 0:
            raise SimulationError(
                f"the rods could not be kept at their length after frame {-done}. Use a smaller time_step than "
                f"{self.time_step:g}."
            )
        return frames[:done]


@functools.cache
def _fixed_start(system: Polymer) -> Array:
    """Find the conformation ``(N, 3)`` of a fixed start, as :class:`Polymer` describes it."""
    seed, n = system.start_seed, system.n_candidates

    def coil(k: int) -> Array:
        return system.coil(numpy_stream(seed, "candidate", k))

    def stretched(k: int) -> Array:
        length = system.n_beads - 1
        stream = numpy_stream(seed, "stretched", k)
        return np.asarray(system.run(coils[k], stream, FOLDED_FRAMES, FOLDED_EXTENSION * length)[-1])

    with ThreadPoolExecutor(available_cores()) as pool:
        coils = np.stack(list(pool.map(coil, range(n))))  # (candidates, N, 3)
        mode, width = slowest_mode(coils), extension(coils)
        if system.start == "fast":
            return np.asarray(coils[np.argmax(mode)])
        if system.start == "medium":
            return np.asarray(coils[np.argsort(width)[int(NARROW_SHARE * n)]])
        folded = np.argsort(mode / width)[: max(1, round(FOLDED_SHARE * n))]
        frames = np.stack(list(pool.map(stretched, folded.tolist())))
    there = extension(frames) >= FOLDED_EXTENSION * (system.n_beads - 1)
    if not there.any():
        raise SimulationError(
            f"none of {len(frames)} folded candidates reached an extension of {FOLDED_EXTENSION:g} of its length in "
            f"{FOLDED_FRAMES} frames, so there is no slow start. Use a larger extension_rate."
        )
    return np.asarray(frames[np.argmin(np.where(there, slowest_mode(frames) / extension(frames), np.inf))])


def extension(points: Array) -> Array:
    """Give the largest minus the smallest x of conformations ``(*, N, 3)``, ``(*)`` float64.

    Examples
    --------
    >>> extension(np.array([[0.0, 5.0, 0.0], [3.0, 1.0, 0.0]])).item()
    3.0
    """
    x = points[..., 0]
    return np.asarray(x.max(axis=-1) - x.min(axis=-1), dtype=np.float64)


def slowest_mode(points: Array) -> Array:
    """Give the size of the slowest mode along x of conformations ``(*, N, 3)``, ``(*)``.

    It is a = (1/N) abs Σ_i x_i cos(π (i − ½)/N).
    """
    N = points.shape[-2]
    return np.asarray(np.abs(points[..., 0] @ np.cos(np.pi * (np.arange(N) + 0.5) / N)) / N)
