"""Draw decoded microstates: particles, target density and decoded density side by side."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from setclosure.evaluation.numbers import number
from setclosure.experiments.report import reduce
from setclosure.experiments.report.formatting import escape
from setclosure.experiments.report.load import LoadedRun
from setclosure.experiments.report.plots import panels
from setclosure.experiments.report.style import PREDICTED, SPECIES, TRUTH, ramp

MOST_FRAMES = 6
MOST_PARTICLES = 800


def is_plane(run: LoadedRun) -> bool:
    """Say whether the densities lie on a grid in the plane; if not, they are curves over the first coordinate."""
    return run.snapshots["points"].shape[-1] > 1 and len(run.snapshots["grid_y"]) > 1


def shape(run: LoadedRun) -> tuple[int, int]:
    """Count the rows and columns of the figure."""
    F, S = run.snapshots["decoded"].shape[:2]
    return 1 + 2 * S if is_plane(run) else S, min(F, MOST_FRAMES)


def aspect_ratio(run: LoadedRun) -> float:
    """Give the width of the figure over its height, such that its panels touch and both axes have one scale."""
    rows, columns = shape(run)
    x, y = run.snapshots["grid_x"], run.snapshots["grid_y"]
    panel = float((x[-1] - x[0]) / (y[-1] - y[0]))
    return (columns * panel + 0.4) / (rows + 0.4)


def snapshots(run: LoadedRun) -> go.Figure:
    """Draw a column for each frame; rows are the particles, then target and decoded density of each species."""
    arrays = run.snapshots
    frames = reduce.thin(len(arrays["frames"]), MOST_FRAMES)
    rows, columns = shape(run)
    titles = [escape(f"time {run.time.of(number(float(arrays['times'][f])))}") for f in frames]
    plane = is_plane(run)
    figure = panels(
        rows, columns, titles, horizontal_spacing=0.012 if plane else 0.04, vertical_spacing=0.012 if plane else 0.08
    )
    figure.update_layout(showlegend=not plane, margin={"l": 76, "r": 10, "t": 30 if plane else 74, "b": 44})
    for column, f in enumerate(frames, 1):
        if plane:
            _plane(figure, run, int(f), column)
        else:
            _line(figure, run, int(f), column)
    return figure


def axis(run: LoadedRun, k: int) -> str:
    """Name feature ``k``, counted from 0, for an axis; safe HTML."""
    return escape(run.features[k] if k < len(run.features) else ("x", "y")[k])


def _plane(figure: go.Figure, run: LoadedRun, f: int, column: int) -> None:
    arrays = run.snapshots
    S = arrays["decoded"].shape[1]
    x, y = arrays["grid_x"], arrays["grid_y"]
    inside = reduce.thin(arrays["points"].shape[1], MOST_PARTICLES)
    points, species = arrays["points"][f, inside], arrays["species"][inside]
    for s in range(S):
        mine = points[species == s].astype(np.float32)
        figure.add_scatter(
            x=mine[:, 0], y=mine[:, 1], mode="markers", hoverinfo="skip", row=1, col=column,
            marker={"size": 3.5, "opacity": 0.7, "color": SPECIES[s % 4], "symbol": ("circle", "diamond")[s % 2]},
        )  # fmt: skip
        coarse_x, coarse_y, target = reduce.coarse_grid(x, y, arrays["target"][f, s])
        decoded = reduce.coarse_grid(x, y, arrays["decoded"][f, s])[2]
        top = float(np.nanmax(np.stack([target, decoded])))
        for row, density in ((2 + 2 * s, target), (3 + 2 * s, decoded)):
            figure.add_heatmap(
                x=coarse_x.astype(np.float32), y=coarse_y.astype(np.float32), z=density.astype(np.float32),
                zmin=0, zmax=top, colorscale=ramp(SPECIES[s % 4]), showscale=False, row=row, col=column,
                hovertemplate="density %{z:.3g}<extra></extra>",
            )  # fmt: skip
    of_species = [f", {escape(run.species(s))}" if S > 1 else "" for s in range(S)]
    names = ["particles", *(f"{what}{s}" for s in of_species for what in ("target", "decoded"))]
    for row, name in enumerate(names, 1):
        last = row == len(names)
        figure.update_xaxes(
            range=[float(x[0]), float(x[-1])], showticklabels=last, ticks="outside" if last else "", nticks=4,
            constrain="domain", mirror=True, title_text=axis(run, 0) if last else None, row=row, col=column,
        )  # fmt: skip
        anchor = figure.get_subplot(row, column).xaxis.plotly_name.replace("axis", "")
        figure.update_yaxes(
            range=[float(y[0]), float(y[-1])], showticklabels=column == 1, ticks="outside" if column == 1 else "",
            nticks=4, showgrid=False, mirror=True, constrain="domain", scaleanchor=anchor,
            title_text=f"<b>{name}</b><br>{axis(run, 1)}" if column == 1 else None, row=row, col=column,
        )  # fmt: skip


def _line(figure: go.Figure, run: LoadedRun, f: int, column: int) -> None:
    arrays = run.snapshots
    S = arrays["decoded"].shape[1]
    keep = reduce.thin(len(arrays["grid_x"]))
    x = arrays["grid_x"][keep].astype(np.float32)
    for s in range(S):
        at = {"row": s + 1, "col": column}
        for key, name, tone, width, dash in (
            ("target", "target", TRUTH, 4, "solid"),
            ("decoded", "decoded", PREDICTED, 2, "dash"),
        ):
            y = arrays[key][f, s].reshape(-1)[keep].astype(np.float32)
            figure.add_scatter(
                x=x, y=y, mode="lines", name=name, legendgroup=name, showlegend=column == 1 and s == 0,
                line={"color": tone, "width": width, "dash": dash}, opacity=0.4 if key == "target" else 1.0, **at,
            )  # fmt: skip
        mine = arrays["points"][f, arrays["species"] == s, 0].astype(np.float32)
        figure.add_scatter(
            x=mine, y=np.zeros(len(mine)), mode="markers", name="particles", legendgroup="particles",
            showlegend=column == 1 and s == 0,
            marker={"symbol": "line-ns", "size": 9, "line": {"width": 1, "color": SPECIES[s % 4]}}, **at,
        )  # fmt: skip
        density = f"density of {escape(run.species(s))}" if S > 1 else "density"
        figure.update_xaxes(title_text=axis(run, 0) if s + 1 == S else None, **at)
        figure.update_yaxes(title_text=density if column == 1 else None, **at)
