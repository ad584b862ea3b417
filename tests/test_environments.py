"""The program works, or says a sentence, in environments that are not made for it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy
from tests.model.fits import SMALL_MODEL, own_data, small, spread

from setclosure.compiled import compiled
from setclosure.errors import TrainingError
from setclosure.files import flush, write_text
from setclosure.fit import trainer
from setclosure.fit.sampling import WindowBatches
from setclosure.fit.settings import FitSettings
from setclosure.fit.training import Training
from setclosure.model.parts import ModelParts
from setclosure.model.specification import ModelSettings
from setclosure.reconstruction import target_density
from setclosure.reconstruction.target_density import TargetDensity
from setclosure.sets.microstates import MicrostateBatch

SLURM = {"SLURM_NTASKS": "8", "SLURM_JOB_ID": "1", "SLURM_NTASKS_PER_NODE": "8", "SLURM_JOB_NAME": "fit"}


@pytest.mark.parametrize("names", [["SLURM_NTASKS"], list(SLURM)])
def test_a_batch_job_of_many_tasks_trains_on_its_one_device(tmp_path, monkeypatch, names):
    before = small().fit(own_data(tmp_path / "a.zarr"), observable=spread, progress=False)
    for name in names:
        monkeypatch.setenv(name, SLURM[name])
    trainer.require_devices(FitSettings.parse({}).trainer)
    after = small().fit(own_data(tmp_path / "b.zarr"), observable=spread, progress=False)
    for key, value in before.parts.state_dict().items():
        assert torch.equal(value.nan_to_num(7.0), after.parts.state_dict()[key].nan_to_num(7.0)), key


def test_kernels_are_compiled_where_no_cache_can_be_written(monkeypatch):
    import numba.core.caching

    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="no locator"):  # what Numba does
        numba.njit(cache=True)(lambda x: x)
    assert compiled(lambda x: 2 * x)(3) == 6


@pytest.mark.slow
def test_a_model_is_fitted_without_a_home_or_a_cache(tmp_path):
    script = (
        "from tests.model.fits import own_data, small\n"
        f"model = small().fit(own_data({str(tmp_path / 'a.zarr')!r}, observables='pair_energy'), progress=False)\n"
        "print(model.predict([[0.0, 1.0], [2.0, 0.5]], steps=2).observables.shape)\n"
    )
    root = Path(__file__).parents[1]
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"), "/proc/nowhere")
    environment = os.environ | nowhere | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "(1, 1, 3, 1)"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP])
def test_a_file_system_that_cannot_flush_folders_is_written_to(tmp_path, monkeypatch, number):
    real = os.fsync

    def fsync(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "a" / "b.txt", "whole")
    assert (tmp_path / "a" / "b.txt").read_text() == "whole"


def test_a_file_that_cannot_be_flushed_is_an_error(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "a").write_text("x")
    for path in (tmp_path / "a", tmp_path):
        with pytest.raises(OSError, match="broken"):
            flush(path)


def test_folders_that_cannot_be_opened_are_not_flushed(tmp_path, monkeypatch):
    def refuse(path, flags):  # as Windows does
        raise PermissionError(errno.EACCES, "no", str(path))

    monkeypatch.setattr(os, "open", refuse)
    flush(tmp_path)


# ── devices without double precision ─────────────────────────────────────────────────────────────────────────────


def test_nothing_that_training_moves_to_a_device_is_in_double_precision(tmp_path):
    model, settings = ModelSettings.parse({**SMALL_MODEL, "composition": True}), FitSettings.parse({})
    data = own_data(tmp_path / "a.zarr", M=5)
    work = Training(model, settings, data, None, 0, tmp_path / "fit", False)
    parts = ModelParts(model, work.model_facts)
    moved = [*parts.autoencoder.state_dict().values(), *parts.dynamics.state_dict().values()]
    frames = work.training.batches(4, 0.5, True)(np.random.default_rng(0))
    moved += [frames.now.points, frames.now.weights, *(vars(frames.after)[k] for k in ("observables", "context", "dt"))]
    parts.autoencoder.coordinates.fit(frames.now)
    windows = WindowBatches(work.training.macrostates(parts.autoencoder, 1, 0), 0.0, 8, 1)
    moved += [tensor for window in windows(np.random.default_rng(0)) for tensor in window]
    assert {tensor.dtype for tensor in moved} == {torch.float32}


def test_target_densities_are_drawn_without_double_precision(monkeypatch):
    batch = MicrostateBatch.from_arrays(np.random.default_rng(0).normal(size=(3, 7, 2)))
    monkeypatch.setattr(target_density, "NO_DOUBLE", ("cpu",))

    def double(self):
        raise TypeError("Cannot convert to float64")

    monkeypatch.setattr(torch.Tensor, "double", double)
    x = TargetDensity(batch, 1e-6).sample(2000, torch.Generator().manual_seed(0))
    nearest = torch.cdist(x[:, 0], batch.points, compute_mode="donot_use_mm_for_euclid_dist").min(dim=2)
    assert nearest.values.max() < 1e-4
    share = torch.stack([torch.bincount(row, minlength=7) for row in nearest.indices]) / 2000
    assert torch.allclose(share, torch.full((3, 7), 1 / 7), atol=0.05)


def test_what_mps_lacks_is_told_with_the_way_out(tmp_path, monkeypatch):
    on_mps = []

    def lacking(self, batch, batch_idx):
        if on_mps:
            monkeypatch.setattr(SingleDeviceStrategy, "root_device", property(lambda _: torch.device("mps")))
        raise NotImplementedError("the operator 'aten::x' is not implemented for the MPS device")

    monkeypatch.setattr("setclosure.fit.stage_one.StageOne.training_step", lacking)
    data = own_data(tmp_path / "a.zarr")
    with pytest.raises(NotImplementedError):
        small().fit(data, progress=False)
    on_mps.append(True)
    with pytest.raises(TrainingError, match=r"stage one: this PyTorch cannot do on MPS .*accelerator: cpu"):
        small().fit(data, progress=False)
