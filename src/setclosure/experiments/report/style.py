"""One palette for the report and the Matplotlib figures: Okabe and Ito's, which colour-blind readers can tell apart."""

from __future__ import annotations

INK, MUTED = "#1f2933", "#5f6b7a"
TRUTH, PREDICTED = "#1f2933", "#0072b2"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
SPECIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def colour(index: int) -> str:
    """Colour of the ``index``-th series; they repeat after six."""
    return SERIES[index % len(SERIES)]


def fade(hexadecimal: str, opacity: float) -> str:
    """Write ``#rrggbb`` with an opacity, as CSS.

    Examples
    --------
    >>> fade("#0072b2", 0.2)
    'rgba(0, 114, 178, 0.2)'
    """
    red, green, blue = (int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def ramp(hexadecimal: str) -> list[tuple[float, str]]:
    """White to the colour to its dark shade: a colour scale for a density."""
    red, green, blue = (int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))
    dark = f"rgb({red // 3}, {green // 3}, {blue // 3})"
    return [(0.0, "#ffffff"), (0.55, hexadecimal), (1.0, dark)]
