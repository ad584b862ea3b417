"""Two species that repel each other come apart in a periodic box, simulated by LAMMPS with Langevin noise."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from pydantic import Field

from setclosure.exam.observables import like_share_of
from setclosure.exam.simulator import ExamSimulator
from setclosure.registry import register
from setclosure.sets.features import Features
from setclosure.simulate.lammps_library import Lammps
from setclosure.trajectories.layout import Array, Layout, Trajectory

MOST_SEED = 900_000_000
"""The number below which the random numbers of LAMMPS take seeds."""

JITTER = 0.15
"""Particles start so far from the sites of a lattice at most, in σ."""

NOISE = 0.3
"""The standard deviation of the noise that is added to the waves by which species are drawn."""


@register("simulator", "phase_separation")
class PhaseSeparation(ExamSimulator):
    """A Lennard-Jones mixture in the plane whose unlike pairs attract each other less.

    Particles start on a jittered square lattice with vacancies. The species is A where cos(k_x x + φ) cos(k_y y + φ')
    plus noise lies above a random quantile. After a short minimisation the particles move by Langevin dynamics. The
    observable is the share of like neighbours within 1.5 σ.

    Examples
    --------
    >>> PhaseSeparation(n_frames=5).layout.max_frames
    5
    """

    in_threads: ClassVar[bool] = False

    n_particles: int = Field(320, ge=4, description="Particles, N.")
    side: float = Field(22.0, gt=0, description="Side of the periodic box, in σ.")
    unlike: float = Field(0.3, gt=0, description="ε of unlike pairs; that of like pairs is 1.")
    cutoff: float = Field(2.5, gt=0, description="Cut-off of the potential, in σ.")
    temperature: float = Field(0.6, gt=0, description="Temperature, in ε.")
    damping: float = Field(1.0, gt=0, description="Damping time of the Langevin thermostat.")
    time_step: float = Field(0.005, gt=0, description="Time step.")
    frame_stride: int = Field(200, ge=1, description="Steps between two frames.")
    n_frames: int = Field(41, ge=2, description="Frames.")
    most_waves: int = Field(4, ge=0, description="Wave numbers of the start are drawn from 0 to this number.")
    stripes: int = Field(0, ge=0, description="Wave number of stripes along x; 0 for waves along both directions.")
    radius: float = Field(1.5, gt=0, description="Radius within which neighbours count for the observable.")

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        return Layout(
            "phase separation",
            Features(2),
            self.n_frames,
            self.n_particles,
            f"like_share(radius={self.radius:g})",
            ("share of like neighbours",),
            units="σ, ε",
            time_unit="τ",
            species_names=("A", "B"),
            has_cell=True,
        )

    def start(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw places ``(N, 2)`` and species ``(N,)``."""
        sites = math.ceil(math.sqrt(self.n_particles)) if self.n_particles else 0
        grid = np.stack(np.meshgrid(np.arange(sites), np.arange(sites)), axis=-1).reshape(-1, 2) + 0.5
        places = grid[rng.permutation(len(grid))[: self.n_particles]] * (self.side / sites)
        places = (places + rng.uniform(-JITTER, JITTER, places.shape)) % self.side
        waves = (self.stripes, 0) if self.stripes else rng.integers(0, self.most_waves + 1, 2)
        phases = rng.uniform(0, 2 * np.pi, 2) * (np.array(waves) > 0)
        height = np.cos(2 * np.pi * places / self.side * waves + phases).prod(axis=1)
        height += NOISE * rng.normal(size=self.n_particles)
        return places, (height > np.quantile(height, rng.uniform(0.4, 0.6))).astype(np.int64)

    def follow(self, start: tuple[Array, Array], rng: np.random.Generator) -> Trajectory:
        """Give the trajectory from a start, with velocities and thermostat from ``rng``.

        Raises
        ------
        SimulationError
            If LAMMPS stops with an error.
        """
        places, species = start
        points = np.empty((self.n_frames, self.n_particles, 2))
        with Lammps() as lammps:
            lammps.commands(*self._box())
            lammps.create_atoms(places)
            lammps.commands(*self._fluid(np.flatnonzero(species), rng))
            for t in range(self.n_frames):
                if t:
                    lammps.run(self.frame_stride)
                points[t] = lammps.atoms("x")[:, :2] % self.side
        points[points >= self.side] = 0.0  # the remainder of a tiny negative number is rounded up
        cell = self.side * np.eye(2)
        kinds = np.broadcast_to(species, points.shape[:2])
        share = like_share_of(points, kinds, self.radius, np.broadcast_to(cell, (self.n_frames, 2, 2)))
        times = np.arange(self.n_frames) * self.frame_stride * self.time_step
        return Trajectory(points, share[:, None], times, species=species, cell=cell)

    def _box(self) -> list[str]:
        return [
            "units lj",
            "dimension 2",
            "atom_style atomic",
            "atom_modify map array",
            "boundary p p p",
            f"region box block 0 {self.side} 0 {self.side} -0.1 0.1 units box",
            "create_box 2 box",
            "mass * 1.0",
        ]

    def _fluid(self, of_second: Array, rng: np.random.Generator) -> list[str]:
        seeds = rng.integers(1, MOST_SEED, 2)
        return [
            f"group second id {' '.join(str(i + 1) for i in of_second)}",
            "set group second type 2",
            "suffix opt",
            f"pair_style lj/cut {self.cutoff}",
            "pair_coeff * * 1.0 1.0",
            f"pair_coeff 1 2 {self.unlike} 1.0",
            "minimize 1e-4 1e-4 50 100",
            f"velocity all create {self.temperature} {seeds[0]} dist gaussian",
            "fix plane all enforce2d",
            "fix move all nve",
            f"fix bath all langevin {self.temperature} {self.temperature} {self.damping} {seeds[1]}",
            f"timestep {self.time_step}",
            "thermo 0",
            "run 0 post no",
        ]
