"""Dynamics, drifts and diffusions that break one promise are told which."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import softplus

from setclosure.conformance import check, check_diffusion, check_drift, check_dynamics
from setclosure.dynamics.base import DiffusionConfig, Drift, DriftConfig, DynamicsConfig
from setclosure.dynamics.mlp_drift import MLPDrift, MLPDriftConfig
from setclosure.dynamics.networks import joined
from setclosure.dynamics.ode import ODE
from setclosure.errors import ConformanceError

READ_BACK = "its configuration is stored with every option and read back the same"


def told(sentence):
    return pytest.raises(ConformanceError, match=rf"'broken' breaks a promise: {re.escape(sentence)}\. \S+")


# ── dynamics ──────────────────────────────────────────────────────────────────────────────────────────────────


class OneFrame(ODE):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.horizons = (0,)


class TakesAll(ODE):
    def set_statistics(self, z, context, now, dt):
        super().set_statistics(z.nan_to_num(), context, now, dt)


class RelativeLoss(ODE):
    def loss(self, *arguments):
        found = super().loss(*arguments)
        return found / found.mean()


class RelativeLossOfManySteps(ODE):
    def __init__(self, *arguments):
        super().__init__(*arguments, horizons=(1, 4, 6))

    def loss(self, z, *arguments):
        found = super().loss(z, *arguments)
        return found / found.mean() if z.shape[1] == 5 else found


class Unused(ODE):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.unused = nn.Linear(2, 2)


class IgnoresTimes(ODE):
    def loss(self, z, context, dt, statistics=None):
        return super().loss(z, context, torch.ones_like(dt), statistics)


class JumpsAnyway(ODE):
    def simulate(self, state, context, dt, **options):
        return super().simulate(state, context, torch.ones_like(dt), **options)


class UnitOfTime(ODE):
    def simulate(self, state, context, dt, **options):
        return super().simulate(state, context, dt * self.time_step, **options)


class UnitOfStates(ODE):
    def set_statistics(self, z, context, now, dt):
        super().set_statistics(z, context, now, dt)
        self.rate_scale.fill_(0.1)


class MixedStart(ODE):
    def start(self, z, context):
        return z[:, -1] - 0.1 * z[:, -1].mean(dim=0)


class AlwaysWell(ODE):
    def simulate(self, *arguments, **options):
        found = super().simulate(*arguments, **options)
        return replace(found, status=torch.zeros_like(found.status))


class SecretNoise(ODE):
    def simulate(self, state, *arguments, **options):
        return super().simulate(state * (1 + 1e-12 * torch.randn_like(state)), *arguments, **options)


class MixedPaths(ODE):
    def simulate(self, state, *arguments, **options):
        return super().simulate(state + 0.1 * (state - state.mean(dim=0)), *arguments, **options)


class IgnoresContext(ODE):
    def standard_context(self, context):
        return torch.zeros_like(context)


class SeesTheFuture(ODE):
    def simulate(self, state, context, dt, **options):
        return super().simulate(state, context.flip(1), dt, **options)


class Forgetful(ODE):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.hidden = torch.randn(())

    def loss(self, *arguments):
        return super().loss(*arguments) + self.hidden


DYNAMICS = [
    ("it is built with and without context, and says how many steps its examples have", OneFrame),
    ("units are taken from the training data, which are refused if they are not finite", TakesAll),
    ("the loss of each example, (B,), is finite and that of the example alone", RelativeLoss),
    ("the loss of each example, (B,), is finite and that of the example alone", RelativeLossOfManySteps),
    ("every parameter has a finite gradient, in the units of the data and of a batch", Unused),
    ("the times between frames enter the loss, and less time is less change", IgnoresTimes),
    ("the times between frames enter the loss, and less time is less change", JumpsAnyway),
    ("the unit of time and the units of the macrostates change no rollout", UnitOfTime),
    ("the unit of time and the units of the macrostates change no rollout", UnitOfStates),
    ("a state is made of any number of known frames, whatever is in the batch", MixedStart),
    ("paths (B, R, H + 1, D) are finite and each has a status, far outside of the data, too", AlwaysWell),
    ("the same random numbers give the same paths, and others others", SecretNoise),
    ("later starts of a batch change nothing", MixedPaths),
    ("the context enters the loss and the paths, and never before its time", IgnoresContext),
    ("the context enters the loss and the paths, and never before its time", SeesTheFuture),
    ("weights and statistics are saved and loaded", Forgetful),
]


def dynamics(made, **facts):
    class Config(DynamicsConfig):
        width: int = Field(1, **facts)

        def build(self, dim, n_observables, context_dim=0, time_step=1.0):
            drift = MLPDrift(dim, context_dim, MLPDriftConfig(hidden=(8,)))
            return made(dim, n_observables, context_dim, time_step, drift)

    return Config


def test_there_are_broken_dynamics_for_every_promise():
    assert {READ_BACK, *(sentence for sentence, _ in DYNAMICS)} == set(check("dynamics", "ode").promises)


def test_the_dynamics_that_the_broken_ones_come_from_keep_all(known):
    assert check_dynamics(known("dynamics", dynamics(ODE))()).promises


@pytest.mark.parametrize(("sentence", "made"), DYNAMICS, ids=[made.__name__ for _, made in DYNAMICS])
def test_broken_dynamics_are_told(known, sentence, made):
    config = known("dynamics", dynamics(made))
    with told(sentence):
        check_dynamics(config())


def test_an_option_of_dynamics_that_is_not_stored_is_told(known):
    with told(READ_BACK):
        check_dynamics(known("dynamics", dynamics(ODE, exclude=True))())


# ── drifts ────────────────────────────────────────────────────────────────────────────────────────────────────


class Linear(Drift):
    def __init__(self, dim, context_dim):
        super().__init__()
        self.network = nn.Linear(dim + context_dim, dim)

    def forward(self, y, u):
        return self.network(joined(y, u))


class NoDrift(nn.Module):
    def __init__(self, dim, context_dim):
        super().__init__()
        self.network = nn.Linear(dim + context_dim, dim)

    def forward(self, y, u):
        return self.network(joined(y, u))


class OneNumber(Linear):
    def forward(self, y, u):
        return super().forward(y, u).sum(dim=-1)


class MixedRows(Linear):
    def forward(self, y, u):
        return super().forward(y, u) - (y.mean(dim=0) if y.ndim > 1 else 0)


class NoContext(Linear):
    def forward(self, y, u):
        return super().forward(y, torch.zeros_like(u))


class UnusedLayer(Linear):
    def __init__(self, dim, context_dim):
        super().__init__(dim, context_dim)
        self.unused = nn.Linear(2, 2)


class Explodes(Linear):
    def forward(self, y, u):
        return super().forward(y, u) + y.exp()


class NeedsGradients(Linear):
    def forward(self, y, u):
        x = y.clone().requires_grad_()
        return super().forward(y, u) + torch.autograd.grad(x.pow(4).sum(), x)[0]


class RefusesRates(Linear):
    def set_rates(self, rates):
        self.network.weight.copy_(rates)


class ForgetfulDrift(Linear):
    def __init__(self, dim, context_dim):
        super().__init__(dim, context_dim)
        self.hidden = torch.randn(())

    def forward(self, y, u):
        return super().forward(y, u) + self.hidden


class NoOrigin(Linear):
    def forward(self, y, u):
        return super().forward(y, u) + y / y.norm(dim=-1, keepdim=True)


DRIFTS = [
    ("y (*, D) and context (*, p), with any leading axes, have drifts (*, D)", NoDrift),
    ("y (*, D) and context (*, p), with any leading axes, have drifts (*, D)", OneNumber),
    ("every row depends on its own macrostate and context alone", MixedRows),
    ("the context enters", NoContext),
    ("every parameter has a finite gradient", UnusedLayer),
    ("drifts are finite far outside of the data, where gradients are off", Explodes),
    ("drifts are finite far outside of the data, where gradients are off", NeedsGradients),
    ("it takes the rates of the columns", RefusesRates),
    ("its weights are saved and loaded", ForgetfulDrift),
    ("it drives dynamics with and without noise", NoOrigin),
]


def drift(made, **facts):
    class Config(DriftConfig):
        width: int = Field(1, **facts)

        def build(self, dim, context_dim=0):
            return made(dim, context_dim)

    return Config


def test_there_is_a_broken_drift_for_every_promise():
    assert {READ_BACK, *(sentence for sentence, _ in DRIFTS)} == set(check("drift", "mlp").promises)


def test_the_drift_that_the_broken_ones_come_from_keeps_all(known):
    assert check_drift(known("drift", drift(Linear))()).promises


@pytest.mark.parametrize(("sentence", "made"), DRIFTS, ids=[made.__name__ for _, made in DRIFTS])
def test_a_broken_drift_is_told(known, sentence, made):
    config = known("drift", drift(made))
    with told(sentence):
        check_drift(config())


def test_an_option_of_a_drift_that_is_not_stored_is_told(known):
    with told(READ_BACK):
        check_drift(known("drift", drift(Linear, exclude=True))())


# ── diffusions ────────────────────────────────────────────────────────────────────────────────────────────────


class Positive(Linear):
    def forward(self, y, u):
        return softplus(super().forward(y, u)) + 1e-3


class UpperTriangle(Positive):
    def forward(self, y, u):
        return super().forward(y, u).diag_embed() + torch.ones(3, 3, dtype=y.dtype).triu(1)


class NegativeFarAway(Linear):
    def forward(self, y, u):
        return 5 + super().forward(y, u)


class MixedNoise(Positive):
    def forward(self, y, u):
        return super().forward(y, u) + (y.square().mean(dim=0) if y.ndim > 1 else 0)


class UnusedNoise(Positive):
    def __init__(self, dim, context_dim):
        super().__init__(dim, context_dim)
        self.unused = nn.Linear(2, 2)


class ForgetfulNoise(Positive):
    def __init__(self, dim, context_dim):
        super().__init__(dim, context_dim)
        self.hidden = torch.rand(())

    def forward(self, y, u):
        return super().forward(y, u) + self.hidden


class NoNoiseAtOrigin(Positive):
    def forward(self, y, u):
        return super().forward(y, u) + (y / y).square()


DIFFUSIONS = {
    "y (*, D) and context (*, p) have a diagonal (*, D), or a lower triangle (*, D, D)": UpperTriangle,
    "the diagonal is positive, far outside of the data, too": NegativeFarAway,
    "every row depends on its own macrostate and context alone": MixedNoise,
    "every parameter has a finite gradient": UnusedNoise,
    "its weights are saved and loaded": ForgetfulNoise,
    "it is the noise of dynamics, whose loss is finite": NoNoiseAtOrigin,
}


def diffusion(made, **facts):
    class Config(DiffusionConfig):
        width: int = Field(1, **facts)

        def build(self, dim, context_dim=0):
            return made(dim, context_dim)

    return Config


def test_there_is_a_broken_diffusion_for_every_promise():
    assert {READ_BACK, *DIFFUSIONS} == set(check("diffusion", "full").promises)


def test_the_diffusion_that_the_broken_ones_come_from_keeps_all(known):
    assert check_diffusion(known("diffusion", diffusion(Positive))()).promises


@pytest.mark.parametrize("sentence", DIFFUSIONS)
def test_a_broken_diffusion_is_told(known, sentence):
    config = known("diffusion", diffusion(DIFFUSIONS[sentence]))
    with told(sentence):
        check_diffusion(config())


def test_an_option_of_a_diffusion_that_is_not_stored_is_told(known):
    with told(READ_BACK):
        check_diffusion(known("diffusion", diffusion(Positive, exclude=True))())
