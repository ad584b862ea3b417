"""A reproduction that is killed goes on where it was, and its workers die with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from tests.paper.reproduction.test_reproduce import OVERRIDES

from setclosure.errors import TrainingError
from setclosure.tables.pieces import finish_all

pytestmark = pytest.mark.slow

LONGER = "training.stage_two={steps: 400, batch_pairs: 16, steps_per_epoch: 10, views: 1}"


def _command(folder):
    changes = [f"--set={override}" for override in [*OVERRIDES, LONGER]]
    return [
        sys.executable, "-m", "setclosure", "reproduce", "table3", "--seeds", "0", "--jobs", "2",
        "--out", folder / "results", "--work", folder / "work", *changes,
    ]  # fmt: skip


@dataclass(frozen=True)
class Dying:
    """A piece whose process is killed."""

    label: str
    data = None
    finished = False

    def prepare(self):
        pass

    def finish(self):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_named_with_what_to_do():
    with pytest.raises(TrainingError, match=r"killed, most likely for want of memory: 2 were at work.*--jobs 1"):
        finish_all([Dying("a"), Dying("b")], jobs=2)


@pytest.mark.slow
def test_sigkill_loses_nothing_that_was_finished(tmp_path):
    process = subprocess.Popen(_command(tmp_path), stderr=subprocess.PIPE, text=True, start_new_session=True)
    checkpoints = (tmp_path / "work" / "demo" / "runs").glob
    deadline = time.monotonic() + 120
    while not list(checkpoints("*/seed-0/fit/stage_two/step-*.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)  # the command alone: its workers must notice
    process.wait()
    time.sleep(2)
    found = subprocess.run(
        ["pgrep", "-g", str(process.pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    alive = [pid for pid in found if os.path.exists(f"/proc/{pid}/exe")]
    assert alive == []
    before = {path: path.stat().st_mtime_ns for path in checkpoints("*/seed-0/fit/stage_one/step-*.ckpt")}
    assert before
    again = subprocess.run(_command(tmp_path), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    result = json.loads((tmp_path / "results" / "demo" / "table3.json").read_text())
    assert set(result["rows"]) == {"ours", "ours-set-transformer"}
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())  # stage one was not repeated
