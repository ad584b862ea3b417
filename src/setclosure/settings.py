"""All sections of a configuration have one base, which reports mistakes by key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from setclosure.errors import ConfigurationError


class OptionsError(ValueError):
    """An error that lists the mistakes in a section which another section holds.

    Parameters
    ----------
    lines : list of str
        A line for each mistake, which begins with the key.
    """

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


class Settings(BaseModel):
    """The base of the sections of a configuration: they cannot be changed, and unknown keys are errors.

    Examples
    --------
    >>> class Budget(Settings):
    ...     steps: int = 10
    >>> Budget.parse({"stepps": 5}, "in my.yaml")
    Traceback (most recent call last):
    setclosure.errors.ConfigurationError: the configuration in my.yaml cannot be used:
      stepps: unknown key; did you mean 'steps'?
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    @classmethod
    def parse(cls, value: Any, where: str = "") -> Self:
        """Make the section from JSON values.

        Parameters
        ----------
        value : dict or Settings
            The values by key.
        where : str
            The place of the section, for the message: ``"in my.yaml"``.

        Raises
        ------
        ConfigurationError
            If there is a mistake; the message has a line for each with the key, the value and what was expected.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            lines = "\n".join(f"  {line}" for line in _explain(cls, error))
            raise ConfigurationError(
                f"the configuration{f' {where}' if where else ''} cannot be used:\n{lines}"
            ) from error

    @classmethod
    def checked(cls, options: dict[str, Any]) -> Self:
        """Make the section from options that another section holds.

        Raises
        ------
        OptionsError
            If there is a mistake, with a line for each.
        """
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            raise OptionsError(_explain(cls, error)) from error


def _explain(cls: type[BaseModel], error: ValidationError) -> list[str]:
    lines: list[str] = []
    for mistake in error.errors():
        path = ".".join(str(part) for part in mistake["loc"])
        if mistake["type"] == "extra_forbidden":
            known = _known_keys(cls, mistake["loc"][:-1])
            close = difflib.get_close_matches(str(mistake["loc"][-1]), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(known)}."
            lines.append(f"{path}: unknown key; {hint}")
        elif mistake["type"] == "missing":
            lines.append(f"{path}: this key is required.")
        elif mistake["type"] == "model_type":
            lines.append(f"{path or '(top level)'}: a section with keys is expected; got {mistake['input']!r}.")
        elif mistake["type"] == "value_error" and isinstance(mistake["ctx"]["error"], OptionsError):
            lines += [f"{path}.{line}" if path else line for line in mistake["ctx"]["error"].lines]
        else:
            message = mistake["msg"].removeprefix("Value error, ")
            # a mistake of a whole section is in its message; the section itself would bury it
            got = "." if isinstance(mistake["input"], dict) else f"; got {mistake['input']!r}."
            lines.append(f"{path or '(top level)'}: {message}{got}")
    return lines


def _known_keys(cls: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        field = cls.model_fields.get(str(part))
        cls = next(_sections(field.annotation), cls) if field else cls
    return list(cls.model_fields)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the sections in the type of a field, such as ``Section``, ``Section | None`` or ``dict[str, Section]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)
