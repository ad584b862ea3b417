"""The ordered baseline does what the others must not: it sees the order, and takes one number of particles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from setclosure.errors import ModelError
from setclosure.model.autoencoder import Autoencoder, ModelSettings
from setclosure.paper.models.flat_mlp import FlatMLPConfig
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind


def _batch(n_sets=4, n=6, seed=0):
    return MicrostateBatch.from_arrays(np.random.default_rng(seed).normal(size=(n_sets, n, 2)))


def test_order_matters():
    torch.manual_seed(0)
    encoder = FlatMLPConfig(width=16).build(MicrostateKind(2, 1, 6), 3)
    batch = _batch()
    shuffled = batch.permuted(torch.manual_seed(1))
    assert float((encoder(batch) - encoder(shuffled)).detach().abs().max()) > 1e-3


def test_species_share_the_numbers_of_one_list():
    encoder = FlatMLPConfig(width=8).build(MicrostateKind(2, 2, 6), 3)
    batch = MicrostateBatch.from_arrays(np.zeros((5, 6, 2)), species=[0, 0, 0, 1, 1, 1])
    assert encoder(batch).shape == (5, 2, 3)


@pytest.mark.parametrize("sets", [np.zeros((2, 7, 2)), [np.zeros((6, 2)), np.zeros((4, 2))]])
def test_another_number_of_particles_is_refused(sets):
    encoder = FlatMLPConfig(width=8).build(MicrostateKind(2, 1, 6), 3)
    with pytest.raises(ModelError, match=r"reads exactly 6 particles.*DeepSet, Set Transformer"):
        encoder(MicrostateBatch.from_arrays(sets))


def test_the_autoencoder_says_what_it_takes():
    kind = MicrostateKind(2, 1, 24)
    ordered, sets = (Autoencoder(ModelSettings(method=name, closure_dim=2), kind) for name in ("ae-aug", "density"))
    sizes = (24, 30, None)  # as in training, another number, and sets that vary in size
    assert [ordered.takes(n) for n in sizes] == [True, False, False]
    assert [sets.takes(n) for n in sizes] == [True, True, True]
