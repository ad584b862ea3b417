"""Two species of Lennard-Jones particles mix, simulated by LAMMPS (Sec. 4.3, A.4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from setclosure.errors import SimulationError
from setclosure.observables.mixing_ratio import mixing_ratio_of_points
from setclosure.registry import register
from setclosure.sets.features import Features
from setclosure.simulate.lammps_library import Lammps
from setclosure.simulate.simulator import SimulatorConfig
from setclosure.trajectories.layout import Array, Layout, Trajectory

MOST_SEED = 2**31 - 1
"""The number below which LAMMPS takes seeds."""

LEAST_DISTANCE = 0.9
"""The least distance of particles at random places, in σ."""

MOST_TRIES = 1000
"""The number of tries for each particle after which random places are given up, because the box is too full."""


@register("simulator", "lennard_jones")
class LennardJones(SimulatorConfig):
    """A two-dimensional Lennard-Jones fluid between reflecting walls, in which two species mix.

    The fluid is relaxed as one species without a thermostat. Then the particles left of a boundary become species A,
    those right of it B, with coefficients of their own, and a thermostat (Nosé–Hoover) keeps the temperature. The
    relabelled microstate is the first frame. The observable is the mixing ratio (R_AB, R_BA).

    Under ``released`` particles start on a square lattice; under ``paper-text``, as Sec. 4.3 says, at random places
    (no two closer than :data:`LEAST_DISTANCE`). The paper gives one pair potential and no coefficients; both presets
    have those of the authors' release.

    Examples
    --------
    >>> system = LennardJones(rows=4, width=8.0, height=6.0, boundaries=((3.0, 5.0),), n_frames=3)
    >>> system.n_particles
    24
    """

    in_threads: ClassVar[bool] = False

    preset: Literal["released", "paper-text"] = Field(
        "released", description="Start of the relaxation. released: a square lattice; paper-text: random places."
    )
    rows: int = Field(23, ge=2, description="Rows of the lattice; with the columns that fit they give N.")
    width: float = Field(32.0, gt=0, description="Width of the box.")
    height: float = Field(32.0, gt=0, description="Height of the box.")
    density: float = Field(0.5, gt=0, le=0.8, description="Particles per area of the lattice.")
    boundaries: tuple[tuple[float, float], ...] = Field(
        ((10.0, 22.0),), min_length=1, description="Intervals of x in which the boundary of the species is uniform."
    )
    epsilon: tuple[float, float, float] = Field((0.5, 0.7, 0.6), description="Depths ε of AA, AB, BB.")
    sigma: tuple[float, float, float] = Field((1.0, 0.9, 0.9), description="Lengths σ of AA, AB, BB.")
    cutoff: float = Field(2.5, gt=0, description="Cut-off of the potential.")
    neighbour_radius: float = Field(2.5, gt=0, description="Cut-off of the mixing ratio.")
    temperature: float = Field(1.0, gt=0, description="Temperature of the velocities and of the thermostat.")
    damping: float = Field(0.1, gt=0, description="Time scale of the thermostat.")
    time_step: float = Field(0.002, gt=0, le=0.1, description="Step of the integrator, Δt.")
    relaxation_steps: int = Field(3000, ge=1, description="Steps before the relabelling, at constant energy.")
    frame_stride: int = Field(200, ge=1, description="Steps from one frame to the next.")
    n_frames: int = Field(501, ge=2, description="Frames of a trajectory, T, the relabelled start included.")

    @model_validator(mode="after")
    def _fits(self) -> LennardJones:
        if self.columns < 2 or (self.rows - 1) * self.spacing >= self.height:
            raise ValueError(
                f"{self.rows} rows {self.spacing:.3f} apart do not fit into height {self.height:g}, or fewer than 2 "
                f"columns into width {self.width:g}"
            )
        if not all(0 < low <= high < self.width for low, high in self.boundaries):
            raise ValueError(f"boundaries {self.boundaries} must be intervals inside 0 … {self.width:g}")
        return self

    @property
    def spacing(self) -> float:
        """The distance of neighbours on the lattice."""
        return float(self.density**-0.5)

    @property
    def columns(self) -> int:
        """The number of columns of the lattice that fit into the width."""
        return int(np.ceil(self.width / self.spacing))

    @property
    def n_particles(self) -> int:
        """The number of particles, N."""
        return self.rows * self.columns

    @property
    def layout(self) -> Layout:
        """The facts that all trajectories have in common."""
        return Layout(
            name="Lennard-Jones mixture",
            features=Features(2),
            max_frames=self.n_frames,
            max_particles=self.n_particles,
            observable=f"mixing_ratio(radius={self.neighbour_radius!r})",
            observable_names=("R_AB", "R_BA"),
            units="reduced Lennard-Jones units: σ, ε and m of a particle are one",
            species_names=("A", "B"),
            bounds=((0.0, self.width), (0.0, self.height)),
        )

    def simulate(self, rng: np.random.Generator) -> Trajectory:
        """Simulate one trajectory, with points ``(T, N, 2)``, observables ``(T, 2)`` and species ``(N,)``.

        Raises
        ------
        SimulationError
            If LAMMPS stops with an error, one side of the boundary is empty, or there is no room for all particles.
        MissingExtraError
            If LAMMPS is not installed.
        """
        with self.relabelled(rng) as (lammps, species):
            points = np.empty((self.n_frames, self.n_particles, 2))
            points[0] = lammps.atoms("x")[:, :2]
            for t in range(1, self.n_frames):
                lammps.run(self.frame_stride)
                points[t] = lammps.atoms("x")[:, :2]
        observables = mixing_ratio_of_points(points, species, self.neighbour_radius)
        times = np.arange(self.n_frames) * (self.frame_stride * self.time_step)
        return Trajectory(points, observables, times, species=species)

    @contextmanager
    def relabelled(self, rng: np.random.Generator) -> Iterator[tuple[Lammps, Array]]:
        """Give the fluid at its first frame, ready to run, and the species of its particles ``(N,)``, 0 for A.

        Raises
        ------
        SimulationError
            If LAMMPS stops with an error, or one side of the boundary is empty.
        """
        velocity_seed = int(rng.integers(1, MOST_SEED))
        low, high = self.boundaries[int(rng.integers(len(self.boundaries)))]
        boundary = rng.uniform(low, high)
        with Lammps() as lammps:
            lammps.commands(*self._box())
            lammps.create_atoms(self._start(rng))
            lammps.commands(*self._fluid(velocity_seed), f"run {self.relaxation_steps} post no")
            species = (lammps.atoms("x")[:, 0] >= boundary).astype(np.uint8)
            if len(np.unique(species)) < 2:
                raise SimulationError(f"no particle is on one side of the boundary at x = {boundary:g}.")
            lammps.commands(
                "unfix move",
                f"group right id {' '.join(str(i + 1) for i in np.flatnonzero(species))}",
                "set group right type 2",
                f"fix move all nvt temp {self.temperature} {self.temperature} {self.damping}",
                "run 0 post no",
            )
            yield lammps, species

    def _start(self, rng: np.random.Generator) -> Array:
        """Give the places of the particles before the relaxation, ``(N, 2)``."""
        if self.preset == "released":
            column, row = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
            return np.stack([column.ravel(), row.ravel()], axis=1) * self.spacing
        places = np.empty((self.n_particles, 2))
        there = tries = 0
        while there < self.n_particles:  # one after another, where there is room
            place = rng.uniform((0.0, 0.0), (self.width, self.height))
            tries += 1
            if (np.square(places[:there] - place).sum(axis=1) > LEAST_DISTANCE**2).all():
                places[there] = place
                there += 1
            elif tries > MOST_TRIES * self.n_particles:
                raise SimulationError(
                    f"there is no room for {self.n_particles} particles at random places. Use fewer rows."
                )
        return places

    def _box(self) -> list[str]:
        return [
            "units lj",
            "dimension 2",
            "atom_style atomic",
            "atom_modify map array",
            "boundary f f p",
            f"region box block 0 {self.width} 0 {self.height} -0.1 0.1 units box",
            "create_box 2 box",
            "mass * 1.0",
        ]

    def _fluid(self, velocity_seed: int) -> list[str]:
        """List the commands that make the placed particles a fluid of one species at constant energy."""
        pairs = zip(("1 1", "1 2", "2 2"), self.epsilon, self.sigma, strict=True)
        return [
            "suffix opt",  # takes the optimised pair style where LAMMPS has it, with which a step takes 6 % less time
            f"pair_style lj/cut {self.cutoff}",
            *(f"pair_coeff {pair} {epsilon} {sigma}" for pair, epsilon, sigma in pairs),
            f"velocity all create {self.temperature} {velocity_seed} dist gaussian",
            "fix walls all wall/reflect xlo EDGE xhi EDGE ylo EDGE yhi EDGE",
            "fix plane all enforce2d",
            "fix move all nve",
            f"timestep {self.time_step}",
            "thermo 0",
        ]
