"""Candidates are the models among which ``setclosure compare`` chooses: methods, descriptors and sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from setclosure.descriptors.environment import EnvironmentConfig
from setclosure.descriptors.joined import Descriptors
from setclosure.errors import ConfigurationError, ModelError
from setclosure.model.methods import get_method
from setclosure.model.specification import ModelSettings, use_method
from setclosure.parts import read_part
from setclosure.registry import names
from setclosure.sets.microstates import MicrostateKind

METHODS = ("none", "pooled", "density")
"""Methods that are compared by default."""

POOLED_NUMBERS = (2, 4, 8)
"""Numbers of a pooled closure that are tried."""

LEARNED_COLUMNS = 12
"""The most columns of surroundings for methods that learn a density, whose cost grows with them."""

_NOT_TRIED = ("bond_order",)
"""Descriptors that are tried only where they are asked for."""


def candidates(
    model: ModelSettings, kind: MicrostateKind, methods: Sequence[str] = (), descriptors: Sequence[str] = ()
) -> dict[str, ModelSettings]:
    """List the models that are compared, by name.

    Parameters
    ----------
    model : ModelSettings
        The model of the configuration; what is not compared stays as it is there.
    kind : MicrostateKind
        The microstates.
    methods : sequence of str
        Methods; :data:`METHODS` and that of the configuration by default.
    descriptors : sequence of str
        Names of descriptors, several joined by ``+``; by default each that can describe such microstates, and those of
        the configuration.

    Raises
    ------
    ConfigurationError
        If there is no such method or descriptor.
    ModelError
        If a descriptor that was asked for cannot describe such microstates.

    Examples
    --------
    >>> list(candidates(ModelSettings(), MicrostateKind(2), ["none", "pooled"], ["environment"]))
    ['none', 'pooled on environment, c = 2', 'pooled on environment, c = 4', 'pooled on environment, c = 8']
    """
    wanted = list(dict.fromkeys(methods)) or list(dict.fromkeys((*METHODS, model.method)))
    asked = [_read(text) for text in descriptors]
    for of_one in asked:
        Descriptors([read_part("descriptor", part) for part in of_one], kind)
    found: dict[str, ModelSettings] = {}
    for method in wanted:
        preset = get_method(method)
        described = asked or _usual(model, kind, preset.decoder is not None)
        base = model.model_dump(mode="json")
        use_method(base, method)
        if preset.encoder is None:
            found[method] = _made(base | {"descriptors": ["features"], "weight_feature": None})
            continue
        for of_one in described:
            what = " and ".join(_words(part) for part in of_one)
            plain = of_one == ["features"]
            if not plain and (model.weight_feature is not None or ModelSettings.parse(base).encoder.raw):  # type: ignore[union-attr]
                continue
            values = base | {"descriptors": of_one}
            if not plain:
                values["bandwidth"] = "auto"
            if preset.encoder["name"] == "pooled":
                for c in POOLED_NUMBERS:
                    found[f"{method} on {what}, c = {c}"] = _made(values | {"closure_dim": c})
            else:
                found[f"{method} on {what}"] = _made(values)
    return found


def _usual(model: ModelSettings, kind: MicrostateKind, learned: bool) -> list[list[Any]]:
    """List the descriptors of the configuration, and all that can describe the microstates by their defaults."""
    options: list[list[Any]] = [["features"]]
    others = [name for name in names("descriptor") if name not in ("features", "environment", *_NOT_TRIED)]
    options += [[_few_radii(kind)] if learned else ["environment"]]
    options += [[name] for name in others]
    if kind.n_species > 1 and not learned:
        options.append([{"name": "environment", "numbers": "both"}])
    own = [part.model_dump(mode="json") for part in model.descriptors]
    if own != [read_part("descriptor", "features").model_dump(mode="json")]:
        options.append(own)
    return [parts for parts in options if _can(parts, kind)]


def _few_radii(kind: MicrostateKind) -> Any:
    """Give the surroundings with as many radii as have :data:`LEARNED_COLUMNS` at most; two at least."""
    usual = EnvironmentConfig()
    try:
        each = EnvironmentConfig(n_radii=1).features(kind).d
    except ModelError:  # they cannot be described so, which is found out later
        return "environment"
    n = max(2, LEARNED_COLUMNS // each)
    return "environment" if n >= usual.n_radii else {"name": "environment", "n_radii": n}


def _can(parts: Iterable[Any], kind: MicrostateKind) -> bool:
    try:
        Descriptors([read_part("descriptor", part) for part in parts], kind)
    except ModelError:
        return False
    return True


def _read(text: str) -> list[Any]:
    parts = [part.strip() for part in text.split("+")]
    unknown = [part for part in parts if part not in names("descriptor")]
    if unknown:
        raise ConfigurationError(
            f"there is no descriptor '{unknown[0]}'; known: {', '.join(names('descriptor'))}. Join several by '+'."
        )
    return list(parts)


def _words(part: Any) -> str:
    if isinstance(part, str):
        return part
    options = {key: value for key, value in part.items() if key != "name"}
    default = read_part("descriptor", part["name"]).model_dump(mode="json")
    said = ", ".join(f"{key} {value}" for key, value in options.items() if default.get(key) != value)
    return f"{part['name']} ({said})" if said else str(part["name"])


def _made(values: dict[str, Any]) -> ModelSettings:
    return ModelSettings.parse(values)
