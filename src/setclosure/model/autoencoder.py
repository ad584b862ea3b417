"""The autoencoder of a model joins coordinates, encoder, decoder and reconstruction (Fig. 2)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from setclosure.decoders.base import ConditionalDensity
from setclosure.errors import ModelError
from setclosure.model.specification import ModelSettings
from setclosure.reconstruction.base import Reconstruction
from setclosure.seeds import torch_stream
from setclosure.sets.coordinates import Coordinates
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

CHUNK_PARTICLES = defaultdict(lambda: 2**20, cpu=2**14)
"""The number of particles that are encoded at once, for each kind of device.

On a processor their activations then fit the cache."""

SCORE_PAIRS = 2**22
"""The number of pairs of a sample and a particle that the score of microstates compares at once."""


class Autoencoder(nn.Module):
    """The encoder and decoder of a model, which see :class:`~setclosure.sets.coordinates.Coordinates` of particles.

    Parameters
    ----------
    settings : ModelSettings
        The parts and their options.
    kind : MicrostateKind
        Features, species S and particles N of the training microstates, as their particles are described.
    n_axes : int, optional
        The number of principal axes that are kept of the embeddings; by default closures are the embeddings themselves.

    Raises
    ------
    ModelError
        If the parts cannot read such microstates.

    Examples
    --------
    >>> autoencoder = Autoencoder(ModelSettings(closure_dim=4), MicrostateKind(2))
    >>> autoencoder.encode(MicrostateBatch.from_points(torch.randn(3, 10, 2))).shape
    torch.Size([3, 4])
    """

    axes_shift: Tensor
    axes: Tensor

    def __init__(self, settings: ModelSettings, kind: MicrostateKind, n_axes: int | None = None) -> None:
        super().__init__()
        c = settings.closure_dim
        self.settings, self.kind = settings, kind
        joint = settings.encoder is not None and settings.encoder.joint
        embedded = c if joint else c * kind.n_species
        self.closure_dim = embedded if n_axes is None else n_axes
        """The numbers of a closure."""
        self.turned = n_axes is not None
        """Whether closures are the embeddings along some axes."""
        if n_axes is not None:
            self.register_buffer("axes_shift", torch.zeros(embedded))
            self.register_buffer("axes", torch.zeros(embedded, n_axes))
        weight = settings.weight_feature
        if weight is not None and weight >= kind.n_features:
            raise ModelError(f"weight_feature is {weight}, but particles have features 0 to {kind.n_features - 1}.")
        settings.check_bandwidth(kind.features)
        raw = settings.encoder is not None and settings.encoder.raw
        self.coordinates = Coordinates(
            kind.features,
            settings.symmetry if kind.features.position else "none",  # scalars change with no symmetry
            weight,
            raw,
            periodic=kind.periodic,
            harmonics=settings.harmonics,
            n_species=kind.n_species,
            ignored_scale=settings.bandwidth if settings.ignores_constants else None,
        )
        if kind.periodic and settings.decoder is not None and not settings.decoder.on_circles:
            raise ModelError(
                f"decoder '{settings.decoder.part_name}' cannot be used in a periodic cell, because it knows no "
                "angles; use 'spline_flow'."
            )
        self.ordered = settings.encoder is not None and settings.encoder.ordered
        """Whether the encoder reads a list instead of a set (see :attr:`EncoderConfig.ordered`)."""
        of_encoder, of_decoder = self.coordinates.encoder_kind(kind), self.coordinates.decoder_kind(kind)
        self.encoder = settings.encoder.build(of_encoder, c) if settings.encoder else None
        self.decoder = settings.decoder.build(of_decoder, c) if settings.decoder else None

    def forward(self, batch: MicrostateBatch) -> Tensor:
        """Give the closures ẑ ``(B, C)``: the embeddings of all species in a row, along the kept axes if there are any.

        Raises
        ------
        ModelError
            If the microstates have other features or species than the model, or another cell.
        """
        self.check_fits(batch)
        embeddings = self._embed(self.coordinates(batch)).flatten(1)
        return (embeddings - self.axes_shift) @ self.axes if self.turned else embeddings

    def encode(self, batch: MicrostateBatch, chunk_particles: int | None = None) -> Tensor:
        """Give the closures ẑ ``(B, C)`` without gradients, some microstates at a time, on the model's device.

        Parameters
        ----------
        batch : MicrostateBatch
            B microstates.
        chunk_particles : int, optional
            Particles that are encoded at once; :data:`CHUNK_PARTICLES` by default.

        Raises
        ------
        ModelError
            If the microstates have other features or species than the model.
        """
        self.check_fits(batch)
        device = self.coordinates.scale.device
        sets = max(1, (chunk_particles or CHUNK_PARTICLES[device.type]) // batch.points.shape[1])
        with torch.inference_mode():
            parts = [self(batch[i : i + sets].to(device)) for i in range(0, len(batch), sets)]
            return torch.cat(parts).to(batch.points.device)

    def takes(self, n_particles: int | None) -> bool:
        """Tell whether the encoder can read sets of ``n_particles``, or sets that vary in size for None.

        An encoder of sets reads any number, an encoder of lists that of training alone.
        """
        return not self.ordered or n_particles == self.kind.n_particles

    @property
    def has_density(self) -> bool:
        """Whether the decoder is a density, so that points can be drawn from it."""
        return isinstance(self.decoder, ConditionalDensity)

    def score(self, batch: MicrostateBatch) -> Tensor:
        """Say how badly the decoder knows each microstate, ``(B,)``, without gradients; a small number is good.

        The score of a density is KL(q_X ‖ p), that of a reconstruction without a score is NaN. Every microstate gets
        the same random numbers, so that batch mates change nothing.
        """
        if self.settings.reconstruction is None:
            return torch.full((len(batch),), float("nan"))
        B, N = batch.points.shape[:2]
        samples = getattr(self.settings.reconstruction, "samples", 1)
        sets = max(1, min(SCORE_PAIRS // (samples * N * self.kind.n_species), 2**16 // (samples + N)))
        device = self.coordinates.scale.device
        parts = []
        with torch.inference_mode():
            for i in range(0, B, sets):
                part = batch[i : i + sets].to(device)
                seen = self.coordinates(part)
                stream = torch_stream(0, "kl", device=device)
                parts.append(self._reconstruction(part).score(seen, self._embed(seen), self.decoder, stream))
        return torch.cat(parts).to(batch.points.device)

    def loss(self, batch: MicrostateBatch, generator: torch.Generator) -> Tensor:
        """Give the reconstruction loss of each microstate, ``(B,)``.

        That of a density is Eq. 3 up to the entropy of q_X, which no parameter can change.

        Raises
        ------
        ModelError
            If the method reconstructs nothing.
        """
        seen = self.coordinates(batch)
        return self._reconstruction(batch).loss(seen, self._embed(seen), self.decoder, generator)

    def log_density(self, x: Tensor, batch: MicrostateBatch) -> Tensor:
        """Evaluate log p(x | ẑ) at ``x (B, n, d)`` in the units of ``batch``, for each species: ``(B, S, n)``.

        Raises
        ------
        ModelError
            If the decoder is no density.
        """
        seen = self.coordinates(batch)
        B, S, n = len(batch), self.kind.n_species, x.shape[1]
        u = self.coordinates.points_seen(x, batch)[:, None].expand(B, S, n, self.kind.n_features)
        log_p = self._density().log_prob(u.flatten(0, 1), self._embed(seen).flatten(0, 1))
        log_volume = self.coordinates.log_volume(batch)
        return log_p.reshape(B, S, n) + (log_volume if log_volume.ndim == 0 else log_volume[:, None])

    def sample(self, batch: MicrostateBatch, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``n`` points of p(x | ẑ) in the units of ``batch``, for each species: ``(B, S, n, d)``.

        Raises
        ------
        ModelError
            If the decoder is no density.
        """
        seen = self.coordinates(batch)
        u = self._density().sample(self._embed(seen).flatten(0, 1), n, generator)
        u = u.view(len(batch), self.kind.n_species * n, self.kind.n_features)
        return self.coordinates.points_of(u, batch).view(len(batch), self.kind.n_species, n, self.kind.n_features)

    def check_fits(self, batch: MicrostateBatch) -> None:
        """Refuse a batch whose features, species or cell are not those of the model.

        Raises
        ------
        ModelError
            If the number of features or of species is another, or the microstates are periodic along other directions.
        """
        features, S = self.kind.features, self.kind.n_species
        if batch.n_features != features.d or batch.n_species != S:
            raise ModelError(
                f"the microstates have d = {batch.n_features} features and {batch.n_species} species; this model was "
                f"made for d = {features.d} ({', '.join(features.names)}) and {S} species. Give it microstates of the "
                "same kind (with several species MicrostateBatch.from_arrays(x, species=...)), or train another model."
            )
        self.coordinates.check_cell(batch)

    def _embed(self, seen: MicrostateBatch) -> Tensor:
        if self.encoder is None:
            return seen.points.new_zeros(len(seen), self.kind.n_species, 0)
        embedding: Tensor = self.encoder(self.coordinates.to_encoder(seen))
        return embedding.to(seen.points.dtype)  # from half precision, if the trainer has mixed it in

    def _reconstruction(self, batch: MicrostateBatch) -> Reconstruction[Any]:
        if self.settings.reconstruction is None:
            raise ModelError(
                f"method '{self.settings.method}' reconstructs nothing; a loss needs a decoder and a reconstruction."
            )
        return self.settings.reconstruction.build(self.coordinates.smoothing(batch, self._bandwidth()))

    def _bandwidth(self) -> float | Tensor:
        given = self.settings.bandwidth
        if isinstance(given, str):
            raise ModelError(f"bandwidth is '{given}', which fit() replaces by numbers from the training data.")
        return self.coordinates.scale.new_tensor(given) if isinstance(given, tuple) else float(given)

    def _density(self) -> ConditionalDensity:
        decoder: object = self.decoder
        if not isinstance(decoder, ConditionalDensity):
            raise ModelError(
                f"method '{self.settings.method}' decodes no density; use one that does, such as 'density'."
            )
        return decoder
