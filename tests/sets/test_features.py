"""Features: the roles of the columns of a particle, their order and names."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setclosure.errors import MicrostateError
from setclosure.sets.features import Features, as_features

COLLOID = ("x", "y", "vx", "vy", "nx", "ny", "charge", "radius")
ROLES = ("position", "position", "vector", "vector", "vector", "vector", "scalar", "scalar")


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


def test_names_and_roles_say_how_many_of_each():
    features = Features.of(COLLOID, ROLES)
    assert (features.position, features.vectors, features.scalars, features.d) == (2, 2, 2, 8)
    assert features.names == COLLOID
    assert features.roles == ROLES
    assert [list(range(8))[group] for group in features.groups()] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("features", "names"),
    [
        (Features(1), ("x",)),
        (Features(3), ("x", "y", "z")),
        (Features(4), ("x1", "x2", "x3", "x4")),
        (Features(2, 2, 1), ("x", "y", "v1x", "v1y", "v2x", "v2y", "s1")),
        (Features(0, 0, 2), ("s1", "s2")),
    ],
)
def test_every_column_has_a_name_of_its_own(features, names):
    assert features.names == names


def test_columns_are_positions_where_no_role_is_given():
    assert Features.of(("a", "b")) == Features(2, names=("a", "b"))
    assert as_features(3) == Features(3)
    assert as_features(["a", "b"], ["position", "scalar"]) == Features(1, 0, 1, ("a", "b"))
    assert Features.of(("mass",), ("scalar",)).groups() == []


@pytest.mark.parametrize(
    ("names", "roles", "words"),
    [
        (("v", "x"), ("vector", "position"), "expected the position first, then vectors, then scalars"),
        (("x", "q", "v"), ("position", "scalar", "vector"), "Put the columns in that order"),
        (("x", "y", "v"), ("position", "position", "vector"), "1 features are components of vectors.* 2 coordinates"),
        (("v",), ("vector",), "1 features are components of vectors, and a position has 0"),
        (("x", "y"), ("position", "colour"), r"roles are \('position', 'colour'\).*position, vector, scalar"),
        (("x", "y"), ("position",), "roles are"),
        (("x", "x"), None, "expected one name for each"),
        ((), None, "at least one feature"),
    ],
)
def test_roles_that_cannot_be_are_named(names, roles, words):
    with pytest.raises(MicrostateError, match=words):
        Features.of(names, roles)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"position": -1}, "not negative"),
        ({"position": 1.5}, "whole numbers"),
        ({"position": 0}, "at least one feature"),
        ({"position": 0, "vectors": 1, "scalars": 1}, "there is no position"),
        ({"position": 2, "names": ("x",)}, "expected one name for each"),
    ],
)
def test_numbers_that_cannot_be_are_named(numbers, words):
    with pytest.raises(MicrostateError, match=words):
        Features(**numbers)


def test_json_brings_them_back():
    for features in (Features(2), Features.of(COLLOID, ROLES)):
        assert Features.from_json(json.loads(json.dumps(features.to_json()))) == features
