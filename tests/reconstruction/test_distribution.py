"""KL(q_X ‖ p): against quadrature, and what training does and does not compute."""

import math

import pytest
import torch

from setclosure.decoders.gaussian_mixture import GaussianMixture
from setclosure.decoders.spline_flow import SplineFlow
from setclosure.reconstruction.distribution import DistributionConfig, DistributionReconstruction
from setclosure.reconstruction.target_density import TargetDensity
from setclosure.sets.microstates import MicrostateBatch


def _batch():
    torch.manual_seed(0)
    points = torch.randn(2, 6, 1, dtype=torch.float64)
    weights = torch.rand(2, 2, 6, dtype=torch.float64)
    return MicrostateBatch(points, weights / weights.sum(-1, keepdim=True))


def _decoder():
    torch.manual_seed(0)
    return SplineFlow(1, 3, layers=2, bins=6, box=4.0, hidden=16).double()


def test_monte_carlo_kl_agrees_with_quadrature_within_its_standard_error():
    batch, decoder = _batch(), _decoder()
    embeddings = torch.randn(2, 2, 3, dtype=torch.float64)
    axis = torch.linspace(-9.0, 9.0, 20_001, dtype=torch.float64)
    grid = axis.view(1, 1, -1, 1).expand(2, 2, -1, 1)
    samples = 20_000
    with torch.no_grad():
        q = TargetDensity(batch, 0.2)
        log_q = q.log_prob(grid)
        log_p = decoder.log_prob(grid.flatten(0, 1), embeddings.flatten(0, 1)).view_as(log_q)
        step = (axis[1] - axis[0]).item()
        kl = (log_q.exp() * (log_q - log_p)).sum(-1) * step
        variance = (log_q.exp() * (log_q - log_p - kl[..., None]).square()).sum(-1) * step
        error = (variance.sum(dim=1) / samples).sqrt() / 2  # of the mean over two species
        estimate = DistributionReconstruction(0.2, samples).kl(
            batch, embeddings, decoder, torch.Generator().manual_seed(0)
        )
    expected = kl.mean(dim=1)
    assert (expected > 0.1).all()
    assert ((estimate - expected).abs() < 4.0 * error).all()
    assert (4.0 * error < 0.05 * expected).all()  # so that the test can fail


def test_kl_of_a_density_with_itself_is_nothing():
    """A single particle makes q_X a Gaussian, and a decoder can be that Gaussian exactly."""

    class Exact:
        def log_prob(self, x, context):
            return -0.5 * ((x - context[:, None]) / 0.3).square().sum(-1) - math.log(2 * math.pi * 0.09)

    batch = MicrostateBatch.from_points(torch.tensor([[[1.0, 2.0]]], dtype=torch.float64))
    kl = DistributionConfig(samples=50).build(0.3).kl(batch, batch.points, Exact())
    torch.testing.assert_close(kl, torch.zeros(1, dtype=torch.float64), atol=1e-6, rtol=0)


def test_loss_differs_from_kl_by_the_entropy_of_q_and_never_evaluates_it(monkeypatch):
    batch, decoder = _batch(), _decoder()
    embeddings = torch.randn(2, 2, 3, dtype=torch.float64)
    reconstruction = DistributionReconstruction(0.2, 500)
    kl = reconstruction.kl(batch, embeddings, decoder, torch.Generator().manual_seed(3))
    q = TargetDensity(batch, 0.2)
    log_q = q.log_prob(q.sample(500, torch.Generator().manual_seed(3))).mean(dim=(1, 2))

    def never(*_, **__):
        raise AssertionError("log q_X was evaluated in training")

    monkeypatch.setattr(TargetDensity, "log_prob", never)
    loss = reconstruction.loss(batch, embeddings, decoder, torch.Generator().manual_seed(3))
    torch.testing.assert_close(loss, kl - log_q, rtol=1e-10, atol=1e-10)
    assert loss.shape == (2,)


def test_each_species_is_decoded_from_its_own_embedding():
    batch, decoder = _batch(), _decoder()
    embeddings = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    reconstruction = DistributionReconstruction(0.2, 64)
    loss = reconstruction.loss(batch, embeddings, decoder, torch.Generator().manual_seed(0))
    (grad,) = torch.autograd.grad(loss[0], embeddings)
    assert (grad[0].abs().sum(-1) > 0).all()
    assert (grad[1] == 0).all()


def test_a_species_that_is_not_there_is_left_out_and_an_empty_set_has_no_loss():
    batch, decoder = _batch(), _decoder()
    embeddings = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.cat([batch.weights[:1]] * 3)
    weights[1, 1], weights[2] = 0.0, 0.0
    sparse = MicrostateBatch(torch.cat([batch.points[:1]] * 3), weights)
    one = MicrostateBatch(sparse.points, weights[:, :1])
    reconstruction = DistributionReconstruction(0.2, 20_000)
    loss = reconstruction.loss(sparse, embeddings, decoder, torch.Generator().manual_seed(0))
    of_first = reconstruction.loss(one, embeddings[:, :1], decoder, torch.Generator().manual_seed(1))
    assert loss[1].item() == pytest.approx(of_first[1].item(), abs=0.03)
    assert abs(loss[0].item() - of_first[0].item()) > 0.06  # where it is there, it counts
    assert loss[2] == 0
    (gradient,) = torch.autograd.grad(loss.sum(), embeddings)
    assert torch.isfinite(gradient).all()
    assert (gradient[1, 1] == 0).all()
    assert (gradient[2] == 0).all()
    score = reconstruction.score(sparse, embeddings, decoder, torch.Generator().manual_seed(0))
    assert torch.isfinite(score).all()
    assert score[2] == 0


def test_the_score_of_a_set_is_that_which_it_has_alone():
    batch, decoder = _batch(), _decoder()
    embeddings = torch.randn(2, 2, 3, dtype=torch.float64)
    reconstruction = DistributionReconstruction(0.2, 50)
    with torch.no_grad():
        together = reconstruction.score(batch, embeddings, decoder, torch.Generator().manual_seed(0))
        alone = [
            reconstruction.score(batch[b : b + 1], embeddings[b : b + 1], decoder, torch.Generator().manual_seed(0))
            for b in range(2)
        ]
        other = reconstruction.kl(batch, embeddings, decoder, torch.Generator().manual_seed(0))
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.allclose(together[1], other[1])  # kl draws numbers of its own for each


@pytest.mark.parametrize("d", [1, 2])
def test_fits_a_set_by_the_loss_alone(d):
    """Minimising the loss brings the KL near zero: the decoder finds q_X."""
    torch.manual_seed(0)
    batch = MicrostateBatch.from_points(torch.randn(1, 4, d))
    decoder = GaussianMixture(d, 0, components=8)
    reconstruction = DistributionReconstruction(0.3, 256)
    embeddings = torch.zeros(1, 1, 0)
    generator = torch.Generator().manual_seed(0)
    before = reconstruction.kl(batch, embeddings, decoder, generator).item()
    optimizer = torch.optim.Adam(decoder.parameters(), 1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        reconstruction.loss(batch, embeddings, decoder, generator).sum().backward()
        optimizer.step()
    after = DistributionReconstruction(0.3, 20_000).kl(batch, embeddings, decoder, generator).item()
    assert after < 0.05 < before
    assert after > -0.02
