"""The autoencoder of one closure method: particle frame, encoder, decoder, reconstruction (Fig. 2)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from setclosure.decoders.gaussian_mixture import GaussianMixture
from setclosure.decoders.spline_flow import SplineFlow
from setclosure.dynamics.macro_dynamics import DiffusionConfig, DriftConfig
from setclosure.errors import ModelError
from setclosure.methods import METHODS
from setclosure.microstates import MicrostateBatch
from setclosure.reconstruction.distribution import DistributionReconstruction
from setclosure.seeds import torch_stream
from setclosure.settings import OptionsError, Settings
from setclosure.symmetry import ParticleFrame, Symmetry

CHUNK_PARTICLES = defaultdict(lambda: 2**20, cpu=2**14)
"""Particles encoded at once, by kind of device: on a processor few enough that their activations stay in the cache."""


class ModelSettings(Settings):
    """Everything that defines a closure model; the method's row decides which options the parts have."""

    method: str = Field("ours", description="A row of the table of methods.")
    closure_dim: int = Field(8, ge=0, description="Numbers of the closure ẑ for each species, c.")
    bandwidth: float = Field(0.01, gt=0, description="ε of q_X (Eq. 2), in the units of the coordinates.")
    symmetry: Symmetry = Field(
        "none",
        description="What neither law nor observable sees: none, translation, or euclidean (with rotations).",
    )
    encoder: dict[str, Any] = Field(default_factory=dict, description="Options of the method's encoder.")
    decoder: dict[str, Any] = Field(default_factory=dict, description="Options of the method's decoder.")
    reconstruction: dict[str, Any] = Field(default_factory=dict, description="Options of the reconstruction.")
    drift: DriftConfig = Field(default_factory=DriftConfig, description="Drift g of the macro dynamics.")
    diffusion: DiffusionConfig = Field(default_factory=DiffusionConfig, description="Diffusion Σ.")

    @field_validator("method")
    @classmethod
    def _known_method(cls, name: str) -> str:
        if name not in METHODS:
            raise ValueError(f"unknown method; known methods: {', '.join(METHODS)}")
        return name

    @model_validator(mode="after")
    def _options_of_the_method(self) -> ModelSettings:
        row = METHODS[self.method]
        for part in ("encoder", "decoder", "reconstruction"):
            config, options = getattr(row, part), getattr(self, part)
            if config is not None:
                config.check_options(options, part)
            elif options:
                raise OptionsError([f"{part}: method '{self.method}' has no {part}, so it takes no such options."])
        return self


class Autoencoder(nn.Module):
    """Encoder and decoder of a method, seen through a :class:`ParticleFrame`.

    Parameters
    ----------
    settings : ModelSettings
        The method and its options.
    n_features, n_species : int
        d and S of the microstates.
    """

    def __init__(self, settings: ModelSettings, n_features: int, n_species: int) -> None:
        super().__init__()
        row = METHODS[settings.method]
        c = settings.closure_dim if row.encoder else 0
        self.settings, self.n_features, self.n_species = settings, n_features, n_species
        self.closure_dim = c * n_species
        self.frame = ParticleFrame(n_features, settings.symmetry)
        self.encoder = row.encoder.model_validate(settings.encoder).build(n_features, c) if row.encoder else None
        self.decoder = row.decoder.model_validate(settings.decoder).build(n_features, c) if row.decoder else None
        self.reconstruction = row.reconstruction.model_validate(settings.reconstruction) if row.reconstruction else None

    def forward(self, batch: MicrostateBatch) -> Tensor:
        """Closures ẑ ``(B, S·c)``: the embeddings of all species in a row."""
        self.check_fits(batch)
        return self._embed(self.frame(batch)).flatten(1)

    def encode(self, batch: MicrostateBatch, chunk_particles: int | None = None) -> Tensor:
        """Closures ``(B, S·c)`` without gradients, some microstates at a time, on the model's device."""
        self.check_fits(batch)
        device = self.frame.scale.device
        sets = max(1, (chunk_particles or CHUNK_PARTICLES[device.type]) // batch.points.shape[1])
        with torch.inference_mode():
            parts = [self(batch[i : i + sets].to(device)) for i in range(0, len(batch), sets)]
            return torch.cat(parts).to(batch.points.device)

    def encode_kl(self, batch: MicrostateBatch) -> Tensor:
        """KL(q_X ‖ p) of each microstate ``(B,)`` without gradients, always with the same random numbers.

        NaN for a method without a density.
        """
        if self.reconstruction is None:
            return torch.full((len(batch),), float("nan"))
        with torch.inference_mode():
            parts = (batch[i : i + 1] for i in range(len(batch)))
            # one stream for each microstate, so that batch mates change nothing
            return torch.cat([self.kl(one, torch_stream(0, "kl", device=one.points.device)) for one in parts])

    def loss(self, batch: MicrostateBatch, generator: torch.Generator) -> Tensor:
        """Reconstruction loss of each microstate ``(B,)``, up to a constant of q_X's own (Eq. 3)."""
        framed = self.frame(batch)
        return self._reconstruction().loss(framed, self._embed(framed), self._decoder(), generator)

    def kl(self, batch: MicrostateBatch, generator: torch.Generator) -> Tensor:
        """Monte-Carlo KL(q_X ‖ p) of each microstate ``(B,)``; coordinates cancel in it (Eq. 3)."""
        framed = self.frame(batch)
        return self._reconstruction().kl(framed, self._embed(framed), self._decoder(), generator)

    def log_density(self, x: Tensor, batch: MicrostateBatch) -> Tensor:
        """Log p(x | ẑ) at ``x (B, n, d)`` in the coordinates of ``batch``, for each species: ``(B, S, n)``."""
        framed = self.frame(batch)
        offset = batch.points[:, :1] - framed.points[:, :1] * self.frame.scale  # centre + shift of each microstate
        B, S, n = len(batch), self.n_species, x.shape[1]
        u = ((x - offset) / self.frame.scale)[:, None].expand(B, S, n, self.n_features)
        log_p: Tensor = self._decoder().log_prob(u.flatten(0, 1), self._embed(framed).flatten(0, 1))
        return log_p.reshape(B, S, n) - self.frame.scale.log().sum()

    def check_fits(self, batch: MicrostateBatch) -> None:
        """Raise a :class:`ModelError` if d or S of ``batch`` are not those of the model."""
        if batch.n_features != self.n_features or batch.n_species != self.n_species:
            raise ModelError(
                f"the microstates have d = {batch.n_features} features and {batch.n_species} species; this model was "
                f"made for d = {self.n_features} and {self.n_species} species. Give it microstates of the same kind, "
                "or train another model."
            )

    def _embed(self, framed: MicrostateBatch) -> Tensor:
        if self.encoder is None:
            return framed.points.new_zeros(len(framed), self.n_species, 0)
        embedding: Tensor = self.encoder(framed)
        return embedding.to(framed.points.dtype)  # from half precision, if the trainer has mixed it in

    def _decoder(self) -> SplineFlow | GaussianMixture:
        if self.decoder is None:
            raise ModelError(f"method '{self.settings.method}' has no decoder, so it has no density.")
        return self.decoder

    def _reconstruction(self) -> DistributionReconstruction:
        if self.reconstruction is None:
            raise ModelError(f"method '{self.settings.method}' reconstructs nothing.")
        return self.reconstruction.build(self.settings.bandwidth / self.frame.scale)
