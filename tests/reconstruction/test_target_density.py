"""q_X: a density, SciPy's value for it, stability at tiny bandwidths, and the law of its samples."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import chisquare, kstest, norm

from setclosure.reconstruction.target_density import TargetDensity
from setclosure.sets.microstates import MicrostateBatch


def _ragged(dtype=torch.float64):
    """Two microstates of 5 and 3 particles, two species, unequal masses: zero weights inside and at the end."""
    generator = np.random.default_rng(0)
    return MicrostateBatch.from_arrays(
        [generator.normal(size=(5, 2)), generator.normal(size=(3, 2))],
        species=[[0, 1, 0, 1, 1], [1, 0, 1]],
        masses=[[1.0, 2.0, 3.0, 1.0, 5.0], [1.0, 1.0, 4.0]],
        dtype=dtype,
    )


def _scipy(batch, bandwidth, x):
    """log q_X term by term, in NumPy."""
    points, weights = batch.points.double().numpy(), batch.weights.double().numpy()
    sd = np.broadcast_to(bandwidth, points.shape[-1:])
    kernels = norm(0, sd).logpdf(x[..., None, :] - points[:, None, None]).sum(-1)  # (B, S, n, N)
    return logsumexp(kernels, b=weights[:, :, None], axis=-1)


@pytest.mark.parametrize("bandwidth", [0.3, (0.1, 2.0)])
@pytest.mark.parametrize("chunk_size", [1, 100, 10**7])
def test_log_prob_is_scipys(bandwidth, chunk_size):
    batch = _ragged()
    x = torch.randn(2, 2, 7, 2, dtype=torch.float64)
    q = TargetDensity(batch, torch.tensor(bandwidth))
    expected = _scipy(batch, torch.tensor(bandwidth).double().numpy(), x.numpy())
    np.testing.assert_allclose(q.log_prob(x, chunk_size), expected, rtol=1e-7)


@pytest.mark.parametrize(("d", "n"), [(1, 4001), (2, 601)])
def test_integrates_to_one(d, n):
    batch = _ragged()
    batch = MicrostateBatch(batch.points[..., :d], batch.weights)
    axis = torch.linspace(-6.0, 6.0, n, dtype=torch.float64)
    grid = torch.cartesian_prod(*[axis] * d).view(1, 1, -1, d).expand(2, 2, -1, d)
    total = TargetDensity(batch, 0.2).log_prob(grid).exp().sum(-1) * (12.0 / (n - 1)) ** d
    torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(exponent=st.floats(-8.0, 0.0), offset=st.floats(-4.0, 4.0), centre=st.floats(-100.0, 100.0))
def test_stable_in_float32_down_to_1e_minus_8(exponent, offset, centre):
    """At points that float32 can hold, log q_X is as right as if it were computed in float64."""
    bandwidth = 10.0**exponent
    points = torch.tensor([[[centre, 0.0], [centre + 1.0, 1.0]]], dtype=torch.float32)
    batch = MicrostateBatch.from_points(points)
    x = (points[:, None, :1] + torch.tensor([0.0, offset * bandwidth])).float()
    ours = TargetDensity(batch, bandwidth).log_prob(x)
    expected = _scipy(batch, float(np.float32(bandwidth)), x.double().numpy())
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)


def test_far_points_are_finite_at_a_tiny_bandwidth():
    q = TargetDensity(MicrostateBatch.from_points(torch.zeros(1, 3, 2)), 1e-8)
    value = q.log_prob(torch.full((1, 1, 1, 2), 10.0))
    assert value.item() == pytest.approx(-1e18, rel=1e-5)


def test_particles_are_drawn_by_weight_and_padding_never():
    batch = _ragged()
    n = 50_000
    x = TargetDensity(batch, 1e-9).sample(n, torch.Generator().manual_seed(0))
    for b in range(2):
        for s in range(2):
            distance = torch.cdist(x[b, s], batch.points[b])
            # padding lies at the origin, where no particle is
            assert distance.amin(dim=1).max() < 1e-7
            counts = torch.bincount(distance.argmin(dim=1), minlength=5)
            weights = batch.weights[b, s]
            assert (counts[weights == 0] == 0).all()
            positive = weights > 0
            if positive.sum() > 1:
                expected = n * weights[positive].numpy() / weights.sum().item()
                assert chisquare(counts[positive].numpy(), expected).pvalue > 1e-3


def test_equal_weights_are_drawn_equally():
    batch = MicrostateBatch.from_points(torch.arange(300.0).view(1, 300, 1))
    x = TargetDensity(batch, 1e-3).sample(300_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(x.flatten().round().long(), minlength=300)
    assert chisquare(counts.numpy()).pvalue > 1e-3


def test_noise_has_the_bandwidth_of_each_feature():
    batch = MicrostateBatch.from_points(torch.tensor([[[1.0, -2.0]]]))
    x = TargetDensity(batch, torch.tensor([0.1, 3.0])).sample(20_000, torch.Generator().manual_seed(0))[0, 0]
    assert kstest((x[:, 0] - 1.0) / 0.1, "norm").pvalue > 1e-3
    assert kstest((x[:, 1] + 2.0) / 3.0, "norm").pvalue > 1e-3
    assert abs(torch.corrcoef(x.T)[0, 1]) < 4.0 / 20_000**0.5


def test_samples_depend_on_the_generator_alone():
    q = TargetDensity(_ragged(), 0.1)
    first, second = (q.sample(10, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, q.sample(10, torch.Generator().manual_seed(6)))
    assert first.shape == (2, 2, 10, 2)


def test_shared_random_numbers_give_each_microstate_what_it_has_alone():
    batch = _ragged()
    together = TargetDensity(batch, 0.1).sample(50, torch.Generator().manual_seed(5), shared=True)
    for b in range(2):
        alone = TargetDensity(batch[b : b + 1], 0.1).sample(50, torch.Generator().manual_seed(5))
        assert torch.equal(together[b], alone[0])
        shared = TargetDensity(batch[b : b + 1], 0.1).sample(50, torch.Generator().manual_seed(5), shared=True)
        assert torch.equal(together[b], shared[0])
    own = TargetDensity(batch, 0.1).sample(50, torch.Generator().manual_seed(5))
    assert not torch.equal(own[1], together[1])


def test_species_draw_numbers_of_their_own_though_microstates_share_them():
    x = torch.zeros(3, 4, 2, dtype=torch.float64)
    batch = MicrostateBatch(x, torch.full((3, 2, 4), 0.25, dtype=torch.float64))
    drawn = TargetDensity(batch, 1.0).sample(20, torch.Generator().manual_seed(0), shared=True)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0, 0], drawn[0, 1])


def test_a_species_without_particles_is_sampled_without_an_error_and_has_no_density():
    batch = MicrostateBatch.from_arrays([np.ones((3, 2)), np.zeros((0, 2))], n_species=2, dtype=torch.float64)
    q = TargetDensity(batch, 0.1)
    x = q.sample(7, torch.Generator().manual_seed(0))
    assert torch.isfinite(x).all()
    log_q = q.log_prob(x)
    assert torch.isfinite(log_q[0, 0]).all()
    assert (log_q[0, 1] == -torch.inf).all()
    assert (log_q[1] == -torch.inf).all()
