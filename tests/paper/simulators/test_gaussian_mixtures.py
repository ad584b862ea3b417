from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from setclosure.errors import ConfigurationError
from setclosure.paper.simulators.gaussian_mixtures import GaussianMixtures


def test_points_come_from_the_density():
    sets = GaussianMixtures(n_particles=20000).draw(3, seed=1, split="train")
    grid = np.linspace(-3, 3, 6001)
    for i in range(3):
        density = sets.density(i, grid)
        cumulative = np.cumsum(density) * (grid[1] - grid[0])
        assert cumulative[-1] == pytest.approx(1, abs=1e-3)
        p = stats.kstest(sets.points[i, :, 0], lambda x, c=cumulative: np.interp(x, grid, c)).pvalue
        assert p > 1e-3


def test_means_keep_to_their_intervals_and_a_set_depends_on_its_index_alone():
    few, many = (GaussianMixtures().draw(n, seed=0, split="train") for n in (5, 50))
    assert np.array_equal(few.points, many.points[:5])
    edges = np.linspace(-1, 1, 5)
    assert ((many.means >= edges[:-1]) & (many.means <= edges[1:])).all()
    assert (many.sds >= 0.1).all()
    assert (many.sds <= 0.2).all()
    other = GaussianMixtures().draw(5, seed=0, split="validation")
    assert not np.array_equal(few.points, other.points)


def test_impossible_mixtures_are_refused():
    with pytest.raises(ConfigurationError, match="span must rise"):
        GaussianMixtures.parse({"span": [1.0, -1.0]})
