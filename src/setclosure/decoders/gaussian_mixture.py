"""A conditional mixture of Gaussians is a cheap conditional density (mixture density networks, Bishop 1994)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from setclosure.decoders.base import DecoderConfig
from setclosure.registry import register
from setclosure.sets.microstates import MicrostateKind

Covariance = Literal["full", "diagonal"]
"""The form of the covariance matrices of a mixture."""


@register("decoder", "gaussian_mixture")
class GaussianMixtureConfig(DecoderConfig):
    """The sizes of a :class:`GaussianMixture`."""

    components: int = Field(16, ge=1, description="Gaussians of the mixture.")
    hidden: int = Field(128, ge=1, description="Units of both hidden layers.")
    covariance: Covariance = Field("full", description="full or diagonal covariance matrices.")

    def build(self, kind: MicrostateKind, closure_dim: int) -> GaussianMixture:
        """Make the mixture for the d features of ``kind``, given the ``closure_dim`` = c numbers of one species."""
        return GaussianMixture(kind.n_features, closure_dim, **self.options())


class GaussianMixture(nn.Module):
    """A mixture p(x | context) = Σ_m π_m N(x; μ_m, Σ_m), with π, μ and Σ from a network on the context.

    The precision is Σ_m⁻¹ = L_mᵀ L_m with L_m lower triangular and of positive diagonal, so that the density
    needs no solve. All parameters of a set are computed once, whatever the number of its points.

    Parameters
    ----------
    n_features : int
        Features of a point, d ≥ 1.
    context_dim : int
        Numbers of a context, c ≥ 0; with 0 the density is unconditional.
    components, hidden, covariance
        As in :class:`GaussianMixtureConfig`.

    Examples
    --------
    >>> mixture = GaussianMixture(n_features=2, context_dim=3)
    >>> x, context = torch.randn(5, 100, 2), torch.randn(5, 3)
    >>> mixture.log_prob(x, context).shape, mixture.sample(context, 7).shape
    (torch.Size([5, 100]), torch.Size([5, 7, 2]))
    """

    def __init__(
        self,
        n_features: int,
        context_dim: int,
        components: int = 16,
        hidden: int = 128,
        covariance: Covariance = "full",
    ) -> None:
        super().__init__()
        d, self.components = n_features, components
        self.n_features = d
        lower = d * (d - 1) // 2 if covariance == "full" else 0
        self._sizes = [1, d, d, lower]  # logit, mean, log of the diagonal, below the diagonal
        self.trunk = nn.Sequential(
            nn.Linear(context_dim, hidden) if context_dim else _Constant(hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
        )
        self.head = nn.Linear(hidden, components * sum(self._sizes))
        with torch.no_grad():  # start near one broad Gaussian, with means apart so that components can differ
            self.head.weight.mul_(0.1)
            start = torch.zeros(components, sum(self._sizes))
            start[:, 1 : 1 + d] = torch.randn(components, d)
            self.head.bias.copy_(start.flatten())

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """Evaluate the log density ``(G, K)`` at ``x (G, K, d)``, given one context for each set, ``(G, c)``."""
        log_weights, means, factors = self._mixture(context)
        offset = x[:, None] - means[:, :, None]  # (G, m, K, d)
        whitened = offset @ factors.transpose(-1, -2)
        log_det = factors.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        exponent = (log_weights + log_det)[:, :, None] - 0.5 * whitened.square().sum(dim=-1)
        log_prob: Tensor = exponent.logsumexp(dim=1) - 0.5 * self.n_features * math.log(2.0 * math.pi)
        return log_prob

    @torch.no_grad()
    def sample(self, context: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``n`` points for each context of ``(G, c)``: ``(G, n, d)``."""
        log_weights, means, factors = self._mixture(context)
        G, d = context.shape[0], self.n_features
        chosen = torch.multinomial(log_weights.exp(), n, replacement=True, generator=generator)
        noise = torch.randn((G, n, d, 1), generator=generator, dtype=means.dtype, device=means.device)
        centres = means.gather(1, chosen[..., None].expand(-1, -1, d))
        rows = chosen[..., None, None].expand(-1, -1, d, d)
        scale = factors.gather(1, rows)
        offsets: Tensor = torch.linalg.solve_triangular(scale, noise, upper=False)
        return centres + offsets.squeeze(-1)

    def _mixture(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give log weights ``(G, m)``, means ``(G, m, d)`` and factors L of the precisions ``(G, m, d, d)``."""
        d = self.n_features
        raw = self.head(self.trunk(context)).unflatten(-1, (self.components, -1))
        logits, means, log_diagonal, below = raw.split(self._sizes, dim=-1)
        factors = torch.diag_embed(log_diagonal.exp())
        if self._sizes[3]:
            row, column = torch.tril_indices(d, d, offset=-1, device=raw.device)
            strict = torch.zeros_like(factors)
            strict[..., row, column] = below
            factors = factors + strict
        return logits.squeeze(-1).log_softmax(dim=-1), means, factors


class _Constant(nn.Module):
    """A bias that stands for a linear layer where the context has no numbers."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(hidden))

    def forward(self, context: Tensor) -> Tensor:
        return self.value.expand(context.shape[0], -1)
