"""The promises of drifts."""

from __future__ import annotations

import torch
from torch import Tensor

from setclosure.conformance.fields import CONTEXTS, DIM, Field, require_paths
from setclosure.conformance.report import Report, begun
from setclosure.conformance.require import require, require_finite, require_shape
from setclosure.dynamics.base import Drift, DriftConfig
from setclosure.dynamics.euler_maruyama import EulerMaruyamaConfig
from setclosure.dynamics.ode import ODEConfig


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
    report = begun("drift", config)
    with report.promise("y (*, D) and context (*, p), with any leading axes, have drifts (*, D)"):
        fields = [Field(config.build, p) for p in CONTEXTS]
        for field in fields:
            require(isinstance(field.module, Drift), "it is no subclass of setclosure.dynamics.base.Drift.")
            field.shapes(_fits)
    checks = {
        "every row depends on its own macrostate and context alone": Field.rows,
        "the context enters": Field.context,
        "every parameter has a finite gradient": Field.gradients,
        "drifts are finite far outside of the data, where gradients are off": Field.far,
        "it takes the rates of the columns": _takes_rates,
        "its weights are saved and loaded": Field.reload,
    }
    report.keeps(checks, fields)
    with report.promise("it drives dynamics with and without noise"):
        for dynamics in (ODEConfig(drift=config), EulerMaruyamaConfig(drift=config)):
            require_paths(dynamics.build(DIM, 1))
    return report


def _takes_rates(field: Field) -> None:
    made = field.made()
    made.set_rates(torch.tensor([1e-3, 1.0, 1e2], dtype=torch.float64))
    require_finite(made(field.y, field.u), "the drift for rates of 1e-3, 1 and 100")


def _fits(value: Tensor, y: Tensor) -> None:
    require_shape(value, tuple(y.shape), f"the drift for y of shape {tuple(y.shape)}")
