"""The promises of methods: presets whose parts go together, and are stored without the preset."""

from __future__ import annotations

import json

import torch

from setclosure.conformance.report import Report
from setclosure.conformance.require import require, require_finite, require_gradients, require_same, require_shape
from setclosure.conformance.sets import batched, made_for, random_sets
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.methods import PARTS, get_method
from setclosure.model.specification import ModelSettings, use_method
from setclosure.seeds import seeded, torch_stream
from setclosure.sets.microstates import MicrostateKind

C = 3
"""Numbers of a closure."""


def check_method(name: str) -> Report:
    """Check the promises of a method.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.

    Examples
    --------
    >>> check_method("none").promises[0]
    'a line says what it is'
    """
    report = Report("method", name)
    with report.promise("a line says what it is"):
        method = get_method(name)
        require(bool(method.summary.strip()), "its summary is empty.")
    with report.promise("its name stands for registered parts"):
        settings = _settings(name)
        for part in PARTS:
            made, preset = getattr(settings, part), getattr(method, part)
            require((made is None) == (preset is None), f"its {part} is {made!r}, where it has {preset!r}.")
    with report.promise("its parts are built together for positions in the plane, or for pixels"):
        kind, autoencoder = made_for(lambda kind: _made(settings, kind))
    batch = batched(random_sets(kind, (kind.n_particles,) * 4), kind, torch.float32)
    with report.promise("microstates are encoded, (B, S·c), and finite"):
        closures = autoencoder.encode(batch)
        require_shape(closures, (4, settings.closure_dim), "the closures")
        require_finite(closures, "the closures")
    with report.promise("the loss of each microstate, (B,), is finite and has finite gradients"):
        if settings.reconstruction is not None:
            autoencoder.coordinates.fit(batch)
            loss = autoencoder.loss(batch, torch_stream(0))
            require_shape(loss, (4,), "the loss")
            require_finite(loss, "the loss")
            require_gradients(autoencoder, loss.sum())
            require_shape(autoencoder.score(batch), (4,), "the score")
    with report.promise("a stored specification has all parts, and needs no preset to be read"):
        stored = json.loads(json.dumps(settings.model_dump(mode="json")))
        read = ModelSettings.parse(stored | {"method": "a-name-that-nobody-registered"})
        require(
            read.model_dump() | {"method": name} == settings.model_dump(),
            f"without the preset it was read as {read!r}; expected {settings!r}.",
        )
        other = _made(read, kind)
        other.load_state_dict(autoencoder.state_dict())
        require_same(other.encode(batch), autoencoder.encode(batch), "closures after reading", 0.0)
    with report.promise("a configuration can change to it, and from it"):
        for before, after in (("density", name), (name, "density")):
            model = _settings(before).model_dump(mode="json")
            use_method(model, after)
            found = ModelSettings.parse(model)
            require(found.method == after, f"from {before} to {after}, the method is '{found.method}'.")
    return report


def _settings(name: str) -> ModelSettings:
    none = get_method(name).encoder is None
    return ModelSettings.parse({"method": name, "closure_dim": 0 if none else C})


def _made(settings: ModelSettings, kind: MicrostateKind) -> Autoencoder:
    with seeded(0, "conformance"):
        return Autoencoder(settings, kind).eval()
