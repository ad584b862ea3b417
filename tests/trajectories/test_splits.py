from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import ConfigurationError
from setclosure.trajectories.splits import split_trajectories


@given(n=st.integers(3, 500), weights=st.lists(st.floats(0.01, 1), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_parts_are_disjoint_complete_not_empty_and_of_the_right_size(n, weights, seed):
    fractions = np.array(weights) / sum(weights)
    parts = split_trajectories(n, fractions, seed)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    for part, fraction in zip(parts, fractions, strict=True):
        assert len(part) >= 1
        assert len(part) <= max(1, fraction * n + 1)
    again = split_trajectories(n, fractions, seed)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_seeds_differ_and_mistakes_are_named():
    assert not np.array_equal(split_trajectories(50, (0.5, 0.5), 0)[0], split_trajectories(50, (0.5, 0.5), 1)[0])
    with pytest.raises(ConfigurationError, match="sum one"):
        split_trajectories(10, (0.8, 0.3), 0)
    with pytest.raises(ConfigurationError, match="1 trajectories cannot be split into 2"):
        split_trajectories(1, (0.8, 0.2), 0)
