"""Make one table or figure from nothing, and write it as JSON, Markdown and pictures."""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from setclosure.errors import ConfigurationError
from setclosure.experiments.report.figures import STYLE
from setclosure.files import write_bytes, write_json, write_text
from setclosure.provenance import provenance
from setclosure.tables.exhibits import SCALES, Content, Exhibit, Order, Printed, known_exhibits
from setclosure.tables.markdown import markdown
from setclosure.tables.pieces import Piece, finish_all


def reproduce(
    name: str,
    scale: str = "demo",
    seeds: tuple[int, ...] | None = None,
    out: Path = Path("results"),
    work: Path = Path("runs/reproduce"),
    jobs: int | None = None,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Make the exhibit ``name``: simulate and train what is missing, evaluate, write.

    Parameters
    ----------
    name : str
        A name among :func:`~setclosure.tables.exhibits.known_exhibits`.
    scale : {"demo", "laptop", "paper"}
        Which of the study's configurations is the base.
    seeds : tuple of int, optional
        Training seeds; by default those of the scale.
    out : Path
        ``out/<scale>/<name>.json``, ``.md`` and, for figures, ``.svg`` and ``.png`` are written.
    work : Path
        Data and runs are made in ``work/<scale>``, and found there again by whatever needs the same.
    jobs : int, optional
        Trainings at a time; see :func:`finish_all`.
    overrides : sequence of str
        ``section.key=value``, applied to every configuration.

    Returns
    -------
    dict
        What the JSON file holds.

    Raises
    ------
    ConfigurationError
        If there is no such exhibit or scale, or an override does not fit.
    """
    known = known_exhibits()
    if name not in known:
        raise ConfigurationError(f"there is no '{name}' to reproduce; known: {', '.join(known)}.")
    if scale not in SCALES:
        raise ConfigurationError(f"there is no scale '{scale}'; known: {', '.join(SCALES)}.")
    if seeds is not None and len(set(seeds)) < max(1, len(seeds)):
        raise ConfigurationError("seeds must be given and differ: the same seed gives the same numbers.")
    exhibit, order = known[name], Order(scale, seeds, Path(work) / scale, tuple(overrides))
    pieces = exhibit.pieces(order)
    finish_all(pieces, jobs, f"reproduce {name}")
    with rc_context(STYLE):
        content = exhibit.show(order)
    result = as_json(name, exhibit, order, content, pieces)
    target = Path(out) / scale / name
    write_json(target.with_suffix(".json"), result)
    write_text(target.with_suffix(".md"), markdown(exhibit.title, exhibit.printed_metric, result))
    if content.figure is not None:
        for suffix in (".svg", ".png"):
            write_bytes(target.with_suffix(suffix), _picture(content.figure, suffix))
    return result


def as_json(name: str, exhibit: Exhibit, order: Order, content: Content, pieces: Sequence[Piece]) -> dict[str, Any]:
    """Put a result into the one shape that all JSON files of results have.

    It has name, scale, columns, rows, the paper's rows, notes and provenance.
    """
    return {
        "name": name,
        "scale": order.scale,
        "columns": content.columns,
        "rows": {
            row: {
                column: {metric: _summary(values) for metric, values in metrics.items()}
                for column, metrics in columns.items()
            }
            for row, columns in content.values.items()
        },
        "paper": _printed(exhibit.printed, exhibit.printed_metric),
        "notes": content.notes,
        "provenance": provenance()
        | {
            "seeds": list(content.seeds),
            "overrides": list(order.overrides),
            "pieces": {piece.label: piece.facts() for piece in pieces},
        },
    }


def _summary(values: list[float]) -> dict[str, Any]:
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "sd": sd, "values": values}


def _printed(printed: Printed, metric: str) -> dict[str, Any]:
    return {
        row: {column: {metric: {"mean": mean, "sd": sd, "values": []}} for column, (mean, sd) in columns.items()}
        for row, columns in printed.items()
    }


def _picture(figure: Figure, suffix: str) -> bytes:
    content = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(content, format=suffix[1:], dpi=160, metadata={"Date": None} if suffix == ".svg" else None)
    return content.getvalue()
