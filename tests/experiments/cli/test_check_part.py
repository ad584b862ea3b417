"""``setclosure check-part`` prints the promises of a part, or the one that is broken."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

DRIFT = """
import torch
import setclosure
from setclosure.dynamics.base import Drift, DriftConfig

class Still(Drift):
    def __init__(self, dim):
        super().__init__()
        self.velocity = torch.nn.Parameter(torch.zeros(dim))

    def forward(self, y, u):
        return self.velocity + 0 * y {context}

@setclosure.register("drift", "still")
class StillConfig(DriftConfig):
    slow: bool = False

    def build(self, dim, context_dim=0):
        return Still(dim)
"""


def command(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "setclosure", "check-part", *arguments],
        check=False,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_part_of_ones_own_is_checked_and_its_broken_promise_is_told(tmp_path):
    (tmp_path / "still.py").write_text(DRIFT.replace("{context}", ""))
    broken = command("drift", "still", "--plugin", "still.py", folder=tmp_path)
    assert broken.returncode == 2
    assert "Traceback" not in broken.stderr
    assert "Error: the drift 'still' breaks a promise: the context enters. two contexts: the numbers" in broken.stderr
    (tmp_path / "still.py").write_text(DRIFT.replace("{context}", "+ u.sum(dim=-1, keepdim=True)"))
    kept = command("drift", "still", "--plugin", "still.py", "--set", "slow=true", folder=tmp_path)
    assert kept.returncode == 0, kept.stderr
    first, *promises = kept.stdout.splitlines()
    assert first == "The drift 'still' keeps all 9 promises:"
    assert len(promises) == 9
    assert "  - the context enters" in promises


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drift", "still"], "there is no drift 'still'"),
        (["drifft", "mlp"], "there is no kind of part 'drifft'"),
        (["drift", "mlp", "--set", "hidden"], "an override reads section.key=value"),
        (["drift", "mlp", "--set", "hiden=[4]"], "did you mean 'hidden'?"),
        (["drift", "mlp", "--plugin", "nowhere.py"], "nowhere.py is not there"),
    ],
)
def test_mistakes_are_told(tmp_path, arguments, message):
    result = command(*arguments, folder=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
