"""Write numbers, durations and the values of metrics: one place, so that all tables agree."""

from __future__ import annotations

import math
from typing import Any

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any, digits: int = 3) -> str:
    """Write one number with ``digits`` significant digits, in scientific notation if it is small or large.

    Examples
    --------
    >>> number(1.934e-5), number(200), number(0.25), number(None)
    ('1.93 × 10⁻⁵', '200', '0.25', '–')
    """
    if not isinstance(value, (int, float)):
        return "–" if value is None else str(value)
    if not math.isfinite(value):
        return "not finite"
    if value == 0 or (float(value).is_integer() and abs(value) < 1e6):
        return f"{int(value):,}".replace(",", "\u202f").replace("-", "\N{MINUS SIGN}")
    exponent = _exponent(value, digits)
    if -2 <= exponent < 5:
        return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}") if exponent < digits else f"{value:.0f}"
    return _scientific(value, exponent, digits - 1)


def mean_and_sd(mean: float | None, sd: float | None) -> str:
    """Write mean ± standard deviation under one power of ten, so that the two can be compared.

    Examples
    --------
    >>> mean_and_sd(1.934e-5, 1.2e-6), mean_and_sd(0.5, 0.0213), mean_and_sd(2.0, None)
    ('(1.93 ± 0.12) × 10⁻⁵', '0.500 ± 0.021', '2')
    """
    if mean is None or sd is None or not (math.isfinite(mean) and math.isfinite(sd)):
        return number(mean)
    if sd == 0:
        return f"{number(mean)} ± 0"
    exponent = _exponent(mean if mean else sd, 3)
    if -2 <= exponent < 3:
        places = max(0, 2 - exponent)
        return f"{mean:.{places}f} ± {sd:.{places}f}".replace("-", "\N{MINUS SIGN}")
    scale = 10.0**exponent
    return f"({mean / scale:.2f} ± {sd / scale:.2f}) × {_power(exponent)}".replace("-", "\N{MINUS SIGN}")


def duration(seconds: float | None) -> str:
    """Write a duration as people say it.

    Examples
    --------
    >>> duration(0.42), duration(75), duration(3720)
    ('0.42 s', '1 min 15 s', '1 h 2 min')
    """
    if seconds is None or not math.isfinite(seconds):
        return number(seconds)
    if seconds < 59.5:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def is_value(value: Any) -> bool:
    """Say whether ``value`` is one quantity: a number, nothing, or ``{"mean", "sd", "values"}`` of several seeds."""
    return value is None or isinstance(value, (int, float)) or (isinstance(value, dict) and "mean" in value)


def written(value: Any, whole: bool = False) -> str:
    """Write a quantity, with its standard deviation over the seeds if there are several.

    Parameters
    ----------
    value : number, dict or None
        A number of one seed, or ``{"mean", "sd", "values"}`` of several.
    whole : bool
        Whether the quantity counts things; a mean of counts is written with one decimal.

    Examples
    --------
    >>> written(0.25), written({"mean": 1.5, "sd": 0.7071, "values": [1, 2]}, whole=True)
    ('0.25', '1.5 ± 0.7')
    """
    if not isinstance(value, dict):
        return number(value)
    average, sd = mean_of(value), value.get("sd")
    if whole and average is not None and isinstance(sd, (int, float)) and sd and math.isfinite(average + sd):
        return f"{average:.1f} ± {sd:.1f}"
    return mean_and_sd(average, sd if isinstance(sd, (int, float)) else None)


def mean_of(value: Any) -> float | None:
    """Give the mean of a quantity over the seeds, or nothing if there is no number."""
    value = value.get("mean") if isinstance(value, dict) else value
    return float(value) if isinstance(value, (int, float)) else None


def of_seeds(value: Any) -> list[Any]:
    """List the values of the seeds; empty if there is one seed."""
    values = value.get("values", []) if isinstance(value, dict) else []
    return list(values) if isinstance(values, list) else []


def _exponent(value: float, digits: int) -> int:
    """Give the power of ten of ``value`` after rounding to ``digits`` digits (9.999 is 1.00 × 10¹)."""
    return int(f"{value:.{digits - 1}e}".split("e")[1])


def _scientific(value: float, exponent: int, places: int) -> str:
    mantissa = f"{value:.{places}e}".split("e", maxsplit=1)[0].replace("-", "\N{MINUS SIGN}")
    return f"{mantissa} × {_power(exponent)}"


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(_SUPERSCRIPT)
