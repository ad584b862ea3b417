"""A model on disk has its weights in safetensors and the rest in JSON; nothing in it can run code."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from setclosure.errors import DamagedFileError, ModelError, SchemaVersionError
from setclosure.files import read_json, reading_errors, sha256, write_bytes, write_json
from setclosure.model.facts import ModelFacts
from setclosure.model.parts import ModelParts
from setclosure.model.skill import Skill
from setclosure.model.specification import ModelSettings
from setclosure.provenance import provenance, writer

SCHEMA = 3
"""The version of the files of a model."""


@dataclass(frozen=True)
class ModelFile:
    """The content of the files of a model.

    Attributes
    ----------
    settings : ModelSettings
        The specification, every default written out.
    facts : ModelFacts
        Sizes, names and units of the training data.
    weights : dict of Tensor
        Weights and statistics by name.
    history, seconds : dict
        Losses of the training, and seconds of its steps.
    skill : Skill or None
        The errors in validation beside naive predictions; None where the model was not judged.
    """

    settings: ModelSettings
    facts: ModelFacts
    weights: dict[str, torch.Tensor]
    history: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    skill: Skill | None = None


def write_model(folder: Path, model: ModelFile) -> None:
    """Write a model below ``folder``.

    The manifest, ``model.json``, is written last and holds the checksum of the weights.

    Raises
    ------
    StorageError
        If the folder may not be written or the disk is full.
    """
    weights = safetensors.torch.save({key: value.contiguous() for key, value in model.weights.items()})
    write_bytes(folder / "weights.safetensors", weights)
    write_json(folder / "history.json", {"losses": model.history, "seconds": model.seconds})
    write_json(
        folder / "model.json",
        {
            "schema": SCHEMA,
            "settings": model.settings.model_dump(mode="json"),
            "facts": model.facts.to_json(),
            "skill": None if model.skill is None else model.skill.to_json(),
            "weights_sha256": sha256(weights),
            "provenance": provenance(),
        },
    )


def read_model(folder: Path) -> tuple[ModelFile, ModelParts]:
    """Read the model below ``folder``.

    Returns
    -------
    (ModelFile, ModelParts)
        The content of the files, and the parts with their weights.

    Raises
    ------
    ModelError
        If the folder holds no model.
    SchemaVersionError
        If the model was written under another schema.
    DamagedFileError
        If a file has changed, or a key or tensor is missing or has another shape or dtype.
    StorageError
        If a file may not be read.
    """
    with reading_errors(folder):
        return _read(folder)


def _read(folder: Path) -> tuple[ModelFile, ModelParts]:
    manifest, weights = folder / "model.json", folder / "weights.safetensors"
    if not manifest.is_file() or not weights.is_file():
        raise ModelError(
            f"{folder} holds no model: expected model.json and weights.safetensors, as save() writes them."
        )
    found = read_json(manifest)
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != SCHEMA:
        raise SchemaVersionError(
            f"{manifest} has schema version {schema!r}, written by setclosure {writer(found)}; "
            f"{version('setclosure')} reads version {SCHEMA}. "
            "Install the version of setclosure that wrote it, or train again."
        )
    missing = [key for key in ("settings", "facts", "skill", "weights_sha256") if key not in found]
    if missing:
        raise DamagedFileError(f"{manifest} lacks {', '.join(missing)}; restore it from a copy or train again.")
    try:
        facts = ModelFacts.from_json(found["facts"])
        skill = None if found["skill"] is None else Skill.from_json(found["skill"])
    except (AttributeError, KeyError, TypeError, ValueError, ModelError) as error:
        raise DamagedFileError(
            f"{manifest} was changed: its facts cannot be read ({error!r}). Restore it from a copy or train again."
        ) from error
    content = weights.read_bytes()
    if sha256(content) != found["weights_sha256"]:
        raise DamagedFileError(
            f"{weights} is damaged, or does not belong to {manifest.name}: its checksum differs. Restore it from a "
            "copy, or save the model again."
        )
    settings = ModelSettings.parse(found["settings"], f"in {manifest}")
    parts = ModelParts(settings, facts)
    try:
        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise DamagedFileError(
            f"{weights} is not a safetensors file: {error}. Restore it from a copy or train again."
        ) from error
    _check_tensors(tensors, parts.state_dict(), weights)
    parts.load_state_dict(tensors)
    return ModelFile(settings, facts, tensors, *_read_history(folder / "history.json"), skill), parts


def _read_history(path: Path) -> tuple[dict[str, list[dict[str, float]]], dict[str, float]]:
    """Read losses and seconds of the training; a model is whole without them."""
    if not path.is_file():
        return {}, {}
    found = read_json(path)
    try:
        losses = {str(stage): [dict(row) for row in rows] for stage, rows in found["losses"].items()}
        return losses, dict(found["seconds"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(
            f"{path} was changed: it is no history of a training ({error!r}). Restore it from a copy, or delete it: "
            "the model can be used without it."
        ) from error


def _check_tensors(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], path: Path) -> None:
    wrong = [f"{key} is missing" for key in expected.keys() - found.keys()]
    wrong += [f"{key} is unknown" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        a, b = found[key], expected[key]
        if a.shape != b.shape or a.dtype != b.dtype:
            wrong.append(f"{key} is {a.dtype} {tuple(a.shape)}, expected {b.dtype} {tuple(b.shape)}")
    if wrong:
        raise DamagedFileError(
            f"the tensors of {path} do not fit its manifest: {'; '.join(sorted(wrong)[:5])}. It was written for other "
            "settings or by another version; restore both from one copy, or train again."
        )
