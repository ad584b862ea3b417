"""The Chamfer distance against SciPy's nearest neighbours and POT's distance matrix; its gradient; what it ignores."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from setclosure.paper.models.chamfer import Chamfer, chamfer_distance
from setclosure.sets.microstates import MicrostateBatch


def _sets(seed, n, m, d):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d))


@given(seed=st.integers(0, 10**6), n=st.integers(1, 20), m=st.integers(1, 20), d=st.integers(1, 3))
def test_equals_scipy_and_pot(seed, n, m, d):
    x, y = _sets(seed, n, m, d)
    weights = torch.full((1, n), 1 / n, dtype=torch.float64)
    ours = float(chamfer_distance(torch.tensor(x)[None], weights, torch.tensor(y)[None]))
    scipy = np.mean(cKDTree(y).query(x)[0] ** 2) + np.mean(cKDTree(x).query(y)[0] ** 2)
    pot = ot.dist(x, y)  # squared Euclidean
    assert ours == pytest.approx(scipy, rel=1e-12)
    assert ours == pytest.approx(pot.min(axis=1).mean() + pot.min(axis=0).mean(), rel=1e-6, abs=1e-12)


def test_padding_is_nobodys_neighbour_and_mass_counts():
    x, y = _sets(0, 6, 9, 2)
    alone = MicrostateBatch.from_arrays([x], masses=[np.arange(1.0, 7.0)], dtype=torch.float64)
    padded = MicrostateBatch.from_arrays([x, np.zeros((20, 2))], masses=[np.arange(1.0, 7.0), np.ones(20)],
                                         dtype=torch.float64)  # fmt: skip
    decoded = torch.tensor(y)

    def loss(batch):
        return Chamfer().loss(batch, torch.zeros(len(batch), 1, 1), lambda c: decoded.expand(len(c), -1, -1))[0]

    assert float(loss(alone)) == pytest.approx(float(loss(padded)), rel=1e-14)
    weights = np.arange(1.0, 7.0) / 21
    expected = weights @ cKDTree(y).query(x)[0] ** 2 + np.mean(cKDTree(x).query(y)[0] ** 2)
    assert float(loss(alone)) == pytest.approx(expected / 2, rel=1e-12)


def test_order_changes_nothing_and_equal_sets_score_zero():
    x = torch.randn(3, 8, 2, dtype=torch.float64, generator=torch.manual_seed(0))
    weights = torch.full((3, 8), 1 / 8, dtype=torch.float64)
    assert float(chamfer_distance(x, weights, x.flip(1)).abs().max()) == 0.0


def test_gradient_is_the_numerical_one():
    x = torch.randn(2, 5, 2, dtype=torch.float64, generator=torch.manual_seed(1))
    y = torch.randn(2, 4, 2, dtype=torch.float64, generator=torch.manual_seed(2), requires_grad=True)
    weights = torch.full((2, 5), 0.2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda points: chamfer_distance(x, weights, points), y)
