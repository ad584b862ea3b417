"""The conditional mixture against SciPy, quadrature, and its own samples."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from setclosure.decoders.gaussian_mixture import GaussianMixture, GaussianMixtureConfig
from setclosure.sets.microstates import MicrostateKind


def _mixture(d, covariance, c=3):
    torch.manual_seed(1)
    mixture = GaussianMixture(d, c, components=4, hidden=16, covariance=covariance).double()
    with torch.no_grad():
        mixture.head.bias.add_(0.5 * torch.randn_like(mixture.head.bias))
        mixture.head.weight.mul_(20.0)
    return mixture


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_log_prob_is_scipys(d, covariance):
    mixture, context = _mixture(d, covariance), torch.randn(2, 3, dtype=torch.float64)
    x = torch.randn(2, 10, d, dtype=torch.float64)
    with torch.no_grad():
        ours = mixture.log_prob(x, context)
        log_weights, means, factors = (t.numpy() for t in mixture._mixture(context))
    np.testing.assert_allclose(np.exp(log_weights).sum(-1), 1.0)
    for g in range(2):
        terms = [
            w + multivariate_normal(m, np.linalg.inv(f.T @ f)).logpdf(x[g].numpy())
            for w, m, f in zip(log_weights[g], means[g], factors[g], strict=True)
        ]
        np.testing.assert_allclose(ours[g], logsumexp(terms, axis=0), rtol=1e-9)
    if d > 1:
        assert (abs(factors[..., 1, 0]).max() > 1e-3) == (covariance == "full")


def test_integrates_to_one():
    mixture, context = _mixture(2, "full"), torch.zeros(1, 3, dtype=torch.float64)
    axis = torch.linspace(-25.0, 25.0, 1001, dtype=torch.float64)
    with torch.no_grad():
        density = mixture.log_prob(torch.cartesian_prod(axis, axis)[None], context).exp()
    assert density.sum() * 0.05**2 == pytest.approx(1.0, abs=1e-4)


def test_samples_have_the_moments_of_the_mixture():
    mixture, context = _mixture(2, "full"), torch.randn(2, 3, dtype=torch.float64)
    x = mixture.sample(context, 100_000, torch.Generator().manual_seed(0))
    with torch.no_grad():
        log_weights, means, factors = mixture._mixture(context)
    weights = log_weights.exp()[..., None]
    covariances = torch.linalg.inv(factors.mT @ factors)
    mean = (weights * means).sum(1)
    second = (weights[..., None] * (covariances + means[..., None] * means[..., None, :])).sum(1)
    expected = second - mean[..., None] * mean[..., None, :]
    sd = expected.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((x.mean(1) - mean).abs() < 4.5 * sd / 100_000**0.5).all()
    for g in range(2):
        scale = sd[g][:, None] * sd[g]
        assert ((torch.cov(x[g].T) - expected[g]).abs() < 0.05 * scale).all()


def test_unconditional_and_shapes():
    mixture = GaussianMixtureConfig(components=3).build(MicrostateKind(1), 0)
    context = torch.zeros(5, 0)
    assert mixture.log_prob(torch.randn(5, 4, 1), context).shape == (5, 4)
    assert mixture.sample(context, 6).shape == (5, 6, 1)
