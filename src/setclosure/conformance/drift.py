"""The promises of drifts."""

from __future__ import annotations

import torch
from torch import Tensor

from setclosure.conformance.fields import CONTEXTS, DIM, Field
from setclosure.conformance.report import Report
from setclosure.conformance.require import require, require_finite, require_round_trip, require_shape
from setclosure.dynamics.base import Drift, DriftConfig
from setclosure.dynamics.euler_maruyama import EulerMaruyamaConfig
from setclosure.dynamics.ode import ODEConfig
from setclosure.dynamics.rollout import RolloutStatus


def check_drift(config: DriftConfig) -> Report:
    """Check the promises of a drift.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.

    Examples
    --------
    >>> from setclosure.dynamics.mlp_drift import MLPDriftConfig
    >>> check_drift(MLPDriftConfig(hidden=(8,))).promises[-1]
    'it drives dynamics with and without noise'
    """
    report = Report("drift", config.part_name)
    with report.promise("its configuration is stored with every option and read back the same"):
        require_round_trip("drift", config)
    with report.promise("y (*, D) and context (*, p), with any leading axes, have drifts (*, D)"):
        fields = [Field(config.build, p) for p in CONTEXTS]
        for field in fields:
            require(isinstance(field.module, Drift), "it is no subclass of setclosure.dynamics.base.Drift.")
            field.shapes(_fits)
    with report.promise("every row depends on its own macrostate and context alone"):
        for field in fields:
            field.rows()
    with report.promise("the context enters"):
        for field in fields:
            field.context()
    with report.promise("every parameter has a finite gradient"):
        for field in fields:
            field.gradients()
    with report.promise("drifts are finite far outside of the data, where gradients are off"):
        for field in fields:
            field.far()
    with report.promise("it takes the rates of the columns"):
        for field in fields:
            made = field.made()
            made.set_rates(torch.tensor([1e-3, 1.0, 1e2], dtype=torch.float64))
            require_finite(made(field.y, field.u), "the drift for rates of 1e-3, 1 and 100")
    with report.promise("its weights are saved and loaded"):
        for field in fields:
            field.reload()
    with report.promise("it drives dynamics with and without noise"):
        for dynamics in (ODEConfig(drift=config), EulerMaruyamaConfig(drift=config)):
            made = dynamics.build(DIM, 1)
            paths = made.simulate(torch.zeros(2, DIM), torch.zeros(2, 6, 0), torch.ones(5))
            require_shape(paths.states, (2, 1, 6, DIM), "the states of a rollout")
            lost = int((paths.status == RolloutStatus.DIVERGED).sum())
            require(lost == 0, f"{lost} of 2 paths that start at the mean of the data diverged.")
    return report


def _fits(value: Tensor, y: Tensor) -> None:
    require_shape(value, tuple(y.shape), f"the drift for y of shape {tuple(y.shape)}")
