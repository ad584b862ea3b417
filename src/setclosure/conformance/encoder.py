"""The promises of encoders: nothing but the set itself reaches a closure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from setclosure.conformance.report import Report, begun
from setclosure.conformance.require import (
    require,
    require_different,
    require_finite,
    require_gradients,
    require_reload,
    require_same,
    require_shape,
)
from setclosure.conformance.sets import PIXELS, SETS, STRAY, Particles, batched, random_sets
from setclosure.encoders.base import EncoderConfig
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.specification import ModelSettings
from setclosure.seeds import numpy_stream, seeded, torch_stream
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

Batches = list[MicrostateBatch]

C = 3
"""Numbers of a closure."""


def check_encoder(config: EncoderConfig, kinds: Sequence[MicrostateKind] | None = None) -> Report:
    """Check the promises of an encoder.

    An encoder that reads a list (``ordered``) is not asked about order, sizes, weights and species, and one that reads
    features as they are (``raw``) is given pixels, and not asked about weights.

    Parameters
    ----------
    config : EncoderConfig
        The encoder with its options.
    kinds : sequence of MicrostateKind, optional
        The microstates on which it is tried; by default positions in the plane, and two species with more features.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.

    Examples
    --------
    >>> from setclosure.encoders.deep_set import DeepSetConfig
    >>> len(check_encoder(DeepSetConfig(width=8)).promises)
    13
    """
    report = begun("encoder", config)
    tried = [_Tried(config, kind) for kind in kinds or (PIXELS if config.raw else SETS)]
    checks: dict[str, Callable[[_Tried], None]] = {
        "microstates (B, N, d) of S species have embeddings (B, S, c), which are finite": _Tried.shapes,
        "a microstate has the same closure whatever is in the batch with it, and again and again": _Tried.mates,
        "chunks of microstates that are encoded together change nothing": _Tried.chunks,
        "different microstates have different closures": _Tried.differences,
        "its weights are saved and loaded": _Tried.reload,
    }
    if config.trained:
        checks["every parameter has a finite gradient"] = _Tried.gradients
    if not config.ordered:
        checks |= {
            "the order of the particles changes nothing": _Tried.order,
            "padding changes nothing, whatever stands in its places": _Tried.padding,
            "an empty microstate has a finite closure, and finite gradients": _Tried.empty,
        }
    if not (config.joint or config.ordered):
        checks["one map serves all species, and each has a row of its own"] = _Tried.species
    if not config.ordered and not config.raw:
        checks["a particle of twice the weight is two particles"] = _Tried.weights
    if not config.raw:
        checks["in a periodic cell neither the origin nor the wrapping of the particles changes a closure"] = (
            _Tried.cell
        )
    report.keeps(checks, tried)
    return report


class _Tried:
    """An encoder of one kind of microstates, and the sets on which it is tried."""

    def __init__(self, config: EncoderConfig, kind: MicrostateKind) -> None:
        self.config, self.kind = config, kind
        n = kind.n_particles
        self.sets = random_sets(kind, (n, n, n, n) if config.ordered else (n, 5, 30, 2))

    def made(self, dtype: torch.dtype = torch.float64, seed: int = 0) -> nn.Module:
        with seeded(seed, "conformance"):
            encoder: Any = self.config.build(self.kind, C)
        require(isinstance(encoder, nn.Module), f"build gave a {type(encoder).__name__}; expected a torch.nn.Module.")
        module: nn.Module = self._fitted(encoder, self.kind).to(dtype).eval()
        return module

    def _fitted(self, encoder: Any, kind: MicrostateKind) -> Any:
        """Fit an encoder that is not trained to some microstates."""
        if not self.config.trained:
            encoder.fit(encoder.statistics(batched(random_sets(kind, range(4, 24)), kind, torch.float32)))
        return encoder

    @property
    def rows(self) -> int:
        """The rows of an embedding: one for each species, or one for all."""
        return 1 if self.config.joint else self.kind.n_species

    def all_closures(self, encoder: nn.Module) -> Tensor:
        closures: Tensor = encoder(batched(self.sets, self.kind))
        return closures

    def compare(self, one: Batches, other: Batches, what: str) -> None:
        """Require the same closures of the microstates in two lists of batches, in both precisions."""
        for dtype in (torch.float64, torch.float32):
            encoder = self.made(dtype)
            found, expected = (torch.cat([encoder(batch.to(dtype)) for batch in batches]) for batches in (one, other))
            require_same(found, expected, f"{what} ({dtype})")

    def alone(self, sets: Sequence[Particles]) -> Batches:
        """Give each microstate as a batch of its own."""
        return [batched([one], self.kind) for one in sets]

    def shapes(self) -> None:
        embedding = self.made()(batched(self.sets, self.kind))
        require_shape(embedding, (len(self.sets), self.rows, C), f"the embedding of {_words(self.kind)}")
        require_finite(embedding, f"the embedding of {_words(self.kind)}")

    def reload(self) -> None:
        require_reload(self.made(), self.made(seed=1), self.all_closures)

    def order(self) -> None:
        rng = numpy_stream(1, "conformance")
        others = [one.reordered(rng.permutation(len(one.points))) for one in self.sets]
        self.compare(self.alone(others), self.alone(self.sets), "the closures of particles in another order")

    def padding(self) -> None:
        padded = batched(self.sets, self.kind, stray=STRAY)
        self.compare([padded], self.alone(self.sets), "the closures of padded microstates")

    def mates(self) -> None:
        same_size = [random_sets(self.kind, (self.kind.n_particles,), seed)[0] for seed in range(3)]
        batch = batched(same_size, self.kind)
        self.compare([batch], self.alone(same_size), "the closures of a batch")
        encoder = self.made()
        require_same(encoder(batch), encoder(batch), "the closures of the same batch", 0.0)

    def chunks(self) -> None:
        settings = ModelSettings(method="inve", encoder=self.config, closure_dim=C)
        with seeded(0, "conformance"):
            autoencoder = Autoencoder(settings, self.kind).eval()
        self._fitted(autoencoder.encoder, autoencoder.coordinates.encoder_kind(self.kind))
        batch = batched(self.sets, self.kind, torch.float32)
        whole = autoencoder.encode(batch)
        for sets in (1, 3):
            require_same(autoencoder.encode(batch, sets * batch.points.shape[1]), whole, f"chunks of {sets}")

    def weights(self) -> None:
        one = self.sets[0]
        heavy = Particles(one.points, one.species, one.masses * np.where(np.arange(len(one.points)) == 0, 2.0, 1.0))
        twice = np.concatenate([[0], np.arange(len(one.points))])
        pair = self.alone([heavy]), self.alone([one.reordered(twice)])
        self.compare(*pair, "the closures of a set with a heavy particle, and with two in its place")

    def species(self) -> None:
        if self.kind.n_species == 1:
            return
        encoder, batch = self.made(), batched(self.sets, self.kind)
        rows = encoder(batch)
        of_last = batch.weights[:, -1] > 0
        moved = encoder(batch.with_points(batch.points + 0.5 * of_last[..., None]))
        require_same(moved[:, :-1], rows[:, :-1], "the rows of other species, when particles of one have moved")
        swapped = encoder(batch.with_weights(batch.weights.flip(1)))
        require_same(swapped.flip(1), rows, "the rows of species that have changed their names")

    def cell(self) -> None:
        k = self.kind.features.position
        kind = MicrostateKind(
            self.kind.features, self.kind.n_species, self.kind.n_particles, periodic=(True,) * k if k else ()
        )
        settings = ModelSettings(method="inve", encoder=self.config, closure_dim=C, symmetry="translation")
        with seeded(0, "conformance"):
            autoencoder = Autoencoder(settings, kind).eval()
        self._fitted(autoencoder.encoder, autoencoder.coordinates.encoder_kind(kind))
        autoencoder = autoencoder.double()
        if not k:
            return
        box = torch.diag(torch.linspace(3.0, 4.0, k, dtype=torch.float64))
        box[-1, 0] += 0.5 * (k > 1)  # not at right angles
        bare = batched(self.sets, kind)
        batch = MicrostateBatch(bare.points, bare.weights, bare.features, box.expand(len(bare), -1, -1))
        stream = torch_stream(0, "conformance", "cell")
        images = torch.randint(-2, 3, (*batch.points.shape[:2], k), generator=stream).double() @ box
        shift = torch.rand(len(batch), 1, k, generator=stream, dtype=torch.float64) @ box
        moved = torch.cat([batch.points[..., :k] + images + shift, batch.points[..., k:]], dim=-1)
        found, expected = autoencoder.encode(batch.with_points(moved)), autoencoder.encode(batch)
        require_shape(expected, (len(batch), self.rows * C), "the closures of microstates in a cell")
        require_same(found, expected, "closures after a shift and another wrapping", 1e-8)
        require_different(expected[0], expected[1], "the closures of two microstates in a cell")

    def differences(self) -> None:
        closures = self.all_closures(self.made())
        require_different(closures[0], closures[1], "the closures of two microstates")

    def empty(self) -> None:
        encoder = self.made()
        nothing = MicrostateBatch.from_arrays(
            [np.zeros((0, self.kind.n_features)), self.sets[0].points],
            n_species=self.kind.n_species,
            dtype=torch.float64,
            features=self.kind.features,
        )
        closures = encoder(nothing)
        require_finite(closures, "the closure of an empty microstate")
        if self.config.trained:
            require_gradients(encoder, (closures - 1).square().sum())

    def gradients(self) -> None:
        encoder = self.made()
        require_gradients(encoder, (self.all_closures(encoder) - 1).square().sum())


def _words(kind: MicrostateKind) -> str:
    return f"microstates with features {', '.join(kind.features.names)} and {kind.n_species} species"
