"""These sections show the results, in the order of a reader's questions: how good, where wrong, what is kept."""

from __future__ import annotations

import numpy as np

from setclosure.evaluation.comparison import best_naive, is_worse_than_naive, value_at
from setclosure.evaluation.numbers import number, of_seeds, written
from setclosure.evaluation.table import in_order, metric_of, unit_of
from setclosure.experiments.report import density_plots, plots, values
from setclosure.experiments.report.elements import (
    Cell,
    Section,
    comparison,
    definitions,
    details,
    missing,
    plot,
    table,
    video,
)
from setclosure.experiments.report.formatting import escape
from setclosure.experiments.report.load import LoadedRun
from setclosure.experiments.report.words import NAIVE, listed, word


def results(run: LoadedRun) -> Section:
    """Set the model beside the naive predictions for every metric and test, and explain the metrics."""
    if not run.metrics:
        reason = run.reasons.get("metrics", "metrics.json holds no metric of a test.")
        return Section("results", "Results", missing(reason))
    tests, names = values.tests(run), in_order(run.metrics)
    n = len(run.seeds)
    caption = (
        f"The model{' and the naive predictions' if run.naive else ''} in each test"
        + (f": mean ± standard deviation over {n} seeds." if n > 1 else ", one seed.")
        + (" ▸ marks the best naive prediction; it is said where the model is worse than that." if run.naive else "")
    )
    head = ["Metric", "Prediction by", *(_test(run, test) for test in tests)]
    body = comparison(head, [_block(run, name, tests) for name in names], caption)
    if not run.naive:
        body += missing(run.reasons.get("naive", "naive.json holds no naive prediction.") + " The model stands alone.")
    explained = [(escape(metric_of(name).label), escape(metric_of(name).sentence)) for name in names]
    explained += [(escape(word(NAIVE, row).label), escape(word(NAIVE, row).sentence)) for row in run.naive]
    body += definitions((term, meaning) for term, meaning in explained if meaning)
    if n > 1:
        each = [
            [f"{_test(run, test)}, {escape(metric_of(name).symbol)}", *(escape(number(v)) for v in of_seeds(value))]
            for name in names
            for test, value in run.metrics[name].items()
            if len(of_seeds(value)) == n
        ]
        seeds = ["Test, metric", *(f"seed {seed}" for seed in run.seeds)]
        body += details("The values of each seed", table(seeds, each, "Every value behind the means."))
    return Section("results", "Results", body)


def _block(run: LoadedRun, name: str, tests: list[str]) -> tuple[str, list[tuple[str, list[Cell]]]]:
    """Make the rows of one metric: the model, then the naive predictions that have it."""
    metric, unit = metric_of(name), unit_of(name, run.units)
    direction = {True: "lower is better", False: "higher is better", None: ""}[metric.lower_is_better]
    note = "; ".join(part for part in (f"in {unit}" if unit else "", direction) if part)
    heading = escape(metric.label) + (f'<span class="note">{escape(note)}</span>' if note else "")
    model = []
    for test in tests:
        worse = is_worse_than_naive(run.metrics, run.naive, name, test)
        text = escape(written(value_at(run.metrics, name, test), metric.whole))
        warning = '<span class="note worse">worse than naive</span>' if worse else ""
        model.append(Cell(text + warning, "worse" if worse else ""))
    rows = [("model", model)]
    best = [best_naive(run.naive, name, test) for test in tests]
    for row, metrics in run.naive.items():
        if name in metrics:
            cells = [
                Cell(escape(written(value_at(metrics, name, test), metric.whole)), "best" if row == first else "")
                for test, first in zip(tests, best, strict=True)
            ]
            rows.append((escape(word(NAIVE, row).label), cells))
    return heading, rows


def predictions(run: LoadedRun) -> Section:
    """Show predicted against true curves of the picked trajectories."""
    title = "Predicted against true"
    if not run.evaluations:
        return Section("predictions", title, _no_evaluation(run))
    variants = {run.test(test).label: plots.predictions(run, test) for test in run.evaluations}
    several = any(arrays["predicted"].ndim == 4 for arrays in run.evaluations.values())
    caption = (
        "Test trajectories that training never saw. The model was given the first microstate alone; everything after "
        "the first frame is predicted. Panels are ordered by the relative error of the trajectory."
        + (" The band holds 80 % of the sampled rollouts." if several else "")
        + _first_seed(run)
    )
    observables = escape(listed([observable.label for observable in run.observables]))
    alt = f"Curves of {observables} over time, true and predicted, for picked trajectories of each test."
    size = f"height: {140 + 240 * len(run.observables)}px"
    return Section("predictions", title, plot("fig-predictions", variants, "Test", alt, caption, size) + _damaged(run))


def spread(run: LoadedRun) -> Section | None:
    """Show mean and standard deviation over trajectories, of a stochastic model."""
    several = [test for test, arrays in run.evaluations.items() if arrays["predicted"].ndim == 4]
    if not several:
        return None
    variants = {run.test(test).label: plots.spread(run, test) for test in several}
    caption = (
        "Mean over the trajectories of a test and one standard deviation around it: of the true trajectories, and of "
        "one rollout from each of their first microstates." + _frames_and_times(run, several) + _first_seed(run)
    )
    alt = "Mean and standard deviation over trajectories, true and predicted, as they change in time."
    return Section(
        "spread", "The distribution over time", plot("fig-spread", variants, "Test", alt, caption, "height: 400px")
    )


def errors(run: LoadedRun) -> Section:
    """Show the error over time, and its distribution over trajectories."""
    title = "How large the errors are, and when"
    if not run.evaluations:
        return Section("errors", title, _no_evaluation(run))
    sampled = any(arrays["predicted"].ndim == 4 for arrays in run.evaluations.values())
    caption = (
        f"Absolute deviation of the prediction{' (the mean of its samples)' if sampled else ''} from the truth: median "
        "over the trajectories of a test (line) and the range from 10 to 90 % of them (band)."
        + _frames_and_times(run, list(run.evaluations))
        + _first_seed(run)
    )
    body = plot(
        "fig-errors", {"": plots.errors(run)}, "",
        "Deviation over time in each test: median and band of 10 to 90 %.", caption, "height: 430px",
    )  # fmt: skip
    body += "<h3>Error of each trajectory</h3>"
    unplotted = sum(int((~np.isfinite(a["error"]) | (a["status"] == 1)).sum()) for a in run.evaluations.values())
    note = f" {unplotted} diverged or not finite, and not drawn." if unplotted else ""
    caption = (
        "Each mark is one test trajectory; open circle: median; bar: 10 to 90 %. The error is relative: the squared "
        "deviation over the squared truth, both summed over the predicted frames. Those far to the right dominate the "
        f"mean.{note}" + _first_seed(run)
    )
    height = 130 + 90 * len(run.evaluations)
    body += plot(
        "fig-distribution", {"": plots.distribution(run)}, "",
        "Relative error of each test trajectory, a row for each test.", caption, f"height: {height}px",
    )  # fmt: skip
    return Section("errors", title, body)


def ranges(run: LoadedRun) -> Section:
    """List what was flagged before and during the rollouts."""
    title = "Outside the training range"
    if not run.evaluations:
        return Section("ranges", title, _no_evaluation(run))
    rows = []
    for test, arrays in run.evaluations.items():
        inside, error, status = arrays["in_range"].astype(bool), arrays["error"], arrays["status"]
        steps = arrays["status_step"][status != 0]
        rows.append([
            escape(run.test(test).label), f"{number(int((~inside).sum()))} of {number(len(error))}",
            number(int((status == 2).sum())), number(int((status == 1).sum())),
            number(int(steps.min())) if len(steps) else "–", _median(error[inside]), _median(error[~inside]),
        ])  # fmt: skip
    head = [
        "Test", "X₀ flagged", "Left the range", "Diverged", "Earliest frame", "Median error, inside",
        "Median error, flagged",
    ]  # fmt: skip
    text = (
        "<p>Before a rollout the model checks the first microstate, X₀, against what it has seen in training; during "
        "the rollout it watches the macrostate. A flag is a warning and no verdict: compare the relative errors in the "
        "last two columns. A start counts as what the worst of its rollouts is. The earliest frame is the first at "
        "which any rollout of the test left the range or diverged."
        f"{_first_seed(run)}</p>"
    )
    return Section("ranges", title, text + table(head, rows, "Flags in each test.", wide=True))


def snapshots(run: LoadedRun) -> Section | None:
    """Show microstates with target and decoded density."""
    title = "What the closure keeps of a microstate"
    if not run.snapshots and run.videos:
        return None  # they show it
    if not run.snapshots:
        return Section("snapshots", title, missing(run.reasons["snapshots"]))
    rows, columns = density_plots.shape(run)
    S = run.snapshots["decoded"].shape[1]
    colours = f"The species {listed([run.species(s) for s in range(S)])} have a colour each. " if S > 1 else ""
    bandwidth = run.info.get("bandwidth")
    widths = listed([number(width) for width in (bandwidth if isinstance(bandwidth, list) else [bandwidth])])
    of_width = f" of bandwidth {widths}" if bandwidth else ""
    caption = (
        f"One test trajectory. {escape(colours)}The target is the particles smoothed by a Gaussian{escape(of_width)} "
        "(or of the grid’s spacing, if larger); the decoded density is all that the decoder recovers from the "
        f"{escape(number(run.info.get('closure_dim')))} variables of the closure. Target and decoded density share one "
        "colour scale in each frame, from zero (white) to the larger of their maxima." + _first_seed(run)
    )
    size = (
        f"aspect-ratio: {density_plots.aspect_ratio(run):.3f}"
        if density_plots.is_plane(run)
        else f"height: {170 + 220 * rows}px"
    )
    alt = f"Particles, target density and decoded density at {columns} times of one trajectory."
    return Section(
        "snapshots", title, plot("fig-snapshots", {"": density_plots.snapshots(run)}, "", alt, caption, size)
    )


def videos(run: LoadedRun) -> Section | None:
    """Show a trajectory of each test as a video."""
    if not run.videos:
        return None
    sentence = escape(f"{run.info.get('videos', '')}{_first_seed(run)}".strip())
    body = "".join(
        video(gif, f"A trajectory of the test {name} as a video.", f"<b>{escape(name)}.</b> {sentence}".strip())
        for name, gif in ((run.test(test).label, gif) for test, gif in run.videos.items())
    )
    return Section("videos", "As a video", body)


def permutation(run: LoadedRun) -> Section:
    """Answer whether the order of the particles matters."""
    title = "Does the order of the particles matter?"
    if run.deviation is None:
        over_seeds = missing(run.reasons.get("deviation", "permutation.json holds no deviation."))
    elif len(run.seeds) > 1:
        deviation = escape(written(run.deviation))
        over_seeds = f"<p>Over the {len(run.seeds)} seeds the largest change of any observable is {deviation}.</p>"
    else:
        over_seeds = ""
    if not run.permutation:
        return Section("permutation", title, over_seeds + missing(run.reasons["permutation"]))
    truth, predicted = run.permutation["truth"], run.permutation["predicted"]
    change = np.abs(predicted - predicted[:1]).max(axis=(0, 1))  # (o,)
    size = np.nanmax(np.abs(truth), axis=0)
    observables = plots.observables_of(run, truth)
    changes = listed(
        [
            f"{observable.label} by at most {observable.of(number(float(by)))}, where it reaches "
            f"{observable.of(number(float(most)))}"
            for observable, by, most in zip(observables, change, size, strict=True)
        ]
    )
    answer = "Not beyond rounding." if bool((change <= 1e-4 * size).all()) else "Yes, more than rounding explains."
    text = (
        f"<p>{answer} One test trajectory is predicted from {len(predicted)} random orders of the particles of its "
        f"first microstate. The order changes {escape(changes)}.</p>"
    )
    caption = "Predictions from the reordered first microstates, drawn over each other, and the truth." + _first_seed(
        run
    )
    alt = f"The true curve and {len(predicted)} predictions from reordered particles."
    figure = plot("fig-permutation", {"": plots.permutation(run)}, "", alt, caption, "height: 380px")
    return Section("permutation", title, text + over_seeds + figure)


def closure(run: LoadedRun) -> Section:
    """Show the closure variables over time."""
    title = "The closure over time"
    with_closure = [test for test, a in run.evaluations.items() if "closure_true" in a and a["closure_true"].size]
    if not with_closure:
        no_closure = missing("no test of the evaluation holds the closure of its picked trajectories.")
        return Section("closure", title, no_closure if run.evaluations else _no_evaluation(run))
    variants = {run.test(test).label: plots.closure(run, test) for test in with_closure}
    c = max(run.evaluations[test]["closure_true"].shape[2] for test in with_closure)
    shown = min(c, plots.MOST_CLOSURE_NUMBERS)
    caption = (
        f"The {f'first {shown} of the ' if shown < c else ''}{c} variables of the closure ẑ, along the picked "
        "trajectories: encoded from the true microstates at every time (pale), and predicted from the first (dashed). "
        "Each has its own scale, which the encoder chose; point at a curve to read it." + _first_seed(run)
    )
    alt = "Closure variables over time, encoded from true microstates and predicted."
    height = 150 + 190 * -(-shown // 4)
    return Section("closure", title, plot("fig-closure", variants, "Test", alt, caption, f"height: {height}px"))


def _test(run: LoadedRun, test: str) -> str:
    words = run.test(test)
    note = f'<span class="note">{escape(words.sentence)}</span>' if words.sentence else ""
    return f"{escape(words.label)}{note}"


def _frames_and_times(run: LoadedRun, tests: list[str]) -> str:
    """Say which trajectories count at a frame, and why the axis shows frames where it does."""
    said = ""
    spans = [f"{low} to {high} frames in “{name}”" for name, low, high in values.endings(run, tests)]
    if spans:
        said += (
            f" The trajectories are of unequal length ({escape(listed(spans))}); each frame shows those that reach it."
        )
    if not values.shares_times(run, tests):
        said += (
            " The trajectories do not share their times, so the axis counts frames: at one frame they may be at "
            "different times."
        )
    return said


def _median(error: np.ndarray) -> str:
    finite = error[np.isfinite(error)]
    return escape(number(float(np.median(finite)))) if len(finite) else "–"


def _first_seed(run: LoadedRun) -> str:
    return f" Seed {run.seeds[0]}, the first of {len(run.seeds)}." if len(run.seeds) > 1 else ""


def _evaluation_reasons(run: LoadedRun) -> list[str]:
    return [reason for piece, reason in run.reasons.items() if piece.startswith("evaluation ")]


def _no_evaluation(run: LoadedRun) -> str:
    folder = f"seed-{run.seeds[0]}/evaluation"
    return missing(
        " ".join(_evaluation_reasons(run)) or f"{folder} holds no evaluated test: that step was not reached."
    )


def _damaged(run: LoadedRun) -> str:
    return "".join(missing(reason) for reason in _evaluation_reasons(run))
