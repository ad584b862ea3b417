"""The one-dimensional demonstration draws sets of numbers from Gaussian mixtures, and has no time (Sec. 4.1)."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from setclosure.seeds import numpy_stream
from setclosure.settings import Settings
from setclosure.trajectories.layout import Array


class GaussianMixtures(Settings):
    """A distribution of Gaussian mixtures with equal weights, whose means stay apart.

    ``span`` is divided into K equal intervals. Component k has its mean uniform in the k-th of them, and its standard
    deviation uniform in ``sd_range``. The paper gives neither; these follow the authors' data.

    Examples
    --------
    >>> GaussianMixtures(n_particles=5).draw(3, seed=0, split="train").points.shape
    (3, 5, 1)
    """

    n_particles: int = Field(200, ge=1, description="Particles of a set, N.")
    n_components: int = Field(4, ge=1, description="Components of a mixture, K.")
    span: tuple[float, float] = Field((-1.0, 1.0), description="The interval in which the means lie.")
    sd_range: tuple[float, float] = Field((0.1, 0.2), description="Least and largest standard deviation.")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.span[0] < self.span[1] or not 0 < self.sd_range[0] <= self.sd_range[1]:
            raise ValueError(
                f"span must rise, and sd_range must be positive and not fall; got {self.span} and {self.sd_range}"
            )
        return self

    def draw(self, n: int, seed: int, split: str) -> MixtureSets:
        """Draw ``n`` sets; set i depends on (seed, split, i) alone.

        Parameters
        ----------
        n : int
            Sets.
        seed : int
            Root seed.
        split : str
            The name of the split, for instance ``train``.
        """
        K = self.n_components
        edges = np.linspace(*self.span, K + 1)
        points = np.empty((n, self.n_particles, 1), np.float32)
        means, sds = np.empty((n, K)), np.empty((n, K))
        for i in range(n):
            rng = numpy_stream(seed, split, i)
            means[i], sds[i] = rng.uniform(edges[:-1], edges[1:]), rng.uniform(*self.sd_range, K)
            component = rng.integers(K, size=self.n_particles)
            points[i, :, 0] = rng.normal(means[i][component], sds[i][component])
        return MixtureSets(points, means, sds)


class MixtureSets:
    """Sets of numbers with the mixtures that they come from.

    Parameters
    ----------
    points : array
        Sets ``(n, N, 1)``.
    means, sds : array
        Means and standard deviations of the components, ``(n, K)``.
    """

    def __init__(self, points: Array, means: Array, sds: Array) -> None:
        self.points, self.means, self.sds = points, means, sds

    def density(self, i: int, x: Array) -> Array:
        """Evaluate the density of the i-th mixture at ``x (G,)``, ``(G,)``."""
        z = (x[:, None] - self.means[i]) / self.sds[i]
        density: Array = (np.exp(-0.5 * z**2) / (self.sds[i] * np.sqrt(2 * np.pi))).mean(axis=1)
        return density
