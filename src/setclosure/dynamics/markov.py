"""Dynamics without memory share a base, which has a drift and perhaps a diffusion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from setclosure.dynamics.base import Drift, Dynamics
from setclosure.dynamics.rollout import Rollout, Scheme, rollout


class MarkovDynamics(Dynamics):
    """The dynamics dz = g(z, u) dt + Σ(z, u) dW of Eq. 4, with or without Σ.

    Networks answer in units of the rate scale, the root mean square change of each column in a time step: n(y, u) is
    the drift per time step in that unit, L(y, u) the diffusion per square root of a time step. Methods give physical
    units: g = rate · n / Δt in units of z per time, and Σ = rate · L / √Δt in units of z per √time.

    Parameters
    ----------
    dim, n_observables, context_dim, time_step
        As in :class:`~setclosure.dynamics.base.Dynamics`.
    drift : Drift
        The network n(y, u).
    diffusion : Module, optional
        The network L(y, u); an ODE has none.
    scheme : Scheme, optional
        The integration of a rollout.
    """

    def __init__(
        self,
        dim: int,
        n_observables: int,
        context_dim: int,
        time_step: float,
        drift: Drift,
        diffusion: nn.Module | None = None,
        scheme: Scheme | None = None,
    ) -> None:
        super().__init__(dim, n_observables, context_dim, time_step)
        self.drift_network, self.diffusion_network = drift, diffusion
        self.scheme = scheme or Scheme()

    @torch.no_grad()
    def set_statistics(self, z: Tensor, context: Tensor, now: Tensor, dt: Tensor) -> None:
        """Take units and range from training macrostates; see :meth:`Dynamics.set_statistics`."""
        super().set_statistics(z, context, now, dt)
        self.drift_network.set_rates(self.rate_scale / self.scale)

    def simulate(
        self,
        state: Tensor,
        context: Tensor,
        dt: Tensor,
        *,
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Rollout:
        """Predict paths from states; see :meth:`Dynamics.simulate`."""
        return rollout(self, state, dt, context=context, samples=samples, scheme=self.scheme, generator=generator)

    def drift(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Evaluate g(z, u), ``(*, D)``, in units of z per unit of time."""
        y, u = self.standardise(z), self._context(z, context)
        g: Tensor = self.drift_network(y, u) * (self.rate_scale / self.time_step)
        return g

    def diffusion(self, z: Tensor, context: Tensor | None = None) -> Tensor | None:
        """Evaluate Σ(z, u), in units of z per root of the unit of time.

        Returns
        -------
        Tensor or None
            The diagonal ``(*, D)`` if Σ is diagonal, else a lower-triangular factor ``(*, D, D)``; None if
            there is no diffusion.
        """
        if self.diffusion_network is None:
            return None
        factor: Tensor = self.diffusion_network(self.standardise(z), self._context(z, context))
        unit = self.rate_scale / self.time_step**0.5
        sigma: Tensor = factor * (unit if factor.ndim == z.ndim else unit.unsqueeze(-1))
        return sigma

    def _context(self, z: Tensor, context: Tensor | None) -> Tensor:
        return z.new_zeros(*z.shape[:-1], 0) if context is None else self.standard_context(context)
