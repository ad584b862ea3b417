"""Small files of simulation programs, written by the programs' own libraries."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from setclosure.simulate.lammps_library import Lammps

BOXES = {
    "cubic": ["dimension 3", "boundary p p p", "region box block 1 6 -2 3 0 5", "lattice fcc 0.6 origin 0.1 0.1 0.1"],
    "plane": ["dimension 2", "boundary p f p", "region box block -3 6 0 8 -0.5 0.5", "lattice sq 0.6 origin 0.3 0.3 0"],
    "tilted": ["dimension 3", "boundary p p p", "region box prism 0 5 0 5 0 5 1.5 -0.7 0.9", "lattice fcc 0.6"],
}
"""Boxes: a cubic one whose corner is not the origin, a plane with open walls, and a triclinic one."""

COLUMNS = {
    "x": "id type q x y z vx vy vz",
    "xs": "id type xs ys zs",
    "images": "id x y z type ix iy iz c_energy",
    "xu": "id type xu yu zu mass element",
    "xsu": "id type xsu ysu zsu",
}
"""Columns of the dumps that every run writes, by the name of the file."""

FRAMES, EVERY = 5, 100


def lammps_run(folder: Path, box: str) -> list[dict[str, np.ndarray]]:
    """Run LAMMPS with dumps, a log and a data file at the end; give what its library says at every frame."""
    size, boundary, region, lattice = BOXES[box]
    truth = []
    with Lammps() as lammps:
        lammps.commands(f"log {folder / 'log.lammps'}", "units lj", size, boundary, "atom_style charge")
        lammps.commands("atom_modify map array sort 7 1.0")  # so that the order of the particles changes
        lammps.commands(lattice, f"{region} units box")
        lammps.commands("create_box 2 box", "create_atoms 1 box", "set group all type/fraction 2 0.4 1234")
        lammps.commands("mass 1 1.0", "mass 2 3.0", "set type 1 charge 0.5", "set type 2 charge -0.25")
        lammps.commands("pair_style lj/cut 1.5", "pair_coeff * * 1.0 1.0", "minimize 0 1e-4 500 5000")
        lammps.commands("velocity all create 4.0 87287 dist gaussian", "reset_timestep 0")
        lammps.commands("timestep 0.004", "fix move all nve", "compute energy all pe/atom")
        if box == "plane":
            lammps.commands("fix flat all enforce2d", "fix wall all wall/reflect ylo EDGE yhi EDGE")
        else:
            lammps.commands(f"fix strain all deform 1 {'xy erate 0.05' if box == 'tilted' else 'z erate 0.05'} remap x")
        for name, columns in COLUMNS.items():
            path = folder / f"{name}.lammpstrj"
            lammps.commands(f"dump d{name} all custom {EVERY} {path} {columns}")
            lammps.commands(f"dump_modify d{name} format float %.15g")
        lammps.commands("dump_modify dxu element C O", "dump_modify dx time yes units yes")
        lammps.commands(f"dump binary all dcd {EVERY} {folder / 'run.dcd'}")
        lammps.commands(f"dump plain all atom {EVERY} {folder / 'plain.dump'}", "thermo 20", "run 0")
        for frame in range(FRAMES):
            if frame:
                lammps.commands(f"run {EVERY}")
            box_now = lammps.library.extract_box()
            (lx, ly, lz), (hx, hy, hz), xy, yz, xz = box_now[:5]
            truth.append(
                {
                    "x": lammps.atoms("x"),
                    "v": lammps.atoms("v"),
                    "image": np.array(lammps.library.gather_atoms("image", 0, 3)).reshape(-1, 3),
                    "type": np.array(lammps.library.gather_atoms("type", 0, 1)),
                    "vectors": np.array([[hx - lx, 0, 0], [xy, hy - ly, 0], [xz, yz, hz - lz]]),
                    "pe": np.array(lammps.value("pe")),
                    "temp": np.array(lammps.value("temp")),
                }
            )
        lammps.commands(f"write_data {folder / 'end.data'} nocoeff", "log none")
    return truth


def universe(n: int = 12, frames: int = 4, tilted: bool = True):
    """A universe of MDAnalysis in memory, with velocities and a cell, names and types."""
    import MDAnalysis
    from MDAnalysis.coordinates.memory import MemoryReader

    rng = np.random.default_rng(3)
    made = MDAnalysis.Universe.empty(n, atom_resindex=np.zeros(n, int), trajectory=True, velocities=True)
    made.add_TopologyAttr("names", [("O", "H1", "H2")[i % 3] for i in range(n)])
    made.add_TopologyAttr("types", [("O", "H", "H")[i % 3] for i in range(n)])
    made.add_TopologyAttr("elements", [("O", "H", "H")[i % 3] for i in range(n)])
    made.add_TopologyAttr("resnames", ["SOL"])
    made.add_TopologyAttr("resids", [1])
    boxes = np.array([[20 + t, 21, 22, 90, 90, 75 if tilted else 90] for t in range(frames)], dtype=np.float32)
    made.load_new(
        rng.uniform(0, 20, (frames, n, 3)).astype(np.float32),
        format=MemoryReader,
        dimensions=boxes,
        velocities=rng.normal(size=(frames, n, 3)).astype(np.float32),
        dt=2.0,
    )
    return made


def write_with_mdanalysis(path: Path, kind: str, n: int = 12) -> Path:
    """Write the frames of :func:`universe` in a format of MDAnalysis."""
    import MDAnalysis

    made = universe(n)
    more = {"DCD": {"dt": 2.0}, "H5MD": {"convert_units": False}, "NCDF": {"velocities": True}}.get(kind, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with MDAnalysis.Writer(str(path), made.atoms.n_atoms, format=kind, multiframe=True, **more) as writer:
            for _ in made.trajectory:
                writer.write(made.atoms)
    return path


def write_gsd(path: Path, frames: int = 4, numbers: tuple[int, ...] | None = None) -> Path:
    """Write a GSD file with a tilted box, velocities, image flags and, if asked for, changing numbers of particles."""
    import gsd.hoomd

    rng = np.random.default_rng(4)
    with gsd.hoomd.open(str(path), "w") as file:
        for t in range(frames):
            n = 6 if numbers is None else numbers[t]
            frame = gsd.hoomd.Frame()
            frame.configuration.step = 100 * t
            frame.configuration.box = [5 + t, 6, 7, 0.5, -0.2, 0.1]
            frame.particles.N = n
            frame.particles.position = rng.uniform(-2, 2, (n, 3)).astype(np.float32)
            frame.particles.velocity = rng.normal(size=(n, 3)).astype(np.float32)
            frame.particles.image = rng.integers(-2, 3, (n, 3)).astype(np.int32)
            frame.particles.types = ["A", "B"]
            frame.particles.typeid = np.arange(n) % 2
            frame.log = {"energy": np.array([0.5 * t])}
            file.append(frame)
    return path


def write_h5md(path: Path, frames: int = 4, boundary: tuple[str, ...] = ("periodic", "periodic", "none")) -> Path:
    """Write an H5MD file with identities that change places, species, image flags and open directions."""
    import h5py

    rng = np.random.default_rng(5)
    n, k = 6, len(boundary)
    with h5py.File(path, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        group = file.create_group("particles/all")

        def series(name: str, value: np.ndarray, unit: str = "") -> None:
            made = group.create_group(name)
            made["step"], made["time"] = 10 * np.arange(frames), 0.5 * np.arange(frames)
            made["value"] = value
            made["time"].attrs["unit"] = "ps"
            if unit:
                made["value"].attrs["unit"] = unit

        series("position", rng.uniform(0, 5, (frames, n, k)), "nm")
        series("velocity", rng.normal(size=(frames, n, k)), "nm ps-1")
        series("image", rng.integers(-2, 3, (frames, n, k)))
        series("id", np.array([rng.permutation(n) + 1 for _ in range(frames)]))
        group["species"] = np.arange(n) % 2
        box = group.create_group("box")
        box.attrs["dimension"], box.attrs["boundary"] = k, list(boundary)
        box["edges"] = np.full(k, 5.0)
        energy = file.create_group("observables/energy")
        energy["step"], energy["time"] = 10 * np.arange(frames), 0.5 * np.arange(frames)
        energy["value"] = 1.5 * np.arange(frames)
    return path


def write_data_series(folder: Path, frames: int = 3) -> tuple[Path, ...]:
    """Write data files of LAMMPS, one a frame, whose velocities are in another order than their particles."""
    paths = []
    for t in range(frames):
        rows = [f"{i} {1 + i % 2} {0.5 * i} {0.1 * t} {i} 0 {t} -1" for i in (3, 1, 2, 4)]
        velocities = [f"{i} {i}.5 {t} 0" for i in (1, 2, 3, 4)]
        text = [
            f"LAMMPS data file via write_data, version 29 Aug 2024, timestep = {10 * t}",
            *("", "4 atoms", "2 atom types", "", "0 5 xlo xhi", "0 5 ylo yhi", "0 5 zlo zhi", "1 0 0 xy xz yz"),
            *(
                "",
                "Masses",
                "",
                "1 1.5  # C",
                "2 2.5",
                "",
                "Atoms # atomic",
                "",
                *rows,
                "",
                "Velocities",
                "",
                *velocities,
            ),
        ]
        paths.append(folder / f"part{t}.data")
        paths[-1].write_text("\n".join(text) + "\n")
    return tuple(paths)
