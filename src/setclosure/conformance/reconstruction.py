"""The promises of reconstructions: a loss of each microstate, from the set alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from setclosure.conformance.partners import partners
from setclosure.conformance.report import Report, begun
from setclosure.conformance.require import (
    require,
    require_finite,
    require_gradients,
    require_same,
    require_shape,
)
from setclosure.conformance.sets import PIXELS, SETS, STRAY, batched, random_sets
from setclosure.decoders.base import DecoderConfig
from setclosure.errors import ConformanceError, SetclosureError
from setclosure.reconstruction.base import ReconstructionConfig
from setclosure.seeds import numpy_stream, seeded, torch_stream
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

C = 3
"""Numbers of a closure."""

DRAWS = 20
"""Draws of random numbers over which a loss is averaged before two are compared."""

STANDARD_ERRORS = 6.0
"""Difference of two such means that chance may make."""


def check_reconstruction(config: ReconstructionConfig, decoder: DecoderConfig | None = None) -> Report:
    """Check the promises of a reconstruction.

    Parameters
    ----------
    config : ReconstructionConfig
        The reconstruction with its options. One that pairs particles by their index (``by_index``) is asked about
        neither order nor padding.
    decoder : DecoderConfig, optional
        A decoder that it takes; by default those that registered methods use it with, or else the first registered one
        that goes.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.

    Examples
    --------
    >>> from setclosure.reconstruction.distribution import DistributionConfig
    >>> from setclosure.decoders.gaussian_mixture import GaussianMixtureConfig
    >>> report = check_reconstruction(DistributionConfig(samples=8), GaussianMixtureConfig(hidden=8))
    >>> report.promises[-1]
    'the score of a microstate is the same whatever is in the batch with it'
    """
    report = begun("reconstruction", config)
    with report.promise("the loss of each microstate, (B,), is finite, with a bandwidth for each feature or for all"):
        known = [decoder] if decoder is not None else partners("decoder", "reconstruction", config.part_name)
        tried = _first_that_goes(config, known)
        tried.shapes()
    with report.promise("the loss has finite gradients for the decoder and for the closure"):
        tried.gradients()
    if not config.by_index:
        with report.promise("the order of the particles changes nothing but the random numbers"):
            tried.order()
        with report.promise("padding changes nothing but the random numbers"):
            tried.padding()
    with report.promise("the same random numbers give the same loss"):
        batch = tried.batch()
        require_same(tried.loss(batch, tried.embeddings), tried.loss(batch, tried.embeddings), "two losses", 0.0)
    with report.promise("the score of a microstate is the same whatever is in the batch with it"):
        tried.scores()
    return report


class _Tried:
    """A reconstruction with a decoder, and the sets on which they are tried."""

    def __init__(self, config: ReconstructionConfig, decoder: DecoderConfig, kind: MicrostateKind) -> None:
        self.config, self.kind, n = config, kind, kind.n_particles
        with seeded(0, "conformance"):
            self.decoder: Any = decoder.build(kind, C).double().eval()
        with torch.no_grad():  # image decoders begin with zeros, which would hide what follows
            for p in self.decoder.parameters():
                p.add_(0.02 * torch.randn(p.shape, generator=torch_stream(0, "weights"), dtype=p.dtype))
        self.sets = random_sets(kind, (n, n, n) if config.by_index else (n, 5, 20))
        shape = (len(self.sets), kind.n_species, C)
        self.embeddings = torch.randn(shape, generator=torch_stream(0, "closures"), dtype=torch.float64)
        self.bandwidth = torch.full((kind.n_features,), 0.3, dtype=torch.float64)

    def batch(self, stray: float = 0.0) -> MicrostateBatch:
        return batched(self.sets, self.kind, stray=stray)

    def loss(self, batch: MicrostateBatch, embeddings: Tensor, seed: int = 0, bandwidth: Any = None) -> Tensor:
        built = self.config.build(self.bandwidth if bandwidth is None else bandwidth)
        loss: Tensor = built.loss(batch, embeddings, self.decoder, torch_stream(seed, "loss"))
        return loss

    def shapes(self) -> None:
        for bandwidth in (self.bandwidth, 0.3):
            loss = self.loss(self.batch(), self.embeddings, bandwidth=bandwidth)
            require_shape(loss, (len(self.sets),), "the loss")
            require_finite(loss, "the loss")

    def gradients(self) -> None:
        embeddings = self.embeddings.clone().requires_grad_()
        require_gradients(self.decoder, self.loss(self.batch(), embeddings).sum())
        require(embeddings.grad is not None, "the loss does not depend on the closure, so no encoder can learn.")
        require_finite(torch.as_tensor(embeddings.grad), "the gradient of the closure")

    def order(self) -> None:
        rng = numpy_stream(1, "conformance")
        others = [one.reordered(rng.permutation(len(one.points))) for one in self.sets]
        self._compare(self.batch(), batched(others, self.kind), "the mean losses of particles in two orders")

    def padding(self) -> None:
        """Compare the loss of each set alone with that in a batch of larger ones."""
        for i, one in enumerate(self.sets):
            mates = batched([one, *self.sets], self.kind, stray=STRAY)[:1]
            self._compare(mates, batched([one], self.kind), "the mean losses with and without padding", slice(i, i + 1))

    def _compare(self, one: MicrostateBatch, other: MicrostateBatch, what: str, rows: slice = slice(None)) -> None:
        with torch.no_grad():
            found = [
                torch.stack([self.loss(batch, self.embeddings[rows], seed) for seed in range(first, first + DRAWS)])
                for first, batch in ((0, one), (DRAWS, other))
            ]
        gap = (found[0].mean(0) - found[1].mean(0)).abs()
        chance = (found[0].var(0) + found[1].var(0)).div(DRAWS).sqrt()
        limit = STANDARD_ERRORS * chance + 1e-9 * (1 + found[1].mean(0).abs())
        b = int((gap - limit).argmax())
        require(
            bool((gap <= limit).all()),
            f"{what} differ by {float(gap[b]):.3g} for microstate {b}; at most {float(limit[b]):.3g} may come from "
            "chance or rounding.",
        )

    def scores(self) -> None:
        built = self.config.build(self.bandwidth)
        batch = self.batch()

        def score(one: MicrostateBatch, rows: slice) -> Tensor:
            found: Tensor = built.score(one, self.embeddings[rows], self.decoder, torch_stream(0, "score"))
            return found

        with torch.no_grad():
            together = score(batch, slice(None))
            require_shape(together, (len(batch),), "the score")
            if bool(together.isnan().all()):
                return  # it has none
            rows = [score(batched([one], self.kind), slice(i, i + 1)) for i, one in enumerate(self.sets)]
        require_same(torch.cat(rows), together, "scores of microstates alone, and in a batch", 1e-9)


def _first_that_goes(config: ReconstructionConfig, decoders: list[DecoderConfig]) -> _Tried:
    """Join the reconstruction with the first decoder, and the first kind of microstates, with which it has a loss."""
    refused = []
    for kind in (SETS[0], PIXELS[0]):
        for decoder in decoders:
            try:
                tried = _Tried(config, decoder, kind)
                tried.shapes()
                return tried
            except (SetclosureError, RuntimeError, AttributeError, TypeError, ValueError) as error:
                refused.append(f"with decoder '{decoder.part_name}': {error}")
    raise ConformanceError("; ".join(refused[: len(decoders)]))
