"""Distributional reconstruction compares q_X with p_θ(· | ẑ) by a Monte-Carlo KL divergence (Eq. 3, Algorithm 1)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from setclosure.decoders.base import ConditionalDensity
from setclosure.reconstruction.base import ReconstructionConfig
from setclosure.reconstruction.target_density import TargetDensity
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateBatch


@register("reconstruction", "distribution")
class DistributionConfig(ReconstructionConfig):
    """The options of a :class:`DistributionReconstruction`."""

    smooths: ClassVar[bool] = True

    samples: int = Field(600, ge=1, description="Monte-Carlo samples of each microstate and species, K.")

    def build(self, bandwidth: float | Tensor) -> DistributionReconstruction:
        """Make the reconstruction with ``bandwidth`` ε, in the units of the points that it will see."""
        return DistributionReconstruction(bandwidth, self.samples)


class DistributionReconstruction:
    """A comparison of the target density q_X with a conditional density by the Kullback–Leibler divergence (Eq. 3).

    One decoder serves all species, each with its own embedding; results are means over the species that are there.

    Parameters
    ----------
    bandwidth : float or Tensor
        ε of q_X in the units of the points: one number, one for each feature ``(d,)``, or matrices ``(B, d, d)`` as
        :class:`~setclosure.reconstruction.target_density.TargetDensity` takes them.
    samples : int
        Monte-Carlo samples of each microstate and species, K.

    Examples
    --------
    >>> from setclosure.decoders.gaussian_mixture import GaussianMixture
    >>> batch = MicrostateBatch.from_points(torch.randn(4, 10, 2))
    >>> reconstruction = DistributionReconstruction(bandwidth=0.1, samples=50)
    >>> reconstruction.loss(batch, torch.randn(4, 1, 3), GaussianMixture(2, 3)).shape
    torch.Size([4])
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
        """Give the cross entropy −E_q log p of each microstate ``(B,)``, from embeddings ``(B, S, c)``.

        It is the KL divergence up to the entropy of q_X, which no parameter of the model can change, so log q_X
        is not evaluated. Species without particles have no q_X and are left out.
        """
        x = TargetDensity(batch, self.bandwidth).sample(self.samples, generator)
        return -_mean(_log_p(x, embeddings, decoder), batch)

    def score(
        self,
        batch: MicrostateBatch,
        embeddings: Tensor,
        decoder: ConditionalDensity,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Estimate KL(q_X ‖ p) of each microstate ``(B,)``, from embeddings ``(B, S, c)`` (Eq. 3).

        Every microstate gets the same random numbers.
        """
        return self._kl(batch, embeddings, decoder, generator, shared=True)

    def kl(
        self,
        batch: MicrostateBatch,
        embeddings: Tensor,
        decoder: ConditionalDensity,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Estimate KL(q_X ‖ p) of each microstate ``(B,)`` by random numbers of its own (Eq. 3)."""
        return self._kl(batch, embeddings, decoder, generator, shared=False)

    def _kl(
        self,
        batch: MicrostateBatch,
        embeddings: Tensor,
        decoder: ConditionalDensity,
        generator: torch.Generator | None,
        shared: bool,
    ) -> Tensor:
        q = TargetDensity(batch, self.bandwidth)
        x = q.sample(self.samples, generator, shared=shared)
        return _mean(q.log_prob(x) - _log_p(x, embeddings, decoder), batch)


def _mean(values: Tensor, batch: MicrostateBatch) -> Tensor:
    """Average ``(B, S, K)`` over samples and over the species that are there, ``(B,)``; zero for an empty set."""
    present = batch.present
    if bool(present.all()):
        return values.mean(dim=(1, 2))
    kept = torch.where(present, values.mean(dim=2), torch.zeros_like(values[..., 0]))
    return kept.sum(dim=1) / present.sum(dim=1).clamp(min=1)


def _log_p(x: Tensor, embeddings: Tensor, decoder: ConditionalDensity) -> Tensor:
    """Evaluate log p ``(B, S, K)`` at ``x (B, S, K, d)``."""
    log_p = decoder.log_prob(x.flatten(0, 1), embeddings.flatten(0, 1))
    return log_p.view(*x.shape[:3])
