"""Two processes on one machine, by Lightning's own strategy: they share the batch, and end with the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from setclosure.fit.sampling import Steps
from setclosure.processes import is_first_process


def test_the_first_process_is_the_one_without_a_rank_or_with_rank_zero(monkeypatch):
    for rank in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(rank, raising=False)
    assert is_first_process()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert is_first_process()
    monkeypatch.setenv("NODE_RANK", "1")
    assert not is_first_process()


def test_processes_draw_different_batches_of_one_step():
    steps = Steps(lambda stream: stream.random(4), 10, 0, "stage")
    first = steps[3]
    steps.rank = 1
    assert not np.array_equal(first, steps[3])


@pytest.mark.slow
def test_a_run_on_two_processes_finishes_and_speaks_once(tiny_config, tmp_path):
    command = [sys.executable, "-m", "setclosure", "run", str(tiny_config), "--out", str(tmp_path / "run")]
    trainer = {"devices": 2, "accelerator": "cpu", "strategy": "ddp"}
    command += [f"--set=training.trainer.{key}={value}" for key, value in trainer.items()]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Report:") == 1
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert all(np.isfinite(value) for value in metrics["mre"].values())
