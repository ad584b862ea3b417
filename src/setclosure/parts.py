"""Sections of a configuration say by ``name`` which registered part they make."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from setclosure.errors import ConfigurationError
from setclosure.registry import find
from setclosure.settings import OptionsError, Settings


class PartConfig(Settings):
    """The base of the options of registered parts.

    A subclass has the options as fields, and a method ``build`` that makes the part. The name under which the class was
    registered is written and read with the options, so that a stored configuration says which part it belongs to.

    Examples
    --------
    >>> from setclosure.encoders.deep_set import DeepSetConfig
    >>> DeepSetConfig(width=16).model_dump()["name"]
    'deep_set'
    """

    part_name: ClassVar[str] = ""
    """The name in the registry, which the decorator of the registry sets."""

    name_key: ClassVar[str] = "name"
    """The key under which a configuration says the name."""

    @model_validator(mode="before")
    @classmethod
    def _without_name(cls, values: Any) -> Any:
        if not isinstance(values, dict) or cls.name_key not in values:
            return values
        if values[cls.name_key] != cls.part_name:
            raise ValueError(f"these are options of '{cls.part_name}', and not of '{values[cls.name_key]}'")
        return {key: value for key, value in values.items() if key != cls.name_key}

    @model_serializer(mode="wrap")
    def _with_name(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {self.name_key: self.part_name, **handler(self)}

    def options(self) -> dict[str, Any]:
        """Give the fields and their values, without the name."""
        return {key: getattr(self, key) for key in type(self).model_fields}


def read_part(kind: str, value: Any, default: str | None = None) -> Any:
    """Make the options of a part from its section in a configuration.

    Parameters
    ----------
    kind : str
        A kind of the registry, for instance ``"encoder"``.
    value : PartConfig, dict, str or None
        Options, which are returned as they are; a dictionary of options with the ``name`` of the part; or the name
        alone. None, which stands for no part, stays None.
    default : str, optional
        The name if ``value`` does not say one.

    Returns
    -------
    PartConfig or None
        The checked options, every default filled in.

    Raises
    ------
    OptionsError
        If the part is unknown or an option does not fit it.

    Examples
    --------
    >>> read_part("encoder", {"name": "deep_set", "width": 16}).width
    16
    """
    if value is None or isinstance(value, PartConfig):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        raise OptionsError([f"name: a section with the name of the {kind} and its options is expected; got {value!r}."])
    name = value.get("name", default)
    if name is None:
        raise OptionsError([f"name: this key is required, because it says which {kind} this is."])
    try:
        config: type[PartConfig] = find(kind, name).value
    except ConfigurationError as error:
        raise OptionsError([f"name: {error}"]) from error
    return config.checked({key: option for key, option in value.items() if key != "name"})
