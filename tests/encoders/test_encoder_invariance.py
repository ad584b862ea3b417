"""Promise 1, for every encoder: order, padding, batch mates and chunk size change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from setclosure.model.autoencoder import Autoencoder, ModelSettings
from setclosure.encoders.deep_set import DeepSetConfig
from setclosure.encoders.set_transformer import SetTransformerConfig
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind

CONFIGS = {
    "deep_set": DeepSetConfig(width=24),
    "set_transformer": SetTransformerConfig(width=24, heads=4, inducing_points=5),
}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


def _encoder(name, d, dtype):
    torch.manual_seed(0)
    return CONFIGS[name].build(MicrostateKind(d), 3).to(dtype).eval()


def _sets(seed, sizes, d, n_species):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(n, d)), np.arange(n) % n_species, rng.uniform(0.5, 2, n)) for n in sizes]


def _batch(sets, n_species, dtype):
    points, species, masses = zip(*sets, strict=True)
    return MicrostateBatch.from_arrays(list(points), list(species), list(masses), n_species, dtype)


def _close(a, b, dtype):
    return float((a - b).abs().max()) <= TOLERANCE[dtype] * max(1.0, float(b.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CONFIGS)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(2, 30), min_size=1, max_size=4),
    d=st.integers(1, 3),
    n_species=st.integers(1, 2),
)
def test_order_padding_and_batch_mates_change_nothing(name, dtype, seed, sizes, d, n_species):
    encoder, sets = _encoder(name, d, dtype), _sets(seed, sizes, d, n_species)
    together = encoder(_batch(sets, n_species, dtype))
    assert together.shape == (len(sizes), n_species, 3)
    assert torch.isfinite(together).all()
    rng = np.random.default_rng(seed)
    for b, one in enumerate(sets):
        order = rng.permutation(len(one[0]))
        alone = encoder(_batch([tuple(part[order] for part in one)], n_species, dtype))  # no padding, no mates
        assert _close(alone[0], together[b], dtype)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_particle_of_twice_the_mass_is_two_particles(name):
    encoder = _encoder(name, 2, torch.float64)
    x = np.random.default_rng(1).normal(size=(6, 2))
    heavy = MicrostateBatch.from_arrays(x, masses=[2.0, 1, 1, 1, 1, 1], dtype=torch.float64)
    doubled = MicrostateBatch.from_arrays(np.vstack([x[:1], x]), dtype=torch.float64)
    assert _close(encoder(heavy), encoder(doubled), torch.float64)


@pytest.mark.parametrize("name", CONFIGS)
def test_different_sets_have_different_closures_and_gradients_are_finite(name):
    encoder = _encoder(name, 2, torch.float64)
    batch = _batch(_sets(2, [5, 9], 2, 2), 2, torch.float64)
    out = encoder(batch)
    assert float((out[0] - out[1]).abs().max()) > 1e-4
    out.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())


@pytest.mark.parametrize("method", ["ours", "ours-set-transformer"])
@given(chunk=st.integers(1, 200))
def test_chunk_size_changes_nothing(method, chunk):
    torch.manual_seed(0)
    model = Autoencoder(ModelSettings(method=method, closure_dim=3, symmetry="translation"), MicrostateKind(2))
    batch = MicrostateBatch.from_arrays(np.random.default_rng(0).normal(size=(7, 11, 2)))
    assert _close(model.encode(batch, chunk), model.encode(batch), torch.float32)
