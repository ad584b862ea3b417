"""Features have roles: a position, then vectors, then scalars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import MicrostateError
from setclosure.sets.features import Features, as_features

SIZES = st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3)).filter(
    lambda n: sum(n) > 0 and (n[0] > 0 or (n[1] == 0 and n[2] > 0))
)


@given(sizes=SIZES)
def test_names_roles_and_json_say_the_same(sizes):
    features = Features(*sizes)
    k, vectors, scalars = sizes
    assert features.d == k * (1 + vectors) + scalars == len(features.names) == len(features.roles)
    assert len(set(features.names)) == features.d
    assert Features.of(features.names, features.roles) == features
    assert Features.from_json(features.to_json()) == features
    columns = [c for group in features.groups() for c in range(group.start, group.stop)]
    assert columns == list(range(features.d - scalars))
    assert all(features.roles[c] != "scalar" for c in columns)


def test_names_alone_are_positions_and_a_number_counts_them():
    assert as_features(("u", "v")) == Features(2, names=("u", "v"))
    assert as_features(3) == Features(3)
    assert Features(3).names == ("x", "y", "z")
    assert Features(5).names == ("x1", "x2", "x3", "x4", "x5")
    assert as_features(Features(1, 1)) == Features(1, 1)
    assert Features(2, 2, 1).names == ("x", "y", "v1x", "v1y", "v2x", "v2y", "s1")


@pytest.mark.parametrize(
    ("names", "roles", "message"),
    [
        (
            ("q", "x"),
            ("scalar", "position"),
            "expected the position first, then vectors, then scalars. Put the columns",
        ),
        (("x", "q", "v"), ("position", "scalar", "vector"), "expected the position first"),
        (("x", "v"), ("position", "velocity"), "expected one of position, vector, scalar for each"),
        (("x", "v"), ("position",), "expected one of position, vector, scalar for each"),
        (("x", "y", "v"), ("position", "position", "vector"), "1 features are components of vectors.*2 coordinates"),
        (("v",), ("vector",), "a position has 0 coordinates"),
        (("x", "x"), None, "expected one name for each"),
        ((), None, "at least one feature"),
    ],
)
def test_names_and_roles_that_do_not_fit_are_named(names, roles, message):
    with pytest.raises(MicrostateError, match=message):
        Features.of(names, roles)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 0, 0), "at least one feature"),
        ((-1, 0, 2), "expected whole numbers, not negative"),
        ((2.0, 0, 0), "expected whole numbers"),
        ((0, 1, 1), "there is no position"),
    ],
)
def test_numbers_that_do_not_fit_are_named(sizes, message):
    with pytest.raises(MicrostateError, match=message):
        Features(*sizes)
    with pytest.raises(MicrostateError, match=r"2 features and the names .*'a'.*; expected one name for each"):
        Features(2, names=("a",))
