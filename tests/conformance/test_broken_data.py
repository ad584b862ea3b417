"""Observables, simulators, studies and methods that break one promise are told which."""

from __future__ import annotations

import re
import time
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import nn

from setclosure.conformance import check, check_method, check_observable, check_simulator, check_study
from setclosure.encoders.base import EncoderConfig
from setclosure.encoders.deep_set import DeepSetConfig
from setclosure.errors import ConformanceError, ModelError
from setclosure.experiments.study import SimulationSettings, SimulationStudy, Words
from setclosure.model.methods import Method
from setclosure.simulate.simulator import SimulatorConfig
from setclosure.trajectories.layout import Layout, Trajectory


def told(sentence, name="broken"):
    return pytest.raises(ConformanceError, match=rf"'{name}' breaks a promise: {re.escape(sentence)}\. \S+")


# ── observables ───────────────────────────────────────────────────────────────────────────────────────────────


def counts_padding(microstates):
    return microstates.points.std(dim=1).mean(dim=1)


def reads_padding(microstates):
    return microstates.points.sum(dim=(1, 2))


def first_particle(microstates):
    return microstates.points[:, 0].sum(dim=1)


def fast_path(microstates):
    x = microstates.mean().sum(dim=1)
    return x * len(x) if microstates.mask.all() else x


def every_particle(microstates):
    return microstates.points


def not_finite(microstates):
    return microstates.points.sum(dim=(1, 2)) * float("nan")


def moves_particles(microstates):
    return microstates.points.sub_(1.0)[:, 0, 0]


OBSERVABLES = [
    ("microstates have finite values (B, 1), one for each component", every_particle),
    ("microstates have finite values (B, 1), one for each component", not_finite),
    ("microstates have finite values (B, 1), one for each component", moves_particles),
    ("padding changes nothing, whatever stands in its places", counts_padding),
    ("padding changes nothing, whatever stands in its places", reads_padding),
    ("the order of the particles changes nothing", first_particle),
    ("microstates alone have the same values as in a batch", fast_path),
]
BY_NAME = "it is known by its name, or is a function"


def test_there_is_a_broken_observable_for_every_promise():
    assert {BY_NAME, *(sentence for sentence, _ in OBSERVABLES)} == set(check("observable", "extension").promises)


@pytest.mark.parametrize(("sentence", "function"), OBSERVABLES, ids=[f.__name__ for _, f in OBSERVABLES])
def test_a_broken_observable_is_told(known, sentence, function):
    with told(sentence, function.__name__):
        check_observable(function)
    known("observable", function)
    with told(sentence):
        check_observable("broken")


def test_an_unknown_observable_is_told():
    with told(BY_NAME, "spraed"):
        check_observable("spraed")


def test_a_function_of_several_numbers_is_checked_by_their_names():
    def spreads(microstates):
        return microstates.standard_deviation()

    assert check_observable(spreads, components=("x", "y")).promises
    with told("microstates have finite values (B, 1), one for each component", "spreads"):
        check_observable(spreads)


# ── simulators ────────────────────────────────────────────────────────────────────────────────────────────────


class Walk(SimulatorConfig):
    """Random walkers, in steps that a broken simulator changes."""

    n: int = Field(5, description="Particles.")
    buffer: ClassVar[np.ndarray] = np.empty((4, 5, 2))

    @property
    def layout(self):
        return Layout("walk", 2, 4, self.n, "extension", ("extension",))

    def points(self, rng):
        return rng.normal(size=(4, self.n, 2)).cumsum(axis=0)

    def simulate(self, rng):
        points = self.points(rng)
        return Trajectory(points, np.ptp(points[..., :1], axis=1), np.arange(4))


class HiddenOption(Walk):
    n: int = Field(5, exclude=True)


class OneTooMany(Walk):
    def points(self, rng):
        return rng.normal(size=(4, self.n + 1, 2))


class GlobalNumbers(Walk):
    def points(self, rng):
        return super().points(rng) + np.random.normal()  # noqa: NPY002


class OwnSeed(Walk):
    def points(self, rng):
        return super().points(np.random.default_rng(0))


class OtherObservable(Walk):
    def simulate(self, rng):
        points = self.points(rng)
        return Trajectory(points, 1.5 * np.ptp(points[..., :1], axis=1), np.arange(4))


class SharedBuffer(Walk):
    def points(self, rng):
        self.buffer[:] = super().points(rng)
        time.sleep(0.2)
        return self.buffer.copy()


class Unpicklable(Walk):
    in_threads: ClassVar[bool] = False

    def __reduce__(self):
        raise TypeError("it holds a handle of a library")


SIMULATORS = {
    "its configuration is stored with every option and read back the same": HiddenOption,
    "trajectories fit the layout": OneTooMany,
    "the same stream of random numbers gives the same trajectory": GlobalNumbers,
    "another stream gives another trajectory": OwnSeed,
    "the observable that it names is the one whose values it gives": OtherObservable,
    "threads simulate side by side, and change nothing": SharedBuffer,
    "it can be sent to other processes": Unpicklable,
}


def test_there_is_a_broken_simulator_for_every_promise(known):
    kept = check("simulator", "interacting_particles", {"n_particles": 5, "n_frames": 3}).promises
    assert set(SIMULATORS) == {*kept, "it can be sent to other processes"}


def test_the_simulator_that_the_broken_ones_come_from_keeps_all(known):
    assert check_simulator(known("simulator", Walk)()).promises


@pytest.mark.parametrize("sentence", SIMULATORS)
def test_a_broken_simulator_is_told(known, sentence):
    with told(sentence):
        check_simulator(known("simulator", SIMULATORS[sentence])())


# ── studies ───────────────────────────────────────────────────────────────────────────────────────────────────


class Walks(SimulationSettings):
    """Splits that a broken study changes."""

    n: int = 3

    def splits(self):
        return {split: (Walk(), self.n) for split in ("train", "validation", "far")}


class WalkStudy(SimulationStudy):
    """A study that keeps every promise."""

    simulation: Walks = Walks()


def walks(change):
    class Changed(Walks):
        def splits(self):
            return change(super().splits())

    class Config(WalkStudy):
        simulation: Changed = Changed()

    return Config


class Planar(Walk):
    @property
    def layout(self):
        return Layout("walk", 3, 4, self.n, "extension", ("extension",))


class Silent(WalkStudy):
    def test_words(self, test):
        return Words("")


class HiddenField(WalkStudy):
    walkers: int = Field(5, exclude=True)


FITS, TESTS = (
    "its model can be made for its particles",
    "it has data for training, for validation and for one test at least",
)
STUDIES = [
    ("its configuration is stored as YAML with every option and read back the same", HiddenField, {}),
    (TESTS, walks(lambda splits: {k: v for k, v in splits.items() if k != "far"}), {}),
    (TESTS, walks(lambda splits: {k: v for k, v in splits.items() if k != "validation"}), {}),
    (TESTS, walks(lambda splits: splits | {"near_again": splits["far"]}), {}),
    (TESTS, walks(lambda splits: splits | {"near/far": splits["far"]}), {}),
    (TESTS, walks(lambda splits: splits | {"near": (Walk(), 0)}), {}),
    (
        "its splits have particles, observables and context of one kind",
        walks(lambda splits: splits | {"space": (Planar(), 3)}),
        {},
    ),
    (FITS, WalkStudy, {"model": {"weight_feature": 5}}),
    ("every test has words for the report", Silent, {}),
]


def test_there_is_a_broken_study_for_every_promise():
    assert {sentence for sentence, *_ in STUDIES} == set(check("study", "interacting_particles").promises)


def test_the_study_that_the_broken_ones_come_from_keeps_all(known):
    assert check_study(known("study", WalkStudy)()).promises


@pytest.mark.parametrize(("sentence", "config", "options"), STUDIES)
def test_a_broken_study_is_told(known, sentence, config, options):
    with told(sentence):
        check_study(known("study", config).parse(options))


# ── methods ───────────────────────────────────────────────────────────────────────────────────────────────────


class NotFinite(nn.Module):
    def forward(self, batch):
        return torch.full((len(batch), batch.n_species, 3), torch.nan)


class NotFiniteConfig(EncoderConfig):
    def build(self, kind, closure_dim):
        return NotFinite()


class RefusesConfig(EncoderConfig):
    def build(self, kind, closure_dim):
        raise ModelError("it reads spectra")


class HiddenWidth(DeepSetConfig):
    phi_layers: int = Field(2, exclude=True)

    def build(self, kind, closure_dim):
        return DeepSetConfig(phi_layers=self.phi_layers).build(kind, closure_dim)


class WidthInWords(EncoderConfig):
    width: Literal["narrow", "wide"] = "narrow"

    def build(self, kind, closure_dim):
        return DeepSetConfig(width=8).build(kind, closure_dim)


FLOW = {"name": "gaussian_mixture"}
KL = {"name": "distribution", "samples": 4}
SETS, OF_TEST = {"name": "deep_set"}, {"name": "broken"}
METHODS = [
    ("a line says what it is", None, Method("", SETS, FLOW, KL)),
    ("its name stands for registered parts", None, Method("of parts", {"name": "deep_sett"}, FLOW, KL)),
    (
        "its parts are built together for positions in the plane, or for pixels",
        RefusesConfig,
        Method("spectra", OF_TEST, FLOW, KL),
    ),
    ("microstates are encoded, (B, S·c), and finite", NotFiniteConfig, Method("not finite", OF_TEST, FLOW, KL)),
    (
        "the loss of each microstate, (B,), is finite and has finite gradients",
        None,
        Method("no density", SETS, {"name": "pointwise_mlp"}, KL),
    ),
    (
        "a stored specification has all parts, and needs no preset to be read",
        HiddenWidth,
        Method("hidden", OF_TEST | {"phi_layers": 1}, FLOW, KL),
    ),
    ("a configuration can change to it, and from it", WidthInWords, Method("in words", OF_TEST, FLOW, KL)),
]


def test_there_is_a_broken_method_for_every_promise():
    assert {sentence for sentence, *_ in METHODS} == set(check("method", "density").promises)


@pytest.mark.parametrize(("sentence", "encoder", "method"), METHODS, ids=[m.summary or "empty" for *_, m in METHODS])
def test_a_broken_method_is_told(known, sentence, encoder, method):
    if encoder is not None:
        known("encoder", encoder)
    known("method", method)
    with told(sentence):
        check_method("broken")
