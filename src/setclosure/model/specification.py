"""The specification of a model holds everything that defines it, with every default written out."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from setclosure.decoders.base import DecoderConfig
from setclosure.descriptors.as_they_are import FeaturesConfig
from setclosure.descriptors.base import DescriptorConfig
from setclosure.dynamics.base import DynamicsConfig
from setclosure.dynamics.ode import ODEConfig
from setclosure.encoders.base import EncoderConfig
from setclosure.errors import ConfigurationError, ModelError
from setclosure.model.methods import PARTS, get_method, is_method
from setclosure.model.observable_map import Transform
from setclosure.parts import read_part
from setclosure.reconstruction.base import ReconstructionConfig
from setclosure.registry import find
from setclosure.sets.coordinates import HARMONICS
from setclosure.sets.features import Features
from setclosure.sets.symmetry import VIEWS, Rotation, ShortSymmetry
from setclosure.settings import OptionsError, Settings

Positive = Annotated[float, Field(gt=0)]


class SymmetrySettings(Settings):
    """A symmetry by its parts: translations along some directions, and rotations.

    Rotations mix the directions of translation with each other alone, and so the others. In a periodic cell the
    directions are those of the lattice vectors, and the rotations those of the cell's own point group.

    Examples
    --------
    >>> SymmetrySettings(translation=["x"]).rotation
    'none'
    """

    translation: Literal["all"] | tuple[str, ...] = Field(
        (),
        description="Coordinates of the position along which shifts change nothing, as [x] in a channel; or all.",
    )
    rotation: Rotation = Field("none", description="none; proper rotations; or rotations with reflections.")


class ModelSettings(Settings):
    """The specification of a closure model.

    A ``method`` fills in the parts that are not given. The stored specification has all parts with all their options,
    so it means the same when a preset or a default changes, and is read without its method.

    Examples
    --------
    >>> settings = ModelSettings(closure_dim=4, encoder={"width": 64})
    >>> settings.encoder.width, settings.decoder.part_name, settings.dynamics.part_name
    (64, 'spline_flow', 'ode')
    """

    method: str = Field("density", description="A preset of encoder, decoder and reconstruction.")
    closure_dim: int = Field(8, ge=0, description="Numbers of the closure ẑ for each species, c; 0 without an encoder.")
    bandwidth: Positive | tuple[Positive, ...] | Literal["auto"] = Field(
        0.01,
        description="ε of q_X (Eq. 2), in the units of the coordinates: one number, one for each feature, or auto, "
        "half the usual distance of neighbours in training.",
    )
    descriptors: tuple[SerializeAsAny[DescriptorConfig], ...] = Field(
        (FeaturesConfig(),),
        min_length=1,
        description="What encoder, q_X and decoder see of a particle: features (as they are), environment (its "
        "surroundings), …; several are joined. A list of names, or of sections with a name and options.",
    )
    symmetry: ShortSymmetry | SymmetrySettings = Field(
        "none",
        description="Changes of coordinates that neither law nor observable sees: none, translation, euclidean (with "
        "rotations and reflections), or a section {translation: [x], rotation: proper}.",
    )
    views: int = Field(VIEWS, ge=1, description="Most rotations over which a prediction is averaged.")
    axes: Literal["principal", "given"] = Field(
        "principal",
        description="principal: the closure is turned to its principal axes after stage one, and those that carry "
        "next to nothing are dropped; given: it stays as the encoder gives it.",
    )
    harmonics: int = Field(
        HARMONICS, ge=1, description="Harmonics of each periodic coordinate that the encoder sees, in a cell."
    )
    weight_feature: int | None = Field(
        None, ge=0, description="Feature by which particles weigh, such as 2, the grey level of pixels. null: alike."
    )
    ignore_constant_features: bool = Field(
        False, description="Whether features that never change in training are left out; they are refused by default."
    )
    composition: bool = Field(
        False,
        description="Whether the dynamics knows how many particles there are and the shares of the species: as context "
        "at the start, and as columns of the macrostate where they change in training.",
    )
    observables: dict[str, Transform] = Field(
        default_factory=dict,
        description="Transforms by which the dynamics sees observables, inverted in predictions: log for positive "
        "numbers, logit for those in (0, 1).",
    )
    encoder: SerializeAsAny[EncoderConfig] | None = Field(None, description="Encoder; the method's by default.")
    decoder: SerializeAsAny[DecoderConfig] | None = Field(None, description="Decoder; the method's by default.")
    reconstruction: SerializeAsAny[ReconstructionConfig] | None = Field(
        None, description="Reconstruction; the method's by default."
    )
    dynamics: SerializeAsAny[DynamicsConfig] = Field(default_factory=ODEConfig, description="Macro dynamics.")
    dynamics_weight: float = Field(
        0.0,
        ge=0,
        description="λ_dyn of the joint objective L_rec + λ_dyn L_dyn, 0 for the two-stage objective; the method's by "
        "default.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_method(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        name = values.get("method", "density")
        try:
            method = get_method(name)
        except ConfigurationError as error:
            if all(part in values and _is_whole(values[part]) for part in PARTS):  # resolved: the name is a label
                return values
            raise OptionsError([f"method: {error}"]) from error
        for part in PARTS:
            values[part] = _merged(getattr(method, part), values[part]) if part in values else getattr(method, part)
            if getattr(method, part) is None and not _is_whole(values[part]):
                raise OptionsError([f"{part}: method '{name}' has no {part}, so it takes no such options."])
        values.setdefault("dynamics_weight", method.dynamics_weight)
        if values["encoder"] is None:
            values.setdefault("closure_dim", 0)
        return values

    @field_validator(*PARTS, "dynamics", mode="before")
    @classmethod
    def _read(cls, value: Any, info: Any) -> Any:
        return read_part(info.field_name, value, "ode" if info.field_name == "dynamics" else None)

    @field_validator("descriptors", mode="before")
    @classmethod
    def _read_descriptors(cls, value: Any) -> Any:
        listed = list(value) if isinstance(value, list | tuple) else [value]
        return tuple(read_part("descriptor", part) for part in listed)

    @field_validator("bandwidth", mode="before")
    @classmethod
    def _known_bandwidth(cls, value: Any) -> Any:
        numbers = list(value) if isinstance(value, list | tuple) else [value]
        fit = all(isinstance(n, int | float) and not isinstance(n, bool) and 0 < n < math.inf for n in numbers)
        if value != "auto" and not (fit and numbers):
            raise ValueError("expected a number greater than 0, a list of them with one for each feature, or auto")
        return tuple(value) if isinstance(value, list) else value

    @field_validator("symmetry", mode="before")
    @classmethod
    def _known_symmetry(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return SymmetrySettings.checked(value)
        if not isinstance(value, SymmetrySettings) and value not in get_args(ShortSymmetry):
            raise ValueError(
                "expected 'none', 'translation' or 'euclidean', or a section with the keys translation and rotation"
            )
        return value

    @model_validator(mode="after")
    def _parts_fit_together(self) -> ModelSettings:
        raw = self.encoder is not None and self.encoder.raw
        if raw and self.symmetry != "none":
            raise OptionsError(
                [f"symmetry: encoder '{self.encoder_name}' reads features as they are; use none, not {self.symmetry}."]
            )
        if (raw or self.weight_feature is not None) and self.descriptors != (FeaturesConfig(),):
            why = f"encoder '{self.encoder_name}' reads them" if raw else "weight_feature names one of them"
            raise OptionsError([f"descriptors: {why}, so particles are their features as they are; use [features]."])
        if raw and self.weight_feature is not None:
            raise OptionsError([f"weight_feature: encoder '{self.encoder_name}' reads features as they are; use null."])
        if self.encoder is None and self.closure_dim:
            raise OptionsError([f"closure_dim: without an encoder there is no closure; use 0, not {self.closure_dim}."])
        if self.encoder is not None and self.closure_dim == 0:
            raise OptionsError(
                ["closure_dim: an encoder has a closure of one number at least; 0 is for method 'none'."]
            )
        if self.weight_feature is not None and self.turns:
            raise OptionsError(["weight_feature: rotations, of symmetry 'euclidean', mix features; use null."])
        if (self.decoder is None) != (self.reconstruction is None):
            raise OptionsError(["reconstruction: a decoder and a reconstruction are given together, or neither."])
        return self

    def check_bandwidth(self, features: Features) -> None:
        """Refuse a list of bandwidths that has not one for each feature.

        Raises
        ------
        ModelError
            If there are more or fewer.
        """
        if isinstance(self.bandwidth, tuple) and len(self.bandwidth) != features.d:
            raise ModelError(
                f"bandwidth has {len(self.bandwidth)} numbers, and particles are described by "
                f"{', '.join(features.names)}; expected one number for each, or one for all."
            )

    @property
    def ignores_constants(self) -> bool:
        """Whether columns that never change in training are left out; those of computed descriptors always are."""
        return self.ignore_constant_features or any(not isinstance(p, FeaturesConfig) for p in self.descriptors)

    @property
    def turns(self) -> bool:
        """Whether the symmetry has rotations or reflections."""
        if isinstance(self.symmetry, str):
            return self.symmetry == "euclidean"
        return self.symmetry.rotation != "none"

    @property
    def encoder_name(self) -> str:
        """The registered name of the encoder, ``"none"`` without one."""
        return self.encoder.part_name if self.encoder else "none"


def _is_whole(section: Any) -> bool:
    """Tell whether a section says by itself which part it is, or that there is none."""
    return section is None or "name" in _section(section)


def _section(value: Any) -> dict[str, Any]:
    """Give a section of a configuration as a dictionary, its name included."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        return {"name": value}
    return value.model_dump() if hasattr(value, "model_dump") else {}


def _merged(preset: Any, given: Any) -> Any:
    """Fill options that were given without a name into the preset's part; another name replaces the part."""
    if given is None or not isinstance(given, dict) or preset is None:
        return given
    if given.get("name", preset["name"]) != preset["name"]:
        return given
    return {**preset, **given}


def use_method(model: dict[str, Any], method: str) -> None:
    """Change the method in the section ``model`` of a configuration, in place.

    Options that the parts of the new method have, too, are kept; the others are dropped.

    Parameters
    ----------
    model : dict
        The section, as :class:`ModelSettings` reads it.
    method : str
        The name of the new method.

    Raises
    ------
    ConfigurationError
        If there is no such method.

    Examples
    --------
    >>> model = {"method": "density", "encoder": {"width": 64, "phi_layers": 3}, "decoder": {"bins": 8}}
    >>> use_method(model, "density-mixture")
    >>> model
    {'method': 'density-mixture', 'encoder': {'width': 64, 'phi_layers': 3}, 'decoder': {}}
    """
    now = get_method(method)
    name = model.get("method", "density")
    before = get_method(name) if is_method(name) else None  # of a resolved configuration it is a mere label
    for part in PARTS:
        section, preset = model.get(part), getattr(now, part)
        old = None if before is None else getattr(before, part)
        if section is None and old is None:  # a resolved configuration says what its method lacks
            model.pop(part, None)
        if isinstance(section, str):
            section = {"name": section}
        if not isinstance(section, dict):
            continue
        if preset is None:
            del model[part]
        elif section.get("name", (old or preset)["name"]) != preset["name"]:  # of the same part all options stay
            known = find(part, preset["name"]).value.model_fields
            model[part] = {key: value for key, value in section.items() if key in known}
    if now is not before:
        model.pop("dynamics_weight", None)
        if now.encoder is None or model.get("closure_dim") == 0:
            model.pop("closure_dim", None)
        if now.encoder is not None and find("encoder", now.encoder["name"]).value.raw:
            model.pop("weight_feature", None)  # it reads features as they are
    model["method"] = method
