"""The promises of diffusions."""

from __future__ import annotations

import torch
from torch import Tensor

from setclosure.conformance.fields import CONTEXTS, DIM, Field, require_paths
from setclosure.conformance.report import Report, begun
from setclosure.conformance.require import require, require_finite, require_shape
from setclosure.dynamics.base import DiffusionConfig
from setclosure.dynamics.euler_maruyama import EulerMaruyamaConfig


def check_diffusion(config: DiffusionConfig) -> Report:
    """Check the promises of a diffusion; it may be constant, so the context need not enter.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.

    Examples
    --------
    >>> from setclosure.dynamics.diffusions import FullConfig
    >>> check_diffusion(FullConfig(hidden=(8,))).promises[2]
    'the diagonal is positive, far outside of the data, too'
    """
    report = begun("diffusion", config)
    with report.promise("y (*, D) and context (*, p) have a diagonal (*, D), or a lower triangle (*, D, D)"):
        fields = [Field(config.build, p) for p in CONTEXTS]
        for field in fields:
            field.shapes(_fits)
    with report.promise("the diagonal is positive, far outside of the data, too"):
        for field in fields:
            field.far()
            for size in (1.0, 1e2, 1e4):
                value = field.module(size * field.y, size * field.u)
                least = float(_diagonal(value, field.y).detach().min())
                require(least > 0, f"the least diagonal entry at {size:g} standard deviations is {least:.3g}.")
    checks = {
        "every row depends on its own macrostate and context alone": Field.rows,
        "every parameter has a finite gradient": Field.gradients,
        "its weights are saved and loaded": Field.reload,
    }
    report.keeps(checks, fields)
    with report.promise("it is the noise of dynamics, whose loss is finite"):
        made = EulerMaruyamaConfig(diffusion=config).build(DIM, 1)
        loss = made.loss(torch.randn(4, 2, DIM), torch.zeros(4, 2, 0), torch.ones(4, 1))
        require_shape(loss, (4,), "the loss")
        require_finite(loss, "the loss")
        require_paths(made, samples=3)
    return report


def _fits(value: Tensor, y: Tensor) -> None:
    if value.ndim == y.ndim:
        require_shape(value, tuple(y.shape), f"the diagonal for y of shape {tuple(y.shape)}")
        return
    require_shape(value, (*y.shape, y.shape[-1]), f"the triangle for y of shape {tuple(y.shape)}")
    above = float(value.detach().triu(1).abs().max())
    require(above == 0, f"there are numbers above the diagonal, up to {above:.3g}; expected a lower triangle.")


def _diagonal(value: Tensor, y: Tensor) -> Tensor:
    return value if value.ndim == y.ndim else value.diagonal(dim1=-2, dim2=-1)
