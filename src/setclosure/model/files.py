"""Models on disk: ``weights.safetensors`` and ``model.json``; nothing in them can run code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

import setclosure
from setclosure.model.autoencoder import ModelSettings
from setclosure.model.closure_model import ClosureModel
from setclosure.errors import DamagedFileError, ModelError, SchemaVersionError
from setclosure.files import read_json, reading_errors, sha256, write_bytes, write_json
from setclosure.sets.microstates import MicrostateKind
from setclosure.model.parts import ModelParts
from setclosure.provenance import provenance, writer

SCHEMA = 2
_FITS: dict[str, Callable[[Any], bool]] = {
    "settings": lambda value: isinstance(value, dict),
    "n_features": lambda value: isinstance(value, int) and value > 0,
    "n_species": lambda value: isinstance(value, int) and value > 0,
    "n_particles": lambda value: isinstance(value, int) and value > 0,
    "observable": lambda value: isinstance(value, str),
    "observable_names": lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "time_step": lambda value: isinstance(value, float | int) and value > 0,
    "weights_sha256": lambda value: isinstance(value, str),
}
"""What the values of the manifest must be."""


def save(model: ClosureModel, folder: Path) -> None:
    """Write ``model`` below ``folder``; the manifest, written last, holds the checksum of the weights."""
    parts = model.parts
    weights = safetensors.torch.save({k: v.contiguous() for k, v in parts.state_dict().items()})
    write_bytes(folder / "weights.safetensors", weights)
    write_json(
        folder / "model.json",
        {
            "schema": SCHEMA,
            "settings": model.settings.model_dump(mode="json"),
            **asdict(parts.autoencoder.kind),
            "observable": parts.observable,
            "observable_names": list(parts.observable_names),
            "time_step": parts.time_step,
            "weights_sha256": sha256(weights),
            "provenance": provenance(),
        },
    )


def load(folder: Path, observable: Callable[..., Any] | None = None) -> ClosureModel:
    """Read the model below ``folder``.

    Raises
    ------
    ModelError
        If there is no model.
    SchemaVersionError
        If a newer version wrote it.
    DamagedFileError
        If a file is not what was written, or a key or tensor is missing or of another shape or dtype.
    StorageError
        If it may not be read.
    """
    with reading_errors(folder):
        return _load(folder, observable)


def _load(folder: Path, observable: Callable[..., Any] | None) -> ClosureModel:
    manifest, weights = folder / "model.json", folder / "weights.safetensors"
    if not manifest.is_file() or not weights.is_file():
        raise ModelError(
            f"{folder} holds no model: expected model.json and weights.safetensors, as save() writes them."
        )
    facts = read_json(manifest)
    schema = facts.get("schema") if isinstance(facts, dict) else None
    if schema != SCHEMA:
        raise SchemaVersionError(
            f"{manifest} has schema version {schema!r}, written by setclosure {writer(facts)}; "
            f"{setclosure.__version__} reads version {SCHEMA}. "
            "Install the version of setclosure that wrote it, or train again."
        )
    missing = [key for key in _FITS if key not in facts]
    if missing:
        raise DamagedFileError(f"{manifest} lacks {', '.join(missing)}; restore it from a copy or train again.")
    wrong = [f"{key} is {facts[key]!r}" for key, fits in _FITS.items() if not fits(facts[key])]
    if wrong:
        raise DamagedFileError(f"{manifest} was changed: {', '.join(wrong)}. Restore it from a copy or train again.")
    content = weights.read_bytes()
    if sha256(content) != facts["weights_sha256"]:
        raise DamagedFileError(
            f"{weights} is damaged, or does not belong to {manifest.name}: its checksum differs. Restore it from a "
            "copy, or save the model again."
        )
    model = ClosureModel(ModelSettings.parse(facts["settings"], f"in {manifest}"), observable=observable)
    parts = ModelParts(
        model.settings,
        MicrostateKind(facts["n_features"], facts["n_species"], facts["n_particles"]),
        facts["observable"],
        tuple(facts["observable_names"]),
        facts["time_step"],
    )
    try:
        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise DamagedFileError(f"{weights} is not a safetensors file: {error}.") from error
    _check_tensors(tensors, parts.state_dict(), weights)
    parts.load_state_dict(tensors)
    model.adopt(parts)
    return model


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
            "settings or by another version."
        )
