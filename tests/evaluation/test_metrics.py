"""The metrics of A.2 against hand-made numbers, brute force and theory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from setclosure.errors import DatasetError
from setclosure.evaluation.metrics import PAPER_BANDWIDTHS, effective_rank, mean_relative_error, mmd, scaled_to_range

values = st.floats(-1e3, 1e3, allow_subnormal=False)


def test_mre_by_hand():
    truth = [[[3.0, 4.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]]
    predicted = [[[3.0, 4.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 0.5]]]
    mean, ratios = mean_relative_error(truth, predicted)
    assert ratios.tolist() == [1.0, 0.125]
    assert mean == 0.5625


@settings(deadline=None)
@given(arrays(float, (3, 4, 2), elements=values), arrays(float, (3, 4, 2), elements=values), st.floats(1e-3, 1e3))
def test_mre_does_not_depend_on_the_unit(truth, error, unit):
    truth = truth + 2000.0
    mean, ratios = mean_relative_error(truth, truth + error)
    scaled, _ = mean_relative_error(-unit * truth, -unit * (truth + error))
    assert scaled == pytest.approx(mean, rel=1e-9, abs=1e-20)
    assert mean == pytest.approx(ratios.mean())


def test_the_scaled_mre_weighs_errors_by_the_training_range():
    truth, predicted = np.array([[[2.0], [4.0]]]), np.array([[[2.0], [3.0]]])
    pair = [scaled_to_range(v, [2.0], [4.0]) for v in (truth, predicted)]
    assert pair[0].ravel().tolist() == [-1.0, 1.0]
    assert mean_relative_error(*pair)[0] == pytest.approx(1 / 2)  # (1 − 0)² / (1 + 1)
    with pytest.raises(DatasetError, match="low < high"):
        scaled_to_range(truth, 3.0, 3.0)


def brute_force(truth, predicted, unbiased):
    """The formula of A.2, term by term."""
    total = 0.0
    for sigma in PAPER_BANDWIDTHS:
        for t in range(truth.shape[1]):
            for a, b, factor in ((truth, truth, 1), (predicted, predicted, 1), (truth, predicted, -2)):
                terms = [
                    math.exp(-float(((a[i, t] - b[j, t]) ** 2).sum()) / (2 * sigma**2))
                    for i in range(len(a))
                    for j in range(len(b))
                    if not (unbiased and a is b and i == j)
                ]
                total += factor * sum(terms) / len(terms)
    return total / len(PAPER_BANDWIDTHS) / truth.shape[1]


@pytest.mark.parametrize("unbiased", [False, True])
def test_mmd_is_the_printed_formula(unbiased):
    rng = np.random.default_rng(0)
    truth, predicted = 0.3 * rng.normal(size=(7, 3, 2)), 0.4 * rng.normal(size=(5, 3, 2))
    assert mmd(truth, predicted, unbiased=unbiased) == pytest.approx(brute_force(truth, predicted, unbiased), rel=1e-12)


def test_mmd_in_blocks_is_mmd_at_once():
    rng = np.random.default_rng(1)
    truth, predicted = rng.normal(size=(400, 2, 2)), rng.normal(size=(700, 2, 2))  # several blocks of rows

    def mean_kernel(a, b):
        distance = ((a[:, None] - b[None]) ** 2).sum(-1)  # (M, M', T)
        return np.mean([np.exp(-distance / (2 * s**2)).mean() for s in PAPER_BANDWIDTHS])

    expected = mean_kernel(truth, truth) + mean_kernel(predicted, predicted) - 2 * mean_kernel(truth, predicted)
    assert mmd(truth, predicted) == pytest.approx(expected, rel=1e-10)


def test_mmd_by_hand():
    truth, predicted = [[[0.0]], [[1.0]]], [[[0.0]], [[0.0]]]
    e = math.exp(-0.5)
    within, across = (2 + 2 * e) / 4, (2 + 2 * e) / 4
    assert mmd(truth, predicted, [1.0]) == pytest.approx(within + 1 - 2 * across)
    assert mmd(truth, predicted, [1.0], unbiased=True) == pytest.approx(e + 1 - 2 * across)


def test_for_equal_distributions_the_unbiased_estimate_is_zero_on_average_and_the_printed_one_is_not():
    rng = np.random.default_rng(2)
    M, draws = 20, 400
    pairs = [0.1 * rng.normal(size=(2, M, 1, 2)) for _ in range(draws)]
    unbiased = np.array([mmd(a, b, unbiased=True) for a, b in pairs])
    assert abs(unbiased.mean()) < 4 * unbiased.std() / math.sqrt(draws)
    # the floor of the V-statistic is (1 − E k) · 2/M, where E k of two normal pairs is known: ‖a − b‖² ~ 2 s² χ²
    mean_kernel = np.mean([1 / (1 + 2 * 0.1**2 / s**2) for s in PAPER_BANDWIDTHS])
    printed = np.array([mmd(a, b) for a, b in pairs])
    assert printed.mean() == pytest.approx((1 - mean_kernel) * 2 / M, abs=4 * printed.std() / math.sqrt(draws))


def test_mmd_tells_distributions_apart():
    rng = np.random.default_rng(3)
    truth = 0.1 * rng.normal(size=(200, 2, 1))
    shifted = [mmd(truth, 0.1 * rng.normal(size=(200, 2, 1)) + shift, unbiased=True) for shift in (0.0, 0.05, 0.2, 1.0)]
    assert shifted == sorted(shifted)
    assert shifted[1] > 10 * abs(shifted[0])


@settings(deadline=None)
@given(arrays(float, (6, 2, 2), elements=st.floats(-2, 2)), st.randoms(use_true_random=False), st.booleans())
def test_mmd_ignores_the_order_of_trajectories_the_origin_and_who_is_who(z, random, unbiased):
    truth, predicted = z[:4], z[2:]
    value = mmd(truth, predicted, unbiased=unbiased)
    order = list(range(4))
    random.shuffle(order)
    assert mmd(truth[order], predicted, unbiased=unbiased) == pytest.approx(value, abs=1e-12)
    assert mmd(truth + 0.5, predicted + 0.5, unbiased=unbiased) == pytest.approx(value, abs=1e-9)
    assert mmd(predicted, truth, unbiased=unbiased) == pytest.approx(value, abs=1e-12)
    if not unbiased:
        assert value > -1e-12
        assert mmd(truth, truth[order]) == pytest.approx(0.0, abs=1e-12)


def test_effective_rank_between_one_and_all():
    rng = np.random.default_rng(4)
    z = rng.normal(size=(20000, 4))
    assert effective_rank(z) == pytest.approx(4.0, abs=0.01)
    assert effective_rank(z[:, :1] * [1.0, -3.0, 0.0]) == pytest.approx(1.0)
    assert effective_rank(7.3 + np.zeros((9, 3))) == 0.0
    shares = np.array([0.7, 0.2, 0.1])
    corners = np.concatenate([np.diag(np.sqrt(shares)), -np.diag(np.sqrt(shares))])  # these are its eigenvalues
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert effective_rank(1e4 + 50 * corners @ turn) == pytest.approx(np.prod(shares**-shares))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a: mean_relative_error(a, a[:2]), r"\(3, 4, 2\) and predicted \(2, 4, 2\)"),
        (lambda a: mean_relative_error(a * 0, a), "trajectory 0 of the truth is zero"),
        (lambda a: mean_relative_error(a, a * np.nan), "predicted is .* trajectory 0, frame 0"),
        (lambda a: mean_relative_error(a[0], a[0]), r"\(M, T, o\)"),
        (lambda a: mmd(a, a[:, :3]), "same frames"),
        (lambda a: mmd(a, a, [0.1, 0.0]), "positive"),
        (lambda a: mmd(a[:1], a, unbiased=True), "at least two"),
        (effective_rank, r"\(3, 4, 2\)"),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(DatasetError, match=words):
        call(np.ones((3, 4, 2)))
