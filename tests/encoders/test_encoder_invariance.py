"""Promise 1, for every encoder: order, padding, batch mates and chunk size change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from setclosure.encoders.deep_set import DeepSetConfig
from setclosure.encoders.set_transformer import SetTransformerConfig
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.specification import ModelSettings
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
    a, b = a.detach(), b.detach()
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


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CONFIGS)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(0, 6), min_size=2, max_size=4).filter(lambda sizes: 0 in sizes),
    padding=st.integers(0, 9),
)
def test_empty_species_and_empty_microstates_know_nothing_of_padding_and_batch_mates(name, dtype, seed, sizes, padding):
    """Sets of one particle lack the second species, sets of none both."""
    encoder, sets = _encoder(name, 2, dtype), _sets(seed, sizes, 2, 2)
    batch = _batch(sets, 2, dtype)
    points = torch.cat([batch.points, torch.full((len(sizes), padding, 2), 7.0, dtype=dtype)], dim=1)
    weights = torch.cat([batch.weights, torch.zeros(len(sizes), 2, padding, dtype=dtype)], dim=2)
    together = encoder(MicrostateBatch(points, weights))
    assert torch.isfinite(together).all()
    for b, one in enumerate(sets):
        assert _close(encoder(_batch([one], 2, dtype))[0], together[b], dtype)
    nothing = [together[b, s] for b, n in enumerate(sizes) for s in range(2) if n <= s]
    assert all(_close(embedding, nothing[0], dtype) for embedding in nothing)  # what is not there has one embedding


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
    batch = _batch(_sets(2, [5, 9, 1, 0], 2, 2), 2, torch.float64)
    out = encoder(batch)
    assert (out[0] - out[1]).abs().max() > 1e-4
    out.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())


@pytest.mark.parametrize("method", ["density", "density-set-transformer"])
@given(chunk=st.integers(1, 200))
def test_chunk_size_changes_nothing(method, chunk):
    torch.manual_seed(0)
    model = Autoencoder(ModelSettings(method=method, closure_dim=3, symmetry="translation"), MicrostateKind(2))
    batch = MicrostateBatch.from_arrays(np.random.default_rng(0).normal(size=(7, 11, 2)))
    assert _close(model.encode(batch, chunk), model.encode(batch), torch.float32)


@pytest.mark.parametrize("symmetry", ["none", "translation", "euclidean"])
@pytest.mark.parametrize("method", ["density", "density-set-transformer", "density-mixture"])
def test_the_loss_of_sets_without_some_species_or_any_particle_is_finite_and_so_are_its_gradients(method, symmetry):
    torch.manual_seed(0)
    settings = ModelSettings.parse(
        {"method": method, "closure_dim": 2, "symmetry": symmetry, "reconstruction": {"samples": 8}}
    )
    model = Autoencoder(settings, MicrostateKind(2, n_species=2))
    full, sparse = (_batch(_sets(0, sizes, 2, 2), 2, torch.float32) for sizes in ([6, 5], [6, 1, 0, 5]))
    model.coordinates.fit(sparse)
    loss = model.loss(sparse, torch.Generator().manual_seed(0))
    assert loss.shape == (4,)
    assert torch.isfinite(loss).all()
    assert loss[2] == 0  # there is nothing to reconstruct
    loss.mean().backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert any((g != 0).any() for g in gradients)
    score = model.score(sparse)
    assert torch.isfinite(score).all()
    torch.testing.assert_close(score[:1], model.score(full[:1]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(score[1:2], model.score(sparse[1:2]), rtol=1e-4, atol=1e-4)
