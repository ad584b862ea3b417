"""Integrators take one step of size h: Euler and classical Runge–Kutta for an ODE, Euler–Maruyama for an SDE."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Field = Callable[[Tensor], Tensor]
"""A function of the state ``(*, D)``, such as a drift or a diffusion."""


def times_noise(factor: Tensor, noise: Tensor) -> Tensor:
    """Give Σ ξ ``(*, D)`` from a factor of Σ, ``(*, D)`` or ``(*, D, D)``, and noise ξ ``(*, D)``."""
    if factor.ndim == noise.ndim:
        return factor * noise
    return (factor @ noise.unsqueeze(-1)).squeeze(-1)


def euler(drift: Field, z: Tensor, h: float) -> Tensor:
    """Take an Euler step z + h g(z) of states ``(*, D)``, which has order 1."""
    return z.add(drift(z), alpha=h)


def rk4(drift: Field, z: Tensor, h: float) -> Tensor:
    """Take a classical Runge–Kutta step of states ``(*, D)``, which has order 4, for an ODE only."""
    k1 = drift(z)
    k2 = drift(z.add(k1, alpha=h / 2))
    k3 = drift(z.add(k2, alpha=h / 2))
    k4 = drift(z.add(k3, alpha=h))
    return z.add(k1.add(k2, alpha=2).add_(k3, alpha=2).add_(k4), alpha=h / 6)


def euler_maruyama(drift: Field, diffusion: Field, z: Tensor, h: float, noise: Tensor) -> Tensor:
    """Take an Euler–Maruyama step z + h g(z) + √h Σ(z) ξ of Itô's equation.

    The strong order is ½, and 1 where Σ does not depend on z.

    Parameters
    ----------
    drift, diffusion : callable
        g, which gives ``(*, D)``, and Σ, which gives its diagonal ``(*, D)`` or a lower-triangular ``(*, D, D)``.
    z : Tensor
        States, ``(*, D)``.
    h : float
        The step.
    noise : Tensor
        ξ, independent standard normal numbers, ``(*, D)``; the Brownian increment is √h ξ.
    """
    return z.add(drift(z), alpha=h).add_(times_noise(diffusion(z), noise), alpha=h**0.5)
