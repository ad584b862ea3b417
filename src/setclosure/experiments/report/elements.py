"""Build pieces of HTML: figures with a selector, tables, definition lists, a section and its absence."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from setclosure.experiments.report.formatting import escape


@dataclass(frozen=True)
class Section:
    """A section of the report has a key for links, a title and a body, both safe HTML."""

    key: str
    title: str
    body: str

    def html(self) -> str:
        """Render the section with its heading."""
        heading = f'<h2 id="{self.key}-title">{self.title}</h2>'
        return f'<section id="{self.key}" aria-labelledby="{self.key}-title">{heading}{self.body}</section>'


def missing(sentence: str) -> str:
    """Say why a section is empty."""
    return f'<p class="missing">Not in this report: {escape(sentence)}</p>'


def plot(key: str, variants: dict[str, go.Figure], choice: str, alt: str, caption: str, size: str) -> str:
    """Build a figure, drawn by the script at the end of the page; ``variants`` are behind a selector.

    Parameters
    ----------
    key : str
        Its id.
    variants : dict
        Readable name → figure; the first is shown, and a selector appears if there are several.
    choice : str
        What the selector chooses.
    alt, caption : str
        What a reader who cannot see the figure hears; what stands below it (safe HTML).
    size : str
        CSS of the drawing, such as ``height: 400px``.
    """
    chooser = ""
    if len(variants) > 1:
        buttons = "".join(
            f'<label><input type="radio" name="{key}-choice" value="{i}"{" checked" if i == 0 else ""}>'
            f"<span>{escape(name)}</span></label>"
            for i, name in enumerate(variants)
        )
        chooser = f'<fieldset class="chooser"><legend>{escape(choice)}</legend>{buttons}</fieldset>'
    payload = "[" + ",".join(str(figure.to_json()) for figure in variants.values()) + "]"
    payload = payload.replace("<", "\\u003c")  # no text in a figure can end the script element
    return (
        f'<figure class="wide" id="{key}">{chooser}'
        f'<div class="plot" role="img" aria-label="{escape(alt)}" style="{size}"></div>'
        f"<figcaption>{caption}</figcaption>"
        f'<script type="application/json">{payload}</script></figure>'
    )


def video(gif: bytes, alt: str, caption: str) -> str:
    """Show a GIF, which is part of the page; ``caption`` is safe HTML."""
    data = base64.b64encode(gif).decode()
    return (
        f'<figure class="video"><img src="data:image/gif;base64,{data}" alt="{escape(alt)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, wide: bool = False) -> str:
    """Build a table from safe HTML cells; the first of each row is its heading."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    kind = ' class="wide"' if wide else ""
    return (
        f'<div class="scroll"><table{kind}><caption>{caption}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


@dataclass(frozen=True)
class Cell:
    """A cell of a comparison is safe HTML, and may be marked as ``best`` or ``worse``."""

    html: str
    mark: str = ""


def comparison(
    head: Sequence[str], blocks: Iterable[tuple[str, Sequence[tuple[str, Sequence[Cell]]]]], caption: str
) -> str:
    """Build a table of blocks of rows, all safe HTML.

    Parameters
    ----------
    head : sequence of str
        Heads of the columns.
    blocks : iterable
        Heading of a block and its rows; a row is its name and its cells.
    caption : str
        What stands above the table.
    """
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = ""
    for heading, rows in blocks:
        title = f'<th scope="rowgroup" rowspan="{len(rows)}">{heading}</th>'
        lines = [f'<th scope="row">{name}</th>' + "".join(map(_cell, cells)) for name, cells in rows]
        body += f"<tbody><tr>{title}" + "</tr><tr>".join(lines) + "</tr></tbody>"
    return (
        f'<div class="scroll"><table class="wide comparison"><caption>{caption}</caption>'
        f"<thead><tr>{columns}</tr></thead>{body}</table></div>"
    )


def _cell(cell: Cell) -> str:
    mark = f' class="{cell.mark}"' if cell.mark else ""
    return f"<td{mark}>{cell.html}</td>"


def definitions(entries: Iterable[tuple[str, str]]) -> str:
    """Build a list of terms and what they mean, both safe HTML."""
    return "<dl>" + "".join(f"<div><dt>{term}</dt><dd>{meaning}</dd></div>" for term, meaning in entries) + "</dl>"


def details(summary: str, body: str) -> str:
    """Build text that opens on demand, both safe HTML."""
    return f"<details><summary>{summary}</summary>{body}</details>"
