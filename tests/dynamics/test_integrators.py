"""Orders of convergence against exact solutions, and torchsde step by step."""

import math

import numpy as np
import pytest
import torch
import torchsde

from setclosure.dynamics.integrators import euler, euler_maruyama, rk4


def order(steps, errors):
    """The slope of log(error) over log(step)."""
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize(("step", "expected"), [(euler, 1), (rk4, 4)])
def test_order_on_the_logistic_equation(step, expected):
    z0 = torch.tensor([0.1, 0.4, 1.7], dtype=torch.float64)
    exact = 1 / (1 + (1 / z0 - 1) * math.exp(-2.0))
    counts, errors = [16, 32, 64, 128], []
    for n in counts:
        z = z0
        for _ in range(n):
            z = step(lambda z: z * (1 - z), z, 2.0 / n)
        errors.append(float((z - exact).abs().max()))
    assert order(counts, errors) == pytest.approx(expected, abs=0.15)


def brownian(paths, fine):
    stream = torch.Generator().manual_seed(0)
    return torch.randn(fine, paths, 1, generator=stream, dtype=torch.float64) / math.sqrt(fine)  # on [0, 1]


def strong_errors(drift, diffusion, z0, exact, increments, counts):
    errors = []
    for n in counts:
        coarse = increments.unflatten(0, (n, -1)).sum(1)
        z = torch.full_like(exact, z0)
        for dw in coarse:
            z = euler_maruyama(drift, diffusion, z, 1 / n, dw * math.sqrt(n))
        errors.append(float((z - exact).abs().mean()))
    return errors


def test_strong_order_one_half_with_multiplicative_noise():
    a, b = 0.5, 1.0  # geometric Brownian motion
    increments = brownian(4000, 512)
    exact = torch.exp(a - b**2 / 2 + b * increments.sum(0))
    counts = [16, 32, 64, 128, 256, 512]
    errors = strong_errors(lambda z: a * z, lambda z: b * z, 1.0, exact, increments, counts)
    assert order(counts, errors) == pytest.approx(0.5, abs=0.08)


def test_strong_order_one_with_additive_noise():
    theta, sigma, fine = 2.0, 0.7, 4096  # Ornstein–Uhlenbeck, its stochastic integral by parts
    increments = brownian(500, fine)
    path = torch.cat([torch.zeros(1, 500, 1, dtype=torch.float64), increments.cumsum(0)])
    s = torch.linspace(0, 1, fine + 1, dtype=torch.float64).reshape(-1, 1, 1)
    integral = torch.trapezoid(torch.exp(-theta * (1 - s)) * path, dx=1 / fine, dim=0)
    exact = math.exp(-theta) + sigma * (path[-1] - theta * integral)
    counts = [8, 16, 32, 64]
    errors = strong_errors(lambda z: -theta * z, lambda z: torch.full_like(z, sigma), 1.0, exact, increments, counts)
    assert order(counts, errors) == pytest.approx(1.0, abs=0.1)


class Equation(torch.nn.Module):
    sde_type = "ito"

    def __init__(self, noise_type):
        super().__init__()
        self.noise_type = noise_type

    def f(self, t, z):
        return torch.sin(z) - 0.3 * z

    def g(self, t, z):
        if self.noise_type == "diagonal":
            return 0.2 + 0.1 * z.cos()
        return 0.1 * torch.einsum("bi,bj->bij", z, 1 + z.cos()).tril() + torch.eye(3, dtype=z.dtype)


@pytest.mark.parametrize("noise_type", ["diagonal", "general"])
def test_torchsde_takes_the_same_steps(noise_type):
    equation = Equation(noise_type)
    z0 = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(4, 3)
    path = torchsde.BrownianInterval(0.0, 1.0, size=(4, 3), dtype=torch.float64, entropy=5)
    times = torch.linspace(0, 1, 9, dtype=torch.float64)
    expected = torchsde.sdeint(equation, z0, times, bm=path, method="euler", dt=0.125)
    z = z0
    for k in range(8):
        noise = path(times[k], times[k + 1]) / math.sqrt(0.125)
        z = euler_maruyama(lambda z: equation.f(0, z), lambda z: equation.g(0, z), z, 0.125, noise)
        torch.testing.assert_close(z, expected[k + 1], rtol=1e-10, atol=1e-10)
