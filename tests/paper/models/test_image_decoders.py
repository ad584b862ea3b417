from __future__ import annotations

import numpy as np
import pytest
import torch

from setclosure.model.autoencoder import Autoencoder, ModelSettings
from setclosure.paper.images.pixel_sets import pixel_sets
from setclosure.paper.models.image_decoders import CNNDecoderConfig, ViTDecoderConfig
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

SIZE = {"image_height": 12, "image_width": 24}
CONFIGS = {
    "cnn": CNNDecoderConfig(**SIZE, pool=1, channels=(16, 16), hidden=32),
    "vit": ViTDecoderConfig(**SIZE, patch=6, width=32, heads=2),
}
ENCODERS = {
    "cnn": {**SIZE, "pool": 1, "channels": (8, 16), "width": 32},
    "vit": {**SIZE, "patch": 6, "width": 32, "heads": 2},
}


def stripes(n, seed=0):
    """Images ``(n, 12, 24)`` of one soft stripe, each at another place and with another width."""
    stream = np.random.default_rng(seed)
    centre, width = stream.uniform(4, 20, n)[:, None], stream.uniform(1, 3, n)[:, None]
    across = np.exp(-((np.arange(24) - centre) ** 2) / (2 * width**2))
    down = np.exp(-((np.arange(12) - 5.5) ** 2) / 8)
    return np.rint(255 * down[:, None] * across[:, None, :]).astype(np.uint8)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("n_species", [1, 2])
def test_there_is_an_image_for_each_species_of_the_size_of_the_data(name, n_species):
    kind = MicrostateKind(3, n_species)
    assert CONFIGS[name].build(kind, 4)(torch.zeros(5, 4 * n_species)).shape == (5, n_species, 12, 24)
    default = type(CONFIGS[name])()
    assert default.build(kind, 4)(torch.zeros(2, 4 * n_species)).shape == (2, n_species, *default.shape)


@pytest.mark.parametrize("size", [(12, 24), (13, 25), (3, 2)])
def test_sizes_that_are_no_powers_of_two_have_every_pixel(size):
    config = CNNDecoderConfig(image_height=size[0], image_width=size[1], pool=1, channels=(4, 4, 4))
    torch.manual_seed(0)
    decoder, closure = config.build(MicrostateKind(3), 2), torch.randn(6, 2)
    assert not decoder(closure).any()  # training begins with white images
    torch.nn.init.normal_(decoder.convolutions[-1].weight)
    images = decoder(closure)
    assert images.shape == (6, 1, *size)
    assert float(images.detach().var(dim=0).min()) > 0  # every pixel depends on the closure


@pytest.mark.slow
@pytest.mark.parametrize("method", CONFIGS)
def test_an_autoencoder_of_images_learns_what_differs_between_them(method):
    torch.manual_seed(0)
    frames = stripes(96)
    points, counts = pixel_sets(frames)
    batch = MicrostateBatch.from_arrays([x[:n] for x, n in zip(points, counts, strict=True)])
    options = {"encoder": ENCODERS[method], "decoder": CONFIGS[method].model_dump()}
    model = Autoencoder(ModelSettings(method=method, closure_dim=2, **options), MicrostateKind(3))
    model.coordinates.fit(batch)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        loss = model.loss(batch, torch.Generator()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    spread = (frames / 255.0).var(axis=0).mean()  # the error of the mean image, which knows nothing of the closure
    assert float(loss.detach()) < 0.1 * spread
