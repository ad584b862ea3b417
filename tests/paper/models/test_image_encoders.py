"""Encoders of images keep the promises of sets: order, padding, batch mates and chunk size change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import ConfigurationError, ModelError
from setclosure.model.autoencoder import Autoencoder, ModelSettings
from setclosure.paper.models.cnn import CNNEncoderConfig
from setclosure.paper.models.vit import ViTEncoderConfig
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

SIZE = {"image_height": 12, "image_width": 20}
OPTIONS = {
    "cnn": {**SIZE, "pool": 2, "channels": (4, 8), "width": 16},
    "vit": {**SIZE, "patch": 4, "width": 16, "heads": 2},
}
CONFIGS = {"cnn": CNNEncoderConfig(**OPTIONS["cnn"]), "vit": ViTEncoderConfig(**OPTIONS["vit"])}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


def pixels(n, seed):
    """One set of n different pixels of the image."""
    stream = np.random.default_rng(seed)
    rows, columns = np.divmod(stream.choice(12 * 20, n, replace=False), 20)
    return np.stack([columns + 0.5, rows + 0.5, stream.integers(1, 256, n)], axis=1)


def _encoder(name, dtype=torch.float64):
    torch.manual_seed(0)
    return CONFIGS[name].build(MicrostateKind(3), 3).to(dtype).eval()


def _close(a, b, dtype):
    return float((a - b).abs().max()) <= TOLERANCE[dtype] * max(1.0, float(b.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CONFIGS)
@given(seed=st.integers(0, 10**6), sizes=st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_order_padding_and_batch_mates_change_nothing(name, dtype, seed, sizes):
    encoder, sets = _encoder(name, dtype), [pixels(n, seed + n) for n in sizes]
    together = encoder(MicrostateBatch.from_arrays(sets, dtype=dtype))
    assert together.shape == (len(sizes), 1, 3)
    assert torch.isfinite(together).all()
    for b, one in enumerate(sets):
        shuffled = np.random.default_rng(seed).permutation(one)
        alone = encoder(MicrostateBatch.from_arrays(shuffled, dtype=dtype))  # no padding, no mates
        assert _close(alone[0], together[b], dtype)


@pytest.mark.parametrize("name", CONFIGS)
def test_one_map_serves_every_species(name):
    encoder, a, b = _encoder(name), pixels(9, 0), pixels(30, 1)
    both = MicrostateBatch.from_arrays(np.vstack([a, b]), species=np.repeat([0, 1], [9, 30]), dtype=torch.float64)
    each = encoder(MicrostateBatch.from_arrays([a, b], dtype=torch.float64))
    assert _close(encoder(both)[0], each[:, 0], torch.float64)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_of_a_pixel_or_of_its_level_is_seen_and_gradients_are_finite(name):
    encoder, one = _encoder(name), pixels(20, 3)
    moved, darker = one.copy(), one.copy()
    moved[:, 0] = (moved[:, 0] + 1) % 20
    darker[0, 2] = 256 - darker[0, 2]
    out = encoder(MicrostateBatch.from_arrays([one, moved, darker], dtype=torch.float64))
    assert float((out[0] - out[1]).abs().max()) > 1e-4
    assert float((out[0] - out[2]).abs().max()) > 1e-6
    out.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())


@pytest.mark.parametrize("method", CONFIGS)
@given(chunk=st.integers(1, 200))
def test_chunk_size_changes_nothing_and_coordinates_are_not_standardised(method, chunk):
    torch.manual_seed(0)
    model = Autoencoder(ModelSettings(method=method, closure_dim=3, encoder=OPTIONS[method]), MicrostateKind(3))
    batch = MicrostateBatch.from_arrays([pixels(n, n) for n in (5, 9, 40)])
    before = model.encode(batch)
    model.coordinates.fit(batch)
    assert torch.equal(model.encode(batch), before)
    assert _close(model.encode(batch, chunk), before, torch.float32)


@pytest.mark.parametrize("method", CONFIGS)
def test_images_have_no_symmetry_and_particles_without_grey_levels_no_image(method):
    with pytest.raises(ConfigurationError, match=f"symmetry: encoder '{method}' reads features as they are; use none"):
        ModelSettings.parse({"method": method, "symmetry": "translation"})
    with pytest.raises(ModelError, match="d = 2 features"):
        Autoencoder(ModelSettings(method=method), MicrostateKind(2))
    outside = MicrostateBatch.from_arrays([[[19.5, 12.5, 3.0]]])
    model = Autoencoder(ModelSettings(method=method, encoder=OPTIONS[method]), MicrostateKind(3))
    with pytest.raises(ModelError, match="outside the images of 12 rows and 20 columns"):
        model.encode(outside)
