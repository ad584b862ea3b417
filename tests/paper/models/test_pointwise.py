from __future__ import annotations

import torch

from setclosure.model.autoencoder import Autoencoder, ModelSettings
from setclosure.paper.models.pointwise import PointwiseMLPConfig
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


def test_shapes_with_all_species_together():
    decoder = PointwiseMLPConfig(hidden=8, depth=1).build(MicrostateKind(3, 2, 7), 4)
    assert decoder(torch.zeros(5, 8)).shape == (5, 7, 3)


def test_an_autoencoder_of_points_learns_ordered_sets():
    """Particles that keep their order can be coded by what differs between sets: the loss must fall far."""
    torch.manual_seed(0)
    latent = torch.rand(64, 1, 1)  # of one sign: the mirrored set would be the same one in another order
    points = latent * torch.linspace(-1, 1, 10)[None, :, None].expand(1, 10, 2) + torch.linspace(0, 1, 10)[:, None]
    batch = MicrostateBatch.from_points(points)
    model = Autoencoder(ModelSettings(method="ae-inve", closure_dim=2, encoder={"width": 32}), MicrostateKind(2, 1, 10))
    model.coordinates.fit(batch)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(150):
        loss = model.loss(batch, torch.Generator()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.02 * losses[0]
