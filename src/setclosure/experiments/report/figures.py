"""Draw figures for a README or a paper with Matplotlib, from a run folder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from setclosure.errors import ConfigurationError, RunError
from setclosure.evaluation.numbers import number
from setclosure.experiments.report import reduce, values
from setclosure.experiments.report.load import LoadedRun, load_run
from setclosure.experiments.report.style import INK, MUTED, SERIES, SPECIES, colour
from setclosure.experiments.report.words import Quantity
from setclosure.files import write_bytes

Array = NDArray[Any]
FORMATS = (".png", ".svg", ".pdf")
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.hashsalt": "setclosure",  # the same run gives the same file
}


def save_overview(run: Path, path: Path) -> Path:
    """Draw one wide picture of a run: microstates, predicted and true curves, error over time.

    The upper row shows the particles over the decoded density at some times; below, the curves of the picked
    trajectories of the first test, and the deviation of the first observable in every test (median, 10–90 % band).
    Without decoded microstates the upper row is left out. With several seeds it shows the first.

    Parameters
    ----------
    run : Path
        Folder of a run.
    path : Path
        The picture, ``.png``, ``.svg`` or ``.pdf``.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ConfigurationError
        If the suffix of ``path`` is none of these.
    RunError
        If the run cannot be read, or no test was evaluated.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ConfigurationError(f"{path} ends in {path.suffix!r}; expected one of {', '.join(FORMATS)}. Rename it.")
    loaded = load_run(run)
    if not loaded.evaluations:
        raise RunError(
            f"{run} holds no evaluated test, so there is nothing to draw. Let the run finish, then try again."
        )
    with rc_context(STYLE):
        figure = _overview(loaded)
        content = io.BytesIO()
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower())
        figure.savefig(content, format=path.suffix.lower()[1:], dpi=200, metadata=metadata)
    write_bytes(path, content.getvalue())
    return path


def _overview(run: LoadedRun) -> Figure:
    snapshots = bool(run.snapshots) and run.snapshots["points"].shape[-1] > 1 and len(run.snapshots["grid_y"]) > 1
    figure = Figure(figsize=(10, 5.4 if snapshots else 3.1), layout="constrained", facecolor="white")
    if snapshots:
        upper, lower = cast(Any, figure.subfigures(2, 1, height_ratios=(1.0, 1.35), hspace=0.04))
        frames = reduce.thin(len(run.snapshots["frames"]), 5)
        for axes, f in zip(np.atleast_1d(upper.subplots(1, len(frames))), frames, strict=True):
            draw_microstate(axes, run.snapshots, int(f), run.time.unit)
    else:
        lower = figure.subfigures(1, 1, squeeze=True)
    left, right = lower.subplots(1, 2, width_ratios=(1, 1.15))
    draw_curves(left, run)
    _errors(right, run)
    return figure


def draw_microstate(axes: Axes, arrays: dict[str, Array], f: int, time_unit: str = "") -> None:
    """Draw the particles of snapshot ``f`` over their decoded density, under the time in its unit."""
    x, y = arrays["grid_x"], arrays["grid_y"]
    for s in range(arrays["decoded"].shape[1]):
        density, tone = arrays["decoded"][f, s], SPECIES[s % len(SPECIES)]
        picture = np.ones((*density.shape, 4))
        picture[..., :3] = to_rgb(tone)
        picture[..., 3] = 0.75 * np.clip(density / max(float(np.nanmax(density)), 1e-300), 0, 1)
        axes.imshow(
            picture, extent=(x[0], x[-1], y[0], y[-1]), origin="lower", interpolation="bilinear", aspect="equal"
        )
        mine = arrays["points"][f, arrays["species"] == s]
        axes.scatter(mine[:, 0], mine[:, 1], s=2.5, color=INK, linewidths=0, marker="oD"[s % 2], alpha=0.8)
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), xticks=[], yticks=[])
    axes.set_title(f"time {Quantity('time', time_unit).of(number(float(arrays['times'][f])))}")
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("#d9dee5")


def draw_curves(axes: Axes, run: LoadedRun) -> None:
    """Draw predicted against true curves of the picked trajectories of the first test: its first observable."""
    test, arrays = next(iter(run.evaluations.items()))
    mean, band = reduce.mean_rollout(arrays["predicted"]), reduce.band(arrays["predicted"])
    picks = [int(m) for m in arrays.get("picks", np.arange(min(3, len(mean))))]
    for k, m in enumerate(picks):
        there = slice(int(arrays["lengths"][m]))
        times, true, predicted = arrays["times"][m, there], arrays["truth"][m, there, 0], mean[m, there, 0]
        axes.plot(times, true, color=INK, alpha=0.35, linewidth=3.2, label="true" if k == 0 else None)
        if band is not None:
            low, high = (limit[m, there, 0] for limit in band)
            axes.fill_between(times, low, high, color=colour(k), alpha=0.15, linewidth=0)
        axes.plot(times, predicted, "--", color=colour(k), linewidth=1.6, label="predicted" if k == 0 else None)
    axes.set(xlabel=_plain(run.time.axis), ylabel=_plain(run.observables[0].axis))
    axes.set_title(_plain(f"{len(picks)} trajectories of the test “{run.test(test).label}”"), loc="left")
    axes.margins(x=0)
    axes.legend(loc="best")


def _errors(axes: Axes, run: LoadedRun) -> None:
    styles = ("-", "--", ":", "-.")
    shared = values.shares_times(run, run.evaluations)
    for k, (test, arrays) in enumerate(run.evaluations.items()):
        longest = int(arrays["lengths"].max())
        times = reduce.shared_times(arrays["times"], arrays["lengths"]) if shared else None
        x = (np.arange(longest) if times is None else times)[:longest]
        error = reduce.error_over_time(arrays["truth"], arrays["predicted"], arrays["lengths"])[:, :longest, 0]
        low, median, high = reduce.quantiles(error, axis=0)
        tone, name = SERIES[k % len(SERIES)], _plain(run.test(test).label)
        axes.fill_between(x, low, high, color=tone, alpha=0.13, linewidth=0)
        axes.plot(x, median, styles[k % 4], color=tone, linewidth=1.8, label=name)
    axes.set(xlabel=_plain(run.time.axis) if shared else "frame", yscale="log")
    observable = run.observables[0]
    deviation = Quantity(f"deviation of {observable.label}", observable.unit)
    axes.set_title(_plain(f"{deviation.axis}: median and 10–90 % of trajectories"), loc="left")
    axes.margins(x=0)
    axes.legend(loc="best")


def _plain(text: str) -> str:
    """Escape text of a run for Matplotlib, which would read what stands between dollars as a formula."""
    return text.replace("$", r"\$")
