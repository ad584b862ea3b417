"""The interactive figures of curves: predictions, errors, permutation, closure, losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from setclosure.experiments.report import reduce
from setclosure.experiments.report.formatting import escape, number
from setclosure.experiments.report.load import Run
from setclosure.experiments.report.style import FONT, INK, MUTED, PREDICTED, TRUTH, colour, fade
from setclosure.experiments.report.words import SPLITS, STEPS, label

Array = NDArray[Any]
MOST_CLOSURE_NUMBERS = 12
MOST_DOTS = 300

_AXIS: dict[str, Any] = {
    "showgrid": False,
    "zeroline": False,
    "showline": True,
    "linecolor": MUTED,
    "ticks": "outside",
    "tickcolor": MUTED,
    "ticklen": 4,
    "title": {"font": {"size": 14}, "standoff": 8},
    "automargin": True,
}
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 64, "r": 14, "t": 56, "b": 54},
        "xaxis": _AXIS,
        "yaxis": _AXIS | {"showgrid": True, "gridcolor": "#eef1f4", "exponentformat": "power"},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
        "hoverlabel": {"font": {"family": FONT}},
        "annotationdefaults": {"font": {"size": 13, "color": INK}},
    }
)


def predictions(run: Run, split: str) -> go.Figure:
    """Truth and prediction of the picked trajectories: a column each, a row for each observable."""
    arrays = run.evaluations[split]
    picks = _picks(arrays)
    names = [escape(name) for name in run.observables]
    error = arrays["error"]
    picks.sort(key=lambda m: float(np.nan_to_num(error[m], nan=np.inf)))
    titles = [f"trajectory {m}: {_ended(arrays, m) or 'error ' + number(float(error[m]))}" for m in picks]
    figure = panels(len(names), len(picks), titles)
    keep = reduce.thin(len(arrays["times"]))
    times = arrays["times"][keep]
    bands, mean = reduce.band(arrays["predicted"]), reduce.mean_rollout(arrays["predicted"])
    several = bands is not None
    for column, m in enumerate(picks, 1):
        for o, name in enumerate(names):
            at = {"row": o + 1, "col": column}
            first = column == 1 and o == 0
            if bands is not None:
                _band(
                    figure,
                    times,
                    bands[0][m, keep, o],
                    bands[1][m, keep, o],
                    PREDICTED,
                    "10–90 % of samples",
                    first,
                    at,
                )
            _line(figure, times, arrays["truth"][m, keep, o], "true", TRUTH, first, at, width=4, opacity=0.4)
            _line(
                figure,
                times,
                mean[m, keep, o],
                f"predicted{', mean' if several else ''}",
                PREDICTED,
                first,
                at,
                dash="dash",
            )
            figure.update_xaxes(title_text="time" if o + 1 == len(names) else None, **at)
            figure.update_yaxes(title_text=name if column == 1 else None, **at)
    return figure


def spread(run: Run, split: str) -> go.Figure:
    """Mean over trajectories and one standard deviation around it, true and of one rollout each, by observable."""
    arrays = run.evaluations[split]
    keep = reduce.thin(len(arrays["times"]))
    times = arrays["times"][keep]
    figure = panels(1, len(run.observables))
    kinds = (("true", TRUTH, "solid", arrays["truth"]), ("predicted", PREDICTED, "dash", arrays["predicted"][:, 0]))
    for o, name in enumerate(run.observables):
        at = {"row": 1, "col": o + 1}
        for kind, tone, dash, paths in kinds:
            mean, sd = paths[:, keep, o].mean(axis=0), paths[:, keep, o].std(axis=0)
            _band(figure, times, mean - sd, mean + sd, tone, f"{kind}, ± one standard deviation", o == 0, at)
            _line(figure, times, mean, f"{kind}, mean", tone, o == 0, at, dash=dash)
        figure.update_xaxes(title_text="time", **at)
        figure.update_yaxes(title_text=escape(name), **at)
    return figure


def errors(run: Run) -> go.Figure:
    """Relative deviation over time of every split: median and the band of 10 to 90 %."""
    figure = panels(1, 1)
    for k, (split, arrays) in enumerate(run.evaluations.items()):
        keep = reduce.thin(len(arrays["times"]))
        error = reduce.error_over_time(arrays["truth"], arrays["predicted"])[:, keep]
        low, median, high = reduce.quantiles(error, axis=0)
        name, times = escape(label(SPLITS, split)), arrays["times"][keep]
        seen = np.isfinite(median)
        _band(figure, times[seen], low[seen], high[seen], colour(k), name, False, {})
        _line(
            figure,
            times[seen],
            median[seen],
            name,
            colour(k),
            True,
            {},
            dash=("solid", "dash", "dot", "dashdot")[k % 4],
        )
    figure.update_xaxes(title_text="time")
    figure.update_yaxes(title_text="relative deviation", type="log", dtick=1)
    return figure


def distribution(run: Run) -> go.Figure:
    """Error of each trajectory, a row of dots for each split, with median and the range of 10 to 90 %."""
    figure = panels(1, 1)
    kinds = ((0, "ok", colour(0), "circle"), (2, "left the training range", colour(1), "x-thin"))
    splits = list(run.evaluations)
    shown = set()
    for k, split in enumerate(splits):
        arrays = run.evaluations[split]
        height = len(splits) - 1 - k
        finite = np.isfinite(arrays["error"]) & (arrays["error"] > 0) & (arrays["status"] != 1)
        for status, name, tone, symbol in kinds:
            of_kind = np.flatnonzero(finite & (arrays["status"] == status))
            of_kind = of_kind[reduce.thin(len(of_kind), MOST_DOTS)]
            if not len(of_kind):
                continue
            figure.add_scatter(
                x=_floats(arrays["error"][of_kind]),
                y=_floats(height + 0.15 + 0.3 * ((of_kind * 0.618034) % 1)),  # spread without chance
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=name not in shown,
                marker={
                    "size": 7,
                    "symbol": symbol,
                    "color": fade(tone, 0.55),
                    "line": {"width": 2 if status else 0, "color": tone},
                },
                text=[f"trajectory {m}" for m in of_kind],
                hovertemplate="%{text}: %{x:.3g}<extra></extra>",
            )
            shown.add(name)
        if finite.any():
            low, median, high = reduce.quantiles(arrays["error"][finite], axis=0)
            figure.add_scatter(
                x=[low, high], y=[height, height], mode="lines", line={"width": 3, "color": INK},
                name="10–90 %", legendgroup="range", showlegend="range" not in shown, hoverinfo="skip",
            )  # fmt: skip
            figure.add_scatter(
                x=[median], y=[height], mode="markers", name="median", legendgroup="median",
                showlegend="range" not in shown, hovertemplate="median %{x:.3g}<extra></extra>",
                marker={"size": 12, "color": "#ffffff", "line": {"width": 3, "color": INK}},
            )  # fmt: skip
            shown.add("range")
    figure.update_xaxes(title_text="relative error of a trajectory", type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(
        tickvals=list(range(len(splits))), ticktext=[escape(label(SPLITS, s)) for s in reversed(splits)],
        showgrid=False, ticks="", range=[-0.4, len(splits) - 0.3],
    )  # fmt: skip
    return figure


def permutation(run: Run) -> go.Figure:
    """One trajectory predicted from several orders of its particles, one panel for each observable."""
    arrays = run.permutation
    names = [escape(name) for name in run.observables] or [f"observable {o}" for o in range(arrays["truth"].shape[1])]
    figure = panels(1, len(names))
    keep = reduce.thin(len(arrays["times"]))
    times = arrays["times"][keep]
    dashes = ("solid", "dash", "dot")
    for o, name in enumerate(names):
        at = {"row": 1, "col": o + 1}
        _line(figure, times, arrays["truth"][keep, o], "true", TRUTH, o == 0, at, width=5, opacity=0.3)
        for p, predicted in enumerate(arrays["predicted"]):
            _line(
                figure, times, predicted[keep, o], f"order {p + 1}", colour(p), o == 0, at,
                dash=dashes[p % 3], width=4 - min(p, 2),
            )  # fmt: skip
        figure.update_xaxes(title_text="time", **at)
        figure.update_yaxes(title_text=name, **at)
    return figure


def closure(run: Run, split: str) -> go.Figure:
    """The numbers of the closure over time: encoded from the true microstates, and predicted."""
    arrays = run.evaluations[split]
    true, predicted = arrays["closure_true"], arrays["closure_predicted"]
    shown = min(true.shape[2], MOST_CLOSURE_NUMBERS)
    columns = min(4, shown)
    rows = -(-shown // columns)
    figure = panels(rows, columns, [f"ẑ<sub>{i + 1}</sub>" for i in range(shown)])
    keep = reduce.thin(len(arrays["times"]), 150)
    times = arrays["times"][keep]
    for i in range(shown):
        at = {"row": i // columns + 1, "col": i % columns + 1}
        for p in range(len(true)):
            name, tone = f"trajectory {_picks(arrays)[p]}", colour(p)
            _line(figure, times, true[p, keep, i], name, tone, False, at, width=4, opacity=0.35)
            _line(figure, times, predicted[p, keep, i], name, tone, i == 0, at, dash="dash")
        figure.update_xaxes(title_text="time" if i + columns >= shown else None, **at)
        figure.update_yaxes(nticks=4, showticklabels=False, **at)
    return figure


def losses(run: Run, seed: int) -> go.Figure:
    """Training and validation loss of every stage over the steps."""
    history = {stage: records for stage, records in run.histories[seed].items() if records}
    figure = panels(1, len(history), [escape(label(STEPS, stage)) for stage in history])
    for column, records in enumerate(history.values(), 1):
        at = {"row": 1, "col": column}
        values: list[float] = []
        for key, name, tone, opacity, width in (
            ("train_loss", "training", MUTED, 0.7, 1.5),
            ("validation_loss", "validation", colour(1), 1.0, 2.5),
        ):
            points = [(r["step"], r[key]) for r in records if isinstance(r.get(key), (int, float))]
            if points:
                curve = np.array(points, dtype=float)[reduce.thin(len(points))]
                values += curve[:, 1].tolist()
                _line(figure, curve[:, 0], curve[:, 1], name, tone, column == 1, at, width, opacity)
        positive = bool(values) and min(values) > 0
        decades = {"dtick": 1} if positive and max(values) > 30 * min(values) else {"nticks": 6}
        figure.update_xaxes(title_text="step", **at)
        figure.update_yaxes(
            title_text="loss" if column == 1 else None, type="log" if positive else "linear", **decades, **at
        )
    return figure


def panels(rows: int, columns: int, titles: list[str] | None = None, **options: Any) -> go.Figure:
    """An empty grid of panels in the report's style."""
    grid = {
        "horizontal_spacing": 0.07 if columns < 4 else 0.08,
        "vertical_spacing": 0.36 / max(rows, 2) if rows > 1 else 0.0,
    }
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=titles, **(grid | options))
    figure.update_layout(template=TEMPLATE)
    figure.update_annotations(font={"size": 13, "color": INK})
    if titles:  # the legend goes above the titles of the panels
        figure.update_layout(margin={"t": 74}, legend={"y": 1.0, "yref": "container", "yanchor": "top"})
    return figure


def _line(
    figure: go.Figure, x: Array, y: Array, name: str, tone: str, legend: bool, at: dict[str, int],
    width: float = 2, opacity: float = 1.0, dash: str = "solid",
) -> None:  # fmt: skip
    figure.add_scatter(
        x=_floats(x), y=_floats(y), mode="lines", name=name, legendgroup=name, showlegend=legend, opacity=opacity,
        line={"color": tone, "width": width, "dash": dash}, hovertemplate="%{y:.4g}", **at,
    )  # fmt: skip


def _band(
    figure: go.Figure, x: Array, low: Array, high: Array, tone: str, name: str, legend: bool, at: dict[str, int]
) -> None:
    figure.add_scatter(
        x=_floats(np.concatenate([x, x[::-1]])), y=_floats(np.concatenate([high, low[::-1]])), fill="toself",
        fillcolor=fade(tone, 0.15), line={"width": 0}, mode="lines", hoverinfo="skip", name=name, legendgroup=name,
        showlegend=legend, **at,
    )  # fmt: skip


def _floats(values: Array) -> Array:
    """Single precision: Plotly embeds arrays in binary, and four bytes are enough for a picture."""
    return np.asarray(values, dtype=np.float32)


def _picks(arrays: dict[str, Array]) -> list[int]:
    return [int(m) for m in arrays.get("picks", np.arange(min(3, len(arrays["truth"]))))]


def _ended(arrays: dict[str, Array], m: int) -> str:
    what = {1: "diverged", 2: "left the range"}.get(int(arrays["status"][m]))
    return f"{what} at frame {int(arrays['status_step'][m])}" if what else ""
