from __future__ import annotations

import numpy as np
import pytest
import torch

from setclosure.errors import ModelError
from setclosure.paper.models.squared_error import SquaredError
from setclosure.sets.microstates import MicrostateBatch


def test_is_the_mean_squared_error_of_numpy_and_depends_on_the_order():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 7, 2)), rng.normal(size=(3, 7, 2))
    batch = MicrostateBatch.from_arrays(x, dtype=torch.float64)

    def loss(decoded):
        return SquaredError().loss(batch, torch.zeros(3, 1, 4), lambda closure: torch.tensor(decoded)).numpy()

    assert np.allclose(loss(y), ((x - y) ** 2).mean(axis=(1, 2)), rtol=1e-14)
    assert np.all(loss(x) == 0)
    assert np.all(loss(x[:, ::-1].copy()) > 0.1)  # the same sets, in another order: what the paper objects to


def test_another_number_of_particles_is_refused_with_the_remedy():
    batch = MicrostateBatch.from_arrays(np.zeros((2, 5, 2)))
    with pytest.raises(ModelError, match=r"\(7, 2\), these have \(5, 2\).*one size.*distribution"):
        SquaredError().loss(batch, torch.zeros(2, 1, 4), lambda closure: torch.zeros(2, 7, 2))
