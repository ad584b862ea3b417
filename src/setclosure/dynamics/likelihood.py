"""What stage two minimises: one-step squared error of an ODE, one-step likelihood of an SDE (Eq. 5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from setclosure.dynamics.macro_dynamics import MacroDynamics


def one_step_loss(dynamics: MacroDynamics, z_now: Tensor, z_next: Tensor) -> Tensor:
    """Compute the loss of each pair of successive macrostates, for the caller to weight and average.

    Without diffusion, the mean over the columns of the squared error of the increment, each column in units
    of its root mean square increment: 1 is what predicting no change scores. With diffusion, −log of

        p(z_{t+1} | z_t) = N(z_t + g(z_t) Δt, Δt Σ(z_t) Σ(z_t)ᵀ),   Eq. 5,

    with all its constants and in physical units, so that values of two models may be compared.

    Parameters
    ----------
    dynamics : MacroDynamics
        Drift and diffusion.
    z_now, z_next : Tensor
        Macrostates z_t and z_{t+1}, one frame apart, ``(B, D)``.

    Returns
    -------
    Tensor
        Losses, ``(B,)``.

    Examples
    --------
    >>> dynamics = MacroDynamics(2, 1)
    >>> one_step_loss(dynamics, torch.zeros(5, 2), torch.ones(5, 2)).shape
    torch.Size([5])
    """
    y = dynamics.standardise(z_now)
    residual = (z_next - z_now) / dynamics.rate_scale - dynamics.drift_network(y)  # (B, D), in rate scales
    if dynamics.diffusion_network is None:
        error: Tensor = residual.square().mean(-1)
        return error
    factor = dynamics.diffusion_network(y)
    if factor.ndim == y.ndim:
        noise, diagonal = residual / factor, factor
    else:
        noise = torch.linalg.solve_triangular(factor, residual.unsqueeze(-1), upper=False).squeeze(-1)
        diagonal = factor.diagonal(dim1=-2, dim2=-1)
    log_volume = diagonal.log().sum(-1) + dynamics.rate_scale.log().sum()
    loss: Tensor = 0.5 * noise.square().sum(-1) + log_volume + 0.5 * dynamics.dim * math.log(2.0 * math.pi)
    return loss
