"""Draw the interactive figures of curves: predictions, spread, errors, permutation, closure, losses.

Every curve of a trajectory ends where the trajectory does, and stands over that trajectory's own times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from setclosure.evaluation.numbers import number
from setclosure.experiments.report import reduce, values
from setclosure.experiments.report.formatting import escape
from setclosure.experiments.report.load import LoadedRun
from setclosure.experiments.report.style import FONT, INK, MUTED, PREDICTED, TRUTH, colour, fade
from setclosure.experiments.report.words import STEPS, Quantity, word

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
_APART: dict[str, Any] = {"horizontal_spacing": 0.11}
"""Panels that each have a title at their vertical axis stand so far apart."""


def predictions(run: LoadedRun, test: str) -> go.Figure:
    """Draw truth and prediction of the picked trajectories: a column each, a row for each observable."""
    arrays = run.evaluations[test]
    error = arrays["error"]
    picks = sorted(_picks(arrays), key=lambda m: float(np.nan_to_num(error[m], nan=np.inf)))
    titles = [f"trajectory {m}: {_ended(arrays, m) or 'error ' + number(float(error[m]))}" for m in picks]
    observables = run.observables
    figure = panels(len(observables), len(picks), titles)
    bands, mean = reduce.band(arrays["predicted"]), reduce.mean_rollout(arrays["predicted"])
    several = bands is not None
    for column, m in enumerate(picks, 1):
        keep = reduce.thin(int(arrays["lengths"][m]))
        times = arrays["times"][m, keep]
        for o, observable in enumerate(observables):
            at = {"row": o + 1, "col": column}
            first = column == 1 and o == 0
            if bands is not None:
                low, high = (limit[m, keep, o] for limit in bands)
                _band(figure, times, low, high, PREDICTED, "10–90 % of samples", first, at)
            _line(figure, times, arrays["truth"][m, keep, o], "true", TRUTH, first, at, width=4, opacity=0.4)
            name = f"predicted{', mean' if several else ''}"
            _line(figure, times, mean[m, keep, o], name, PREDICTED, first, at, dash="dash")
            figure.update_xaxes(title_text=escape(run.time.axis) if o + 1 == len(observables) else None, **at)
            figure.update_yaxes(title_text=escape(observable.axis) if column == 1 else None, **at)
    return figure


def spread(run: LoadedRun, test: str) -> go.Figure:
    """Draw mean and standard deviation over trajectories, true and of one rollout each, by observable."""
    arrays = run.evaluations[test]
    x, title, keep = _clock(run, test, values.shares_times(run, [test]))
    figure = panels(1, len(run.observables), **_APART)
    kinds = (("true", TRUTH, "solid", arrays["truth"]), ("predicted", PREDICTED, "dash", arrays["predicted"][:, 0]))
    for o, observable in enumerate(run.observables):
        at = {"row": 1, "col": o + 1}
        for kind, tone, dash, paths in kinds:
            mean, sd = reduce.moments(reduce.ended(paths[..., o], arrays["lengths"])[:, keep])
            seen = np.isfinite(mean)
            low, high = (mean - sd)[seen], (mean + sd)[seen]
            _band(figure, x[seen], low, high, tone, f"{kind}, ± one standard deviation", o == 0, at)
            _line(figure, x[seen], mean[seen], f"{kind}, mean", tone, o == 0, at, dash=dash)
        figure.update_xaxes(title_text=title, **at)
        figure.update_yaxes(title_text=escape(observable.axis), **at)
    return figure


def errors(run: LoadedRun) -> go.Figure:
    """Draw the deviation over time of every test, by observable: median and the band of 10 to 90 %."""
    observables = run.observables
    figure = panels(1, len(observables), **_APART)
    shared = values.shares_times(run, run.evaluations)
    title = ""
    for k, (test, arrays) in enumerate(run.evaluations.items()):
        x, title, keep = _clock(run, test, shared)
        error = reduce.error_over_time(arrays["truth"], arrays["predicted"], arrays["lengths"])
        name, dash = escape(run.test(test).label), ("solid", "dash", "dot", "dashdot")[k % 4]
        for o in range(len(observables)):
            low, median, high = reduce.quantiles(error[:, keep, o], axis=0)
            seen, at = np.isfinite(median), {"row": 1, "col": o + 1}
            _band(figure, x[seen], low[seen], high[seen], colour(k), name, False, at)
            _line(figure, x[seen], median[seen], name, colour(k), o == 0, at, dash=dash)
    for o, observable in enumerate(observables, 1):
        deviation = Quantity(f"deviation of {observable.label}", observable.unit)
        figure.update_xaxes(title_text=title, row=1, col=o)
        figure.update_yaxes(title_text=escape(deviation.axis), type="log", dtick=1, row=1, col=o)
    return figure


def _clock(run: LoadedRun, test: str, shared: bool) -> tuple[Array, str, Array]:
    """Make the horizontal axis of a statistic over trajectories: values, title, and the frames that are drawn."""
    arrays = run.evaluations[test]
    lengths = arrays["lengths"]
    keep = reduce.thin(int(lengths.max()))
    times = reduce.shared_times(arrays["times"], lengths) if shared else None
    return (keep, "frame", keep) if times is None else (times[keep], escape(run.time.axis), keep)


def distribution(run: LoadedRun) -> go.Figure:
    """Draw the error of each trajectory, a row of dots for each test, with median and the range of 10 to 90 %."""
    figure = panels(1, 1)
    kinds = ((0, "ok", colour(0), "circle"), (2, "left the training range", colour(1), "x-thin"))
    tests = list(run.evaluations)
    shown = set()
    for k, test in enumerate(tests):
        arrays = run.evaluations[test]
        height = len(tests) - 1 - k
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
        tickvals=list(range(len(tests))), ticktext=[escape(run.test(test).label) for test in reversed(tests)],
        showgrid=False, ticks="", range=[-0.4, len(tests) - 0.3],
    )  # fmt: skip
    return figure


def permutation(run: LoadedRun) -> go.Figure:
    """Draw one trajectory predicted from several orders of its particles, one panel for each observable."""
    arrays = run.permutation
    observables = observables_of(run, arrays["truth"])
    figure = panels(1, len(observables), **_APART)
    keep = reduce.thin(len(arrays["times"]))
    times = arrays["times"][keep]
    dashes = ("solid", "dash", "dot")
    for o, observable in enumerate(observables):
        at = {"row": 1, "col": o + 1}
        _line(figure, times, arrays["truth"][keep, o], "true", TRUTH, o == 0, at, width=5, opacity=0.3)
        for p, predicted in enumerate(arrays["predicted"]):
            _line(
                figure, times, predicted[keep, o], f"order {p + 1}", colour(p), o == 0, at,
                dash=dashes[p % 3], width=4 - min(p, 2),
            )  # fmt: skip
        figure.update_xaxes(title_text=escape(run.time.axis), **at)
        figure.update_yaxes(title_text=escape(observable.axis), **at)
    return figure


def observables_of(run: LoadedRun, values: Array) -> list[Quantity]:
    """Give a label to each of the observables in the last axis of ``values``, also if the run names fewer."""
    named = run.observables
    return [named[o] if o < len(named) else Quantity(f"observable {o + 1}") for o in range(values.shape[-1])]


def closure(run: LoadedRun, test: str) -> go.Figure:
    """Draw the closure variables over time: encoded from the true microstates, and predicted."""
    arrays = run.evaluations[test]
    true, predicted = arrays["closure_true"], arrays["closure_predicted"]
    shown = min(true.shape[2], MOST_CLOSURE_NUMBERS)
    columns = min(4, shown)
    rows = -(-shown // columns)
    figure = panels(rows, columns, [f"ẑ<sub>{i + 1}</sub>" for i in range(shown)])
    for i in range(shown):
        at = {"row": i // columns + 1, "col": i % columns + 1}
        for p, m in enumerate(_picks(arrays)):
            keep = reduce.thin(int(arrays["lengths"][m]), 150)
            times, name, tone = arrays["times"][m, keep], f"trajectory {m}", colour(p)
            _line(figure, times, true[p, keep, i], name, tone, False, at, width=4, opacity=0.35)
            _line(figure, times, predicted[p, keep, i], name, tone, i == 0, at, dash="dash")
        figure.update_xaxes(title_text=escape(run.time.axis) if i + columns >= shown else None, **at)
        figure.update_yaxes(nticks=4, showticklabels=False, **at)
    return figure


def losses(run: LoadedRun, seed: int) -> go.Figure:
    """Draw training and validation loss of every stage over the steps."""
    history = {stage: records for stage, records in run.histories[seed].items() if records}
    figure = panels(1, len(history), [escape(word(STEPS, stage).label) for stage in history])
    for column, records in enumerate(history.values(), 1):
        at = {"row": 1, "col": column}
        seen: list[float] = []
        for key, name, tone, opacity, width in (
            ("train_loss", "training", MUTED, 0.7, 1.5),
            ("validation_loss", "validation", colour(1), 1.0, 2.5),
        ):
            points = [(r["step"], r[key]) for r in records if isinstance(r.get(key), (int, float))]
            if points:
                curve = np.array(points, dtype=float)[reduce.thin(len(points))]
                seen += curve[:, 1].tolist()
                _line(figure, curve[:, 0], curve[:, 1], name, tone, column == 1, at, width, opacity)
        positive = bool(seen) and min(seen) > 0
        decades = {"dtick": 1} if positive and max(seen) > 30 * min(seen) else {"nticks": 6}
        figure.update_xaxes(title_text="step", **at)
        figure.update_yaxes(
            title_text="loss" if column == 1 else None, type="log" if positive else "linear", **decades, **at
        )
    return figure


def panels(rows: int, columns: int, titles: list[str] | None = None, **options: Any) -> go.Figure:
    """Make an empty grid of panels in the report's style."""
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
    """Round to single precision: Plotly embeds arrays in binary, and four bytes are enough for a picture."""
    return np.asarray(values, dtype=np.float32)


def _picks(arrays: dict[str, Array]) -> list[int]:
    return [int(m) for m in arrays.get("picks", np.arange(min(3, len(arrays["truth"]))))]


def _ended(arrays: dict[str, Array], m: int) -> str:
    what = {1: "diverged", 2: "left the range"}.get(int(arrays["status"][m]))
    return f"{what} at frame {int(arrays['status_step'][m])}" if what else ""
