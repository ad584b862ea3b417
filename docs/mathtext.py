"""Equations as inline SVG by Matplotlib: pages that need neither LaTeX nor a script from the network."""

from __future__ import annotations

import io
import re
from typing import Any

from docutils import nodes
from matplotlib import rc_context
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image

INK = "#010203"
"""A colour that stands for that of the text around."""


def svg(latex: str, size: float) -> tuple[str, float]:
    """An equation as an SVG element, and its depth below the line in points."""
    latex = re.sub(r"\\[bB]igg?[lr]?(?![a-zA-Z])", "", " ".join(latex.split()))  # sizes that mathtext does not know
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "setclosure", "svg.fonttype": "path"}):
        font = FontProperties(size=size, math_fontfamily="cm")
        depth = math_to_image(f"${latex}$", buffer, prop=font, format="svg", color=INK)
    text = buffer.getvalue().decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return text.replace(INK, "currentColor").replace("<svg ", '<svg role="img" ', 1), float(depth)


def draw_inline(self: Any, node: nodes.math) -> None:
    """An equation in a line of text."""
    picture, depth = svg(node.astext(), 11.0)
    self.body.append(f'<span class="equation" style="vertical-align: -{depth}pt">{picture}</span>')
    raise nodes.SkipNode


def draw_display(self: Any, node: nodes.math_block) -> None:
    """An equation of its own, with the label that ``\\tag{...}`` gives it on the right."""
    latex = node.astext()
    tag = re.search(r"\\tag\{([^}]*)\}", latex)
    lines = (re.sub(r"\\tag\{[^}]*\}", "", line) for line in latex.split(r"\\"))
    pictures = "<br>".join(svg(line, 13.0)[0] for line in lines if line.strip())
    label = f'<span class="tag">({tag[1]})</span>' if tag else ""
    self.body.append(f'<div class="equation"><div>{pictures}</div>{label}</div>\n')
    raise nodes.SkipNode
