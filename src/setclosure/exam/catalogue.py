"""The exhibit of the exam: which tests, and which rows beside the naive ones."""

from __future__ import annotations

from typing import Any

from setclosure.exam.table import NONE, ExamColumn, ExamTable
from setclosure.tables.exhibits import Exhibit

_AUTO: dict[str, Any] = {"model.dynamics.horizons": "auto"}
_SURROUNDINGS: dict[str, Any] = {"model.descriptors": ["environment"]}
_FEW_RADII: dict[str, Any] = {
    "model.descriptors": [{"name": "environment", "n_radii": 4}],
    "model.bandwidth": "auto",
}

EXHIBITS: dict[str, Exhibit] = {
    "exam": ExamTable(
        title="The exam: systems that the paper did not choose",
        columns=(
            ExamColumn("phase_test", "exam/phase_separation", "test"),
            ExamColumn("phase_other", "exam/phase_separation", "other"),
            ExamColumn("flock_test", "exam/flocking", "test", {"simulation.system.told": True}),
            ExamColumn("flock_fixed", "exam/flocking", "test", {"simulation.system.noise": [0.3, 0.3]}),
            ExamColumn("flock_unknown", "exam/flocking", "test"),
            ExamColumn("decay_test", "exam/noisy_decay", "test"),
        ),
        rows={
            NONE: ("none", {}),
            "pooled on features": ("pooled", {"model.closure_dim": 4}),
            "pooled on environment": ("pooled", {"model.closure_dim": 4, **_SURROUNDINGS}),
            "pooled on environment, many steps": ("pooled", {"model.closure_dim": 4, **_SURROUNDINGS, **_AUTO}),
            "density on features": ("density", {}),
            "density on environment": ("density", _FEW_RADII),
        },
        seeds={"laptop": (0, 1, 2)},
    ),
}
