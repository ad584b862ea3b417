"""Encoders, decoders and reconstructions that break one promise are told which."""

from __future__ import annotations

import math
import re

import pytest
import torch
from pydantic import Field
from torch import nn

from setclosure.conformance import check, check_decoder, check_encoder, check_reconstruction
from setclosure.decoders.base import DecoderConfig
from setclosure.decoders.gaussian_mixture import GaussianMixtureConfig
from setclosure.encoders.base import EncoderConfig
from setclosure.errors import ConformanceError, ModelError
from setclosure.reconstruction.base import LossAlone, ReconstructionConfig


def told(sentence):
    return pytest.raises(ConformanceError, match=rf"'broken' breaks a promise: {re.escape(sentence)}\. \S+")


# ── encoders ──────────────────────────────────────────────────────────────────────────────────────────────────


class Pooled(nn.Module):
    """Σ_i w_i φ(x_i) and a linear map, in steps that a broken encoder changes."""

    def __init__(self, kind, c):
        super().__init__()
        self.phi, self.rho = nn.Linear(kind.n_features, 8), nn.Linear(8, c)

    def weights(self, batch):
        return batch.weights

    def pooled(self, batch):
        return self.weights(batch) @ self.phi(batch.points).tanh()

    def forward(self, batch):
        return self.rho(self.pooled(batch))


class NoSpecies(Pooled):
    def forward(self, batch):
        return super().forward(batch)[:, 0]


class BatchMean(Pooled):
    def forward(self, batch):
        out = super().forward(batch)
        return out - out.mean(dim=0)


class CountsBatch(Pooled):
    def forward(self, batch):
        return super().forward(batch) + (0 if batch.mask.all() else len(batch))


class Constant(Pooled):
    def pooled(self, batch):
        return 0 * super().pooled(batch)


class Unused(Pooled):
    def __init__(self, kind, c):
        super().__init__(kind, c)
        self.unused = nn.Linear(2, 2)


class Forgetful(Pooled):
    def __init__(self, kind, c):
        super().__init__(kind, c)
        self.hidden = torch.randn(())

    def forward(self, batch):
        return super().forward(batch) + self.hidden


class First(Pooled):
    def pooled(self, batch):
        return super().pooled(batch) + self.phi(batch.points[:, :1])


class SeesPadding(Pooled):
    def pooled(self, batch):
        return super().pooled(batch) + self.phi(batch.points).mean(dim=1, keepdim=True)


class AllTogether(Pooled):
    def weights(self, batch):
        return batch.particle_weights[:, None].expand_as(batch.weights)


class Divides(Pooled):
    def weights(self, batch):
        return batch.weights / batch.weights.sum(dim=2, keepdim=True)


class Counts(Pooled):
    def weights(self, batch):
        there = (batch.weights > 0).to(batch.points.dtype)
        return there / there.sum(dim=2, keepdim=True).clamp(min=1)


class NeedsPlaces(Pooled):
    """Reads the coordinates of a position, of which there are none where harmonics stand for them."""

    def __init__(self, kind, c):
        super().__init__(kind, c)
        self.k = kind.features.position
        self.phi = nn.Linear(max(self.k, 1), 8)

    def pooled(self, batch):
        places = batch.points[..., : self.k] if self.k else torch.zeros_like(batch.points[..., :1])
        return self.weights(batch) @ self.phi(places).tanh()


ENCODERS = {
    "microstates (B, N, d) of S species have embeddings (B, S, c), which are finite": NoSpecies,
    "a microstate has the same closure whatever is in the batch with it, and again and again": BatchMean,
    "chunks of microstates that are encoded together change nothing": CountsBatch,
    "different microstates have different closures": Constant,
    "every parameter has a finite gradient": Unused,
    "its weights are saved and loaded": Forgetful,
    "the order of the particles changes nothing": First,
    "padding changes nothing, whatever stands in its places": SeesPadding,
    "one map serves all species, and each has a row of its own": AllTogether,
    "an empty microstate has a finite closure, and finite gradients": Divides,
    "a particle of twice the weight is two particles": Counts,
    "in a periodic cell neither the origin nor the wrapping of the particles changes a closure": NeedsPlaces,
}
READ_BACK = "its configuration is stored with every option and read back the same"


def encoder(module, **facts):
    class Config(EncoderConfig):
        width: int = Field(1, **facts)

        def build(self, kind, closure_dim):
            return module(kind, closure_dim)

    return Config


def test_there_is_a_broken_encoder_for_every_promise():
    assert {READ_BACK, *ENCODERS} == set(check("encoder", "deep_set").promises)


def test_the_encoder_that_the_broken_ones_come_from_keeps_all(known):
    assert check_encoder(known("encoder", encoder(Pooled))()).promises


@pytest.mark.parametrize("sentence", ENCODERS)
def test_a_broken_encoder_is_told(known, sentence):
    config = known("encoder", encoder(ENCODERS[sentence]))
    with told(sentence):
        check_encoder(config())


def test_an_option_that_is_not_stored_is_told(known):
    with told(READ_BACK):
        check_encoder(known("encoder", encoder(Pooled, exclude=True))())
    unregistered = encoder(Pooled)
    with pytest.raises(ConformanceError, match="its class is not registered: decorate it"):
        check_encoder(unregistered())


# ── decoders ──────────────────────────────────────────────────────────────────────────────────────────────────


class Gaussian(nn.Module):
    """Independent normal features, in steps that a broken decoder changes."""

    def __init__(self, kind, c):
        super().__init__()
        self.network = nn.Linear(c, 2 * kind.n_features)

    def parts(self, context):
        return self.network(context)[:, None].chunk(2, dim=-1)

    def log_each(self, x, context):
        middle, log_scale = self.parts(context)
        return -0.5 * ((x - middle) / log_scale.exp()).square() - log_scale - 0.5 * math.log(2 * math.pi)

    def log_prob(self, x, context):
        return self.log_each(x, context).sum(dim=-1)

    @torch.no_grad()
    def sample(self, context, n, generator=None):
        middle, log_scale = self.parts(context)
        noise = torch.randn(len(context), n, middle.shape[-1], generator=generator, dtype=context.dtype)
        return middle + log_scale.exp() * noise


class EachFeature(Gaussian):
    def log_prob(self, x, context):
        return self.log_each(x, context)


class Untrainable(Gaussian):
    def log_prob(self, x, context):
        return super().log_prob(x, context).detach()


class Unconditional(Gaussian):
    def parts(self, context):
        return super().parts(torch.ones_like(context))


class Unnormalised(Gaussian):
    def log_each(self, x, context):
        return super().log_each(x, context) + 0.05


class TooWide(Gaussian):
    @torch.no_grad()
    def sample(self, context, n, generator=None):
        return 1.3 * super().sample(context, n, generator)


class OwnNoise(Gaussian):
    def sample(self, context, n, generator=None):
        return super().sample(context, n, None)


class Underflows(Gaussian):
    def log_prob(self, x, context):
        return super().log_prob(x, context).exp().log()


class ForgetfulDensity(Gaussian):
    def __init__(self, kind, c):
        super().__init__(kind, c)
        self.hidden = torch.randn(())

    def parts(self, context):
        middle, log_scale = super().parts(context)
        return middle + self.hidden, log_scale


class Cardioid(Gaussian):
    """Angles with the density (1 + ρ cos(x − m)) / 2π, and normal features."""

    def __init__(self, kind, c):
        super().__init__(kind, c)
        self.circular = torch.tensor(kind.circular or (False,) * kind.n_features)

    def on_circle(self, x, middle, scale):
        return (1 + scale.tanh() * (x - middle).cos()).log() - math.log(2 * math.pi)

    def log_each(self, x, context):
        middle, scale = self.parts(context)
        return torch.where(self.circular, self.on_circle(x, middle, scale), super().log_each(x, context))

    @torch.no_grad()
    def sample(self, context, n, generator=None):
        x = super().sample(context, n, generator)
        middle, scale = self.parts(context)
        for g in range(len(x)):
            for j in torch.nonzero(self.circular).flatten().tolist():
                angle = (2 * torch.rand(8 * n, generator=generator, dtype=x.dtype) - 1) * math.pi
                height = self.on_circle(angle, middle[g, 0, j], scale[g, 0, j]).exp() * math.pi
                x[g, :, j] = angle[torch.rand(8 * n, generator=generator) < height][:n]
        return x


class UntrainableAngles(Cardioid):
    def on_circle(self, x, middle, scale):
        return super().on_circle(x, middle.detach(), scale.detach())


class UnnormalisedAngles(Cardioid):
    def on_circle(self, x, middle, scale):
        return super().on_circle(x, middle, scale) + 0.05


def refuse(kind, c):
    raise ModelError("these particles are too many")


class Points(nn.Module):
    """Closures to particles, in steps that a broken decoder changes."""

    def __init__(self, kind, c):
        super().__init__()
        self.kind, self.network = kind, nn.Linear(c * kind.n_species, kind.n_particles * kind.n_features)

    def forward(self, closure):
        return self.network(closure).unflatten(1, (self.kind.n_particles, self.kind.n_features))


class FlatPoints(Points):
    def forward(self, closure):
        return self.network(closure)


class Detached(Points):
    def forward(self, closure):
        return super().forward(closure.detach())


class MixedPoints(Points):
    def forward(self, closure):
        return super().forward(closure - closure.mean(dim=0))


DENSITIES = {
    "it is built for microstates of positions, or of pixels": refuse,
    "log densities (G, K) and samples (G, n, d) have the shapes that were asked for": EachFeature,
    "every parameter has a finite gradient, and training raises the likelihood": Untrainable,
    "the context decides on the density, and only that of the set itself": Unconditional,
    "the density integrates to one, in one dimension and in two": Unnormalised,
    "samples follow the density": TooWide,
    "the same random numbers give the same sample, and others another": OwnNoise,
    "log densities are finite far outside the data, in single precision, too": Underflows,
    "its weights are saved and loaded": ForgetfulDensity,
}
OTHERS = {
    "a reconstruction compares what it makes with microstates, (B,), by a finite loss": FlatPoints,
    "every parameter has a finite gradient, and the closure, too": Detached,
    "the closures of other microstates change nothing": MixedPoints,
}


CIRCLES = {
    "with features that are angles, training raises the likelihood, and gradients are finite": UntrainableAngles,
    "a whole turn of an angle changes no log density": Gaussian,
    "the density integrates to one on circles, and samples follow it there": UnnormalisedAngles,
}


def decoder(module, circles=False, **facts):
    class Config(DecoderConfig):
        on_circles = circles
        width: int = Field(1, **facts)

        def build(self, kind, closure_dim):
            return module(kind, closure_dim)

    return Config


def test_there_is_a_broken_decoder_for_every_promise(known):
    density = check("decoder", "gaussian_mixture", {"hidden": 8, "components": 2}).promises
    other = check("decoder", "pointwise_mlp", {"hidden": 8}).promises
    circles = check_decoder(known("decoder", decoder(Cardioid, circles=True))()).promises
    assert {READ_BACK, *DENSITIES, *OTHERS} == {*density, *other}
    assert {READ_BACK, *DENSITIES, *CIRCLES} == set(circles)


def test_the_decoders_that_the_broken_ones_come_from_keep_all(known):
    assert len(check_decoder(known("decoder", decoder(Gaussian))()).promises) == 1 + len(DENSITIES)
    assert len(check_decoder(known("decoder", decoder(Points))()).promises) == 3 + len(OTHERS)


@pytest.mark.parametrize(("sentence", "module"), [*DENSITIES.items(), *OTHERS.items()])
def test_a_broken_decoder_is_told(known, sentence, module):
    config = known("decoder", decoder(module))
    with told(sentence):
        check_decoder(config())


@pytest.mark.parametrize(("sentence", "module"), CIRCLES.items())
def test_a_decoder_that_is_broken_on_circles_is_told(known, sentence, module):
    config = known("decoder", decoder(module, circles=True))
    with told(sentence):
        check_decoder(config())


def test_an_option_of_a_decoder_that_is_not_stored_is_told(known):
    with told(READ_BACK):
        check_decoder(known("decoder", decoder(Gaussian, exclude=True))())


# ── reconstructions ───────────────────────────────────────────────────────────────────────────────────────────


class MeanLogDensity(LossAlone):
    """−Σ_i w_i log p(x_i), in steps that a broken reconstruction changes."""

    def weights(self, batch):
        return batch.weights[:, 0]

    def loss(self, batch, embeddings, decoder, generator=None):
        return -(self.weights(batch) * decoder.log_prob(batch.points, embeddings[:, 0])).sum(dim=1)


class Scalar(MeanLogDensity):
    def loss(self, *arguments):
        return super().loss(*arguments).mean()


class BlindToClosure(MeanLogDensity):
    def loss(self, batch, embeddings, decoder, generator=None):
        return super().loss(batch, embeddings.detach(), decoder)


class FirstParticle(MeanLogDensity):
    def weights(self, batch):
        return torch.eye(batch.points.shape[1], dtype=batch.points.dtype)[:1]


class OverPadding(MeanLogDensity):
    def weights(self, batch):
        return torch.full_like(batch.weights[:, 0], 1 / batch.points.shape[1])


class GlobalNoise(MeanLogDensity):
    def loss(self, batch, embeddings, decoder, generator=None):
        return super().loss(batch.with_points(batch.points + 0.1 * torch.randn_like(batch.points)), embeddings, decoder)


class RelativeScore(MeanLogDensity):
    def score(self, batch, embeddings, decoder, generator=None):
        found = self.loss(batch, embeddings, decoder)
        return found - found.mean()


RECONSTRUCTIONS = {
    "the loss of each microstate, (B,), is finite, with a bandwidth for each feature or for all": Scalar,
    "the loss has finite gradients for the decoder and for the closure": BlindToClosure,
    "the order of the particles changes nothing but the random numbers": FirstParticle,
    "padding changes nothing but the random numbers": OverPadding,
    "the same random numbers give the same loss": GlobalNoise,
    "the score of a microstate is the same whatever is in the batch with it": RelativeScore,
}
DECODER = GaussianMixtureConfig(hidden=8, components=2)


def reconstruction(made, **facts):
    class Config(ReconstructionConfig):
        width: int = Field(1, **facts)

        def build(self, bandwidth):
            return made()

    return Config


def test_there_is_a_broken_reconstruction_for_every_promise():
    assert {READ_BACK, *RECONSTRUCTIONS} == set(check("reconstruction", "distribution", {"samples": 4}).promises)


def test_the_reconstruction_that_the_broken_ones_come_from_keeps_all(known):
    assert check_reconstruction(known("reconstruction", reconstruction(MeanLogDensity))(), DECODER).promises


@pytest.mark.parametrize("sentence", RECONSTRUCTIONS)
def test_a_broken_reconstruction_is_told(known, sentence):
    config = known("reconstruction", reconstruction(RECONSTRUCTIONS[sentence]))
    with told(sentence):
        check_reconstruction(config(), DECODER)


def test_an_option_of_a_reconstruction_that_is_not_stored_is_told(known):
    with told(READ_BACK):
        check_reconstruction(known("reconstruction", reconstruction(MeanLogDensity, exclude=True))(), DECODER)
