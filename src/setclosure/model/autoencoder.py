"""The autoencoder of one closure method: particle frame, encoder, decoder, reconstruction (Fig. 2)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from setclosure.trajectories.dataset import Ensemble
from setclosure.decoders.base import ConditionalDensity
from setclosure.dynamics.macro_dynamics import DiffusionConfig, DriftConfig
from setclosure.errors import ModelError
from setclosure.model.methods import METHODS
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.reconstruction.distribution import DistributionConfig
from setclosure.seeds import torch_stream
from setclosure.settings import OptionsError, Settings
from setclosure.sets.coordinates import ParticleFrame, RawFrame, Symmetry

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
    weight_feature: int | None = Field(
        None, ge=0, description="Feature by which particles weigh, such as 2, the grey level of pixels. null: alike."
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
        if row.reads_images and self.symmetry != "none":
            raise OptionsError(
                [f"symmetry: method '{self.method}' reads images, so it takes 'none'; got '{self.symmetry}'."]
            )
        if row.encoder is not None and self.closure_dim == 0:
            raise OptionsError([f"closure_dim: method '{self.method}' has a closure; 0 is for method 'none'."])
        if self.weight_feature is not None and self.symmetry == "euclidean":
            raise OptionsError(["weight_feature: rotations, of symmetry 'euclidean', mix features; use null."])
        if self.weight_feature is not None and row.reads_images:
            raise OptionsError([f"weight_feature: method '{self.method}' reads pixels as they are; use null."])
        return self


class Autoencoder(nn.Module):
    """Encoder and decoder of a method, seen through a :class:`ParticleFrame`.

    Parameters
    ----------
    settings : ModelSettings
        The method and its options.
    kind : MicrostateKind
        d, S and N of the training microstates.
    """

    def __init__(self, settings: ModelSettings, kind: MicrostateKind) -> None:
        super().__init__()
        row = METHODS[settings.method]
        c = settings.closure_dim if row.encoder else 0
        self.settings, self.kind = settings, kind
        self.closure_dim = c * kind.n_species
        weight = settings.weight_feature
        if weight is not None and weight >= kind.n_features:
            raise ModelError(f"weight_feature is {weight}, but particles have features 0 to {kind.n_features - 1}.")
        d = kind.n_features
        self.frame = RawFrame(d) if row.reads_images else ParticleFrame(d, settings.symmetry, weight)
        self.ordered = row.encoder is not None and row.encoder.ordered
        """Whether the encoder reads a list instead of a set (see :attr:`EncoderConfig.ordered`)."""
        self.encoder = row.encoder.model_validate(settings.encoder).build(kind, c) if row.encoder else None
        self.decoder = row.decoder.model_validate(settings.decoder).build(kind, c) if row.decoder else None
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

    def takes(self, ensemble: Ensemble) -> bool:
        """Whether the encoder can read the microstates of ``ensemble``: a list has a fixed length, a set has none."""
        return not self.ordered or (not ensemble.layout.ragged and ensemble.max_particles == self.kind.n_particles)

    @property
    def has_density(self) -> bool:
        """Whether the method decodes a density, so that there is a KL divergence."""
        return isinstance(self.decoder, ConditionalDensity)

    def encode_kl(self, batch: MicrostateBatch) -> Tensor:
        """KL(q_X ‖ p) of each microstate ``(B,)`` without gradients, always with the same random numbers.

        NaN for a method without a density.
        """
        if not self.has_density:
            return torch.full((len(batch),), float("nan"))
        with torch.inference_mode():
            parts = (batch[i : i + 1] for i in range(len(batch)))
            # one stream for each microstate, so that batch mates change nothing
            return torch.cat([self.kl(one, torch_stream(0, "kl", device=one.points.device)) for one in parts])

    def loss(self, batch: MicrostateBatch, generator: torch.Generator) -> Tensor:
        """Reconstruction loss of each microstate ``(B,)``, up to a constant of q_X's own (Eq. 3)."""
        framed = self.frame(batch)
        if self.reconstruction is None:
            raise ModelError(f"method '{self.settings.method}' reconstructs nothing.")
        comparison = self.reconstruction.build(self._bandwidth())
        return comparison.loss(framed, self._embed(framed), self.decoder, generator)

    def kl(self, batch: MicrostateBatch, generator: torch.Generator) -> Tensor:
        """Monte-Carlo KL(q_X ‖ p) of each microstate ``(B,)``; coordinates cancel in it (Eq. 3)."""
        framed = self.frame(batch)
        comparison = DistributionConfig.model_validate(self.settings.reconstruction).build(self._bandwidth())
        return comparison.kl(framed, self._embed(framed), self._density(), generator)

    def log_density(self, x: Tensor, batch: MicrostateBatch) -> Tensor:
        """Log p(x | ẑ) at ``x (B, n, d)`` in the coordinates of ``batch``, for each species: ``(B, S, n)``."""
        framed = self.frame(batch)
        B, S, n = len(batch), self.kind.n_species, x.shape[1]
        u = ((x - self._offset(batch, framed)) / self.frame.scale)[:, None].expand(B, S, n, self.kind.n_features)
        log_p = self._density().log_prob(u.flatten(0, 1), self._embed(framed).flatten(0, 1))
        return log_p.reshape(B, S, n) - self.frame.scale.log().sum()

    def sample(self, batch: MicrostateBatch, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n points of p(x | ẑ) in the coordinates of ``batch``, for each species: ``(B, S, n, d)``."""
        framed = self.frame(batch)
        u = self._density().sample(self._embed(framed).flatten(0, 1), n, generator)
        x = u.view(len(batch), self.kind.n_species, n, self.kind.n_features) * self.frame.scale
        return x + self._offset(batch, framed)[:, None]

    def check_fits(self, batch: MicrostateBatch) -> None:
        """Raise a :class:`ModelError` if d or S of ``batch`` are not those of the model."""
        d, S = self.kind.n_features, self.kind.n_species
        if batch.n_features != d or batch.n_species != S:
            raise ModelError(
                f"the microstates have d = {batch.n_features} features and {batch.n_species} species; this model was "
                f"made for d = {d} and {S} species. Give it microstates of the same kind (with several species "
                "MicrostateBatch.from_arrays(x, species=...)), or train another model."
            )

    def _offset(self, batch: MicrostateBatch, framed: MicrostateBatch) -> Tensor:
        """Centre and shift of each microstate ``(B, 1, d)``: where the origin of the particle frame lies."""
        return batch.points[:, :1] - framed.points[:, :1] * self.frame.scale

    def _embed(self, framed: MicrostateBatch) -> Tensor:
        if self.encoder is None:
            return framed.points.new_zeros(len(framed), self.kind.n_species, 0)
        embedding: Tensor = self.encoder(framed)
        return embedding.to(framed.points.dtype)  # from half precision, if the trainer has mixed it in

    def _density(self) -> ConditionalDensity:
        decoder: object = self.decoder
        if not isinstance(decoder, ConditionalDensity):
            raise ModelError(f"method '{self.settings.method}' decodes no density.")
        return decoder

    def _bandwidth(self) -> Tensor:
        return self.settings.bandwidth / self.frame.scale
