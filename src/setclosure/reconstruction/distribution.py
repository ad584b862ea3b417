"""Distributional reconstruction: KL(q_X ‖ p_θ(· | ẑ)) by Monte Carlo (Eq. 3, Algorithm 1)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from setclosure.decoders.base import ConditionalDensity
from setclosure.sets.microstates import MicrostateBatch
from setclosure.reconstruction.base import ReconstructionConfig
from setclosure.reconstruction.target_density import TargetDensity


class DistributionConfig(ReconstructionConfig):
    """Settings of a :class:`DistributionReconstruction`."""

    samples: int = Field(600, ge=1, description="Monte-Carlo samples of each microstate and species, K.")

    def build(self, bandwidth: float | Tensor) -> DistributionReconstruction:
        """Make the reconstruction with ``bandwidth`` ε, in the units of the points it will see."""
        return DistributionReconstruction(bandwidth, self.samples)


class DistributionReconstruction:
    """Compares the target density q_X with a conditional density by the Kullback–Leibler divergence.

    One decoder serves all species, each with its own embedding; results are means over the species.

    Parameters
    ----------
    bandwidth : float or Tensor
        ε of q_X: one number, or one for each feature ``(d,)``.
    samples : int
        Monte-Carlo samples of each microstate and species, K.
    """

    def __init__(self, bandwidth: float | Tensor, samples: int) -> None:
        self.bandwidth, self.samples = bandwidth, samples

    def loss(
        self,
        batch: MicrostateBatch,
        embeddings: Tensor,
        decoder: ConditionalDensity,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Cross entropy -E_q log p of each microstate ``(B,)``, from embeddings ``(B, S, c)``.

        It is the KL divergence up to the entropy of q_X, which no parameter of the model can change; so log q_X
        is never evaluated here.
        """
        x = TargetDensity(batch, self.bandwidth).sample(self.samples, generator)
        return -_log_p(x, embeddings, decoder).mean(dim=(1, 2))

    def kl(
        self,
        batch: MicrostateBatch,
        embeddings: Tensor,
        decoder: ConditionalDensity,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Monte-Carlo estimate of KL(q_X ‖ p) of each microstate ``(B,)``, from embeddings ``(B, S, c)`` (Eq. 3)."""
        q = TargetDensity(batch, self.bandwidth)
        x = q.sample(self.samples, generator)
        return (q.log_prob(x) - _log_p(x, embeddings, decoder)).mean(dim=(1, 2))


def _log_p(x: Tensor, embeddings: Tensor, decoder: ConditionalDensity) -> Tensor:
    """Log p ``(B, S, K)`` at ``x (B, S, K, d)``."""
    log_p = decoder.log_prob(x.flatten(0, 1), embeddings.flatten(0, 1))
    return log_p.view(*x.shape[:3])
