"""The base of every configuration section: strict, frozen, with errors that name the key and the remedy."""

from __future__ import annotations

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from setclosure.errors import ConfigurationError


class Settings(BaseModel):
    """A frozen section of the configuration; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    @classmethod
    def parse(cls, value: Any, where: str = "") -> Self:
        """Validate ``value``.

        Raises
        ------
        ConfigurationError
            With one line per mistake: the key, what was given, and what was expected.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise ConfigurationError(_explain(cls, error, where)) from error


def _explain(cls: type[BaseModel], error: ValidationError, where: str) -> str:
    lines = []
    for mistake in error.errors():
        path = ".".join(str(part) for part in mistake["loc"])
        if mistake["type"] == "extra_forbidden":
            known = _known_keys(cls, mistake["loc"][:-1])
            close = difflib.get_close_matches(str(mistake["loc"][-1]), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(known)}."
            lines.append(f"  {path}: unknown key; {hint}")
        elif mistake["type"] == "missing":
            lines.append(f"  {path}: this key is required.")
        else:
            lines.append(f"  {path or '(top level)'}: {mistake['msg']}; got {mistake['input']!r}.")
    return f"the configuration{f' {where}' if where else ''} cannot be used:\n" + "\n".join(lines)


def _known_keys(cls: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        field = cls.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            cls = annotation
    return list(cls.model_fields)
