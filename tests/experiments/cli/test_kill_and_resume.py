"""The real command, killed or interrupted, and resumed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "setclosure", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        # a shell that starts the tests in the background has Ctrl-C ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def signal_after(process, line, seconds, number):
    """Send a signal some seconds after a line of the standard error that begins with ``line``."""
    for out in process.stderr:
        if out.startswith(line):
            time.sleep(seconds)
            process.send_signal(number)
            break
    out, err = process.communicate(timeout=120)
    return out, err


def without_seconds(history):
    return {stage: [{k: v for k, v in row.items() if k != "seconds"} for row in h] for stage, h in history.items()}


@pytest.mark.slow
def test_killed_in_every_phase_and_resumed_a_run_ends_with_the_same_bits(tiny_config, tiny_run, tmp_path):
    out, stream, killed = tmp_path / "run", random.Random(7), 0
    for phase, longest in (("simulate", 0.3), ("stage one", 0.6), ("encode", 0.1), ("stage two", 0.5)):
        process = start("run", tiny_config, "--out", out, "--resume", "--workers", 1)
        signal_after(process, phase, stream.uniform(0, longest), signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
    process = start("run", tiny_config, "--out", out, "--resume")
    while process.poll() is None and not (out / "seed-0" / "evaluation").exists():
        time.sleep(0.01)
    process.kill()  # in the evaluation
    process.communicate()
    killed += process.returncode == -signal.SIGKILL
    assert killed >= 4
    process = start("run", tiny_config, "--out", out, "--resume")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    weights = "seed-0/model/weights.safetensors"
    assert (out / weights).read_bytes() == (tiny_run / weights).read_bytes()
    metrics, expected = (json.loads((run / "metrics.json").read_text()) for run in (out, tiny_run))
    assert metrics.keys() == expected.keys()
    assert {k: v for k, v in metrics.items() if k != "seconds"} == {k: v for k, v in expected.items() if k != "seconds"}
    histories = [json.loads((run / "seed-0" / "history.json").read_text()) for run in (out, tiny_run)]
    assert without_seconds(histories[0]) == without_seconds(histories[1])
    assert (out / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_that_works(tiny_config, tiny_data, tiny_run, tmp_path):
    command = ["train", tiny_config, "--data", tiny_data, "--out", tmp_path / "run"]
    process = start(*command)
    out, errors = signal_after(process, "stage one", 0.1, signal.SIGINT)
    assert process.returncode == 130, errors
    assert "Traceback" not in out + errors
    assert f"setclosure {' '.join(map(str, command))} --resume" in errors
    process = start(*command, "--resume")
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "setclosure evaluate" in out
    weights = "seed-0/model/weights.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (tiny_run / weights).read_bytes()
