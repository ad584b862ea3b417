from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from setclosure.observables.pair_energy import pair_energy_of_points
from setclosure.observables.pair_kernels import (
    LOG_COSH_ERROR,
    TANH_ERROR,
    fast_log_cosh,
    fast_tanh,
    pair_forces,
)

A, B = 4.0, 0.1


def reference_forces(points, a=A, b=B):
    difference = points[:, None] - points[None]
    r = np.sqrt((difference**2).sum(-1))
    np.fill_diagonal(r, 1.0)
    return (((np.tanh(a * (1 - r)) + b) / r)[..., None] * difference).sum(1)


def reference_energy(points, a=A, b=B):
    i, j = np.triu_indices(len(points), 1)
    u = 1 - np.sqrt(((points[i] - points[j]) ** 2).sum(-1))
    return np.mean((np.logaddexp(a * u, -a * u) - np.log(2)) / a + b * u)


def kernel_forces(points, a=A, b=B):
    x, y = np.ascontiguousarray(points.T, dtype=np.float32)
    fx, fy = np.empty_like(x), np.empty_like(y)
    pair_forces(x, y, np.float32(a), np.float32(b), fx, fy)
    return np.stack([fx, fy], axis=1)


def test_the_approximations_keep_their_stated_errors():
    u = np.concatenate([np.linspace(-12, 12, 100_001), [-1e30, -1e4, 1e4, 1e30]]).astype(np.float32)
    exact = u.astype(np.float64)
    tanh = np.array([fast_tanh(v) for v in u], dtype=np.float64)
    assert np.abs(tanh - np.tanh(exact)).max() < TANH_ERROR
    log_cosh = np.array([fast_log_cosh(v) for v in u], dtype=np.float64)
    expected = np.abs(exact) + np.log1p(np.exp(-2 * np.abs(exact))) - np.log(2)
    error = (log_cosh - expected) / np.maximum(1, expected)
    assert np.abs(error).max() < LOG_COSH_ERROR
    inner = np.abs(exact) < 4  # r < 2 with a = 4, where almost all pairs are: the mean enters the energy
    assert abs((log_cosh - expected)[inner].mean()) < 1e-7


def test_nan_stays_nan():
    assert np.isnan(fast_tanh(np.float32(np.nan)))
    assert np.isnan(pair_energy_of_points([[[0.0, np.nan], [1.0, 1.0]]]))[0]


@given(N=st.integers(2, 70), a=st.floats(0.5, 20), b=st.floats(-1, 1), seed=st.integers(0, 1000))
def test_kernels_agree_with_numpy_in_double_precision(N, a, b, seed):
    points = np.random.default_rng(seed).normal(size=(N, 2)).astype(np.float32)
    exact = points.astype(np.float64)
    # a multiplies the rounding of 1 − r; each of the N terms is of order one
    assert np.abs(kernel_forces(points, a, b) - reference_forces(exact, a, b)).max() < 1e-6 * (a + 1) * N
    energy = pair_energy_of_points(points[None], a, b)[0]
    assert energy == pytest.approx(reference_energy(exact, a, b), rel=2e-6, abs=2e-6)


def test_the_energy_is_accurate_to_a_millionth_for_a_typical_set():
    points = np.random.default_rng(0).normal(0, 0.4, size=(300, 2)).astype(np.float32)
    energy = pair_energy_of_points(points[None])[0]
    assert energy == pytest.approx(reference_energy(points.astype(np.float64)), rel=3e-7)


def test_the_energy_is_the_potential_of_the_force():
    points = np.random.default_rng(1).normal(0, 0.5, size=(12, 2))
    N, h = len(points), 1e-5
    gradient = np.zeros_like(points)
    for i, k in np.ndindex(*points.shape):
        moved = [points.copy(), points.copy()]
        moved[0][i, k] += h
        moved[1][i, k] -= h
        gradient[i, k] = (reference_energy(moved[0]) - reference_energy(moved[1])) / (2 * h)
    # E is a mean over pairs, the force a sum over partners
    assert np.allclose(kernel_forces(points), -gradient * N * (N - 1) / 2, atol=2e-5)


def test_forces_between_particles_cancel_and_a_particle_exerts_none_on_itself():
    points = np.random.default_rng(2).normal(size=(64, 2))
    assert np.abs(kernel_forces(points).sum(axis=0)).max() < 1e-4
    coincident = np.zeros((3, 2))
    assert np.array_equal(kernel_forces(coincident), np.zeros((3, 2)))
