"""Encoders without weights take what they need from all training frames, in one pass."""

from __future__ import annotations

from typing import Any

import torch

from setclosure.fit.split import Split
from setclosure.fit.stage_one import STATISTICS_SETS
from setclosure.model.autoencoder import Autoencoder
from setclosure.seeds import numpy_stream

CHUNK_NUMBERS = 2**22
"""The most numbers of described particles that are pooled at once."""


def fit_untrained(autoencoder: Autoencoder, training: Split, seed: int) -> None:
    """Fit the coordinates and then the encoder, which is not trained, to the training microstates.

    Parameters
    ----------
    autoencoder : Autoencoder
        The autoencoder, whose encoder has ``statistics`` and ``fit``; it is changed in place.
    training : Split
        The training trajectories.
    seed : int
        Root seed, for the microstates to which the coordinates are fitted.

    Raises
    ------
    ModelError
        If a feature of the particles never changes.
    """
    encoder: Any = autoencoder.encoder
    coordinates = autoencoder.coordinates
    coordinates.fit(training.some(STATISTICS_SETS, False, numpy_stream(seed, "stage one", "statistics")))
    rows = []
    with torch.inference_mode():
        for _, batch in training.whole_trajectories():
            size = max(1, CHUNK_NUMBERS // (batch.points[0].numel() * batch.n_species))
            for i in range(0, len(batch), size):
                seen = coordinates(batch[i : i + size])
                rows.append(encoder.statistics(coordinates.to_encoder(seen)))
    encoder.fit(torch.cat(rows))
