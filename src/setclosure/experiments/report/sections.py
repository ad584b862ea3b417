"""The sections about results, in the order of a reader's questions: how good, where wrong, is it one density."""

from __future__ import annotations

import numpy as np

from setclosure.experiments.report import density_plots, plots, values
from setclosure.experiments.report.elements import Section, definitions, details, missing, plot, table, video
from setclosure.experiments.report.formatting import escape, number
from setclosure.experiments.report.load import Run
from setclosure.experiments.report.words import METRICS, SPLITS, label, sentence


def results(run: Run) -> Section:
    """Table of every metric of every split, and what the metrics mean."""
    metrics = values.tables(run)
    if not metrics:
        reason = run.reasons.get("metrics", "metrics.json holds no metric of a split.")
        return Section("results", "Results", missing(reason))
    splits = list(dict.fromkeys(split for of_splits in metrics.values() for split in of_splits))
    n = len(run.seeds)
    rows = [
        [_split(split), *(escape(values.written(of_splits.get(split))) for of_splits in metrics.values())]
        for split in splits
    ]
    caption = "Test results of each split" + (
        f": mean ± standard deviation over {n} seeds." if n > 1 else ", one seed."
    )
    body = table(["Split", *(escape(label(METRICS, name)) for name in metrics)], rows, caption, wide=True)
    names = [*metrics, *values.singles(run)]
    explained = [(escape(label(METRICS, name)), _meaning(run, name)) for name in names if _meaning(run, name)]
    body += definitions(explained) if explained else ""
    if n > 1:
        each = [
            [f"{_split(split)}, {escape(label(METRICS, name))}", *(escape(number(v)) for v in values.of_seeds(value))]
            for name, of_splits in metrics.items()
            for split, value in of_splits.items()
            if len(values.of_seeds(value)) == n
        ]
        head = ["Split, metric", *(f"seed {seed}" for seed in run.seeds)]
        body += details("The values of each seed", table(head, each, "Every value behind the means."))
    return Section("results", "Results", body)


def predictions(run: Run) -> Section:
    """Predicted against true curves of the picked trajectories."""
    title = "Predicted against true"
    if not run.evaluations:
        return Section("predictions", title, _no_evaluation(run))
    variants = {label(SPLITS, split): plots.predictions(run, split) for split in run.evaluations}
    rows = max(len(arrays["observable_names"]) for arrays in run.evaluations.values())
    several = any(arrays["predicted"].ndim == 4 for arrays in run.evaluations.values())
    caption = (
        "Test trajectories that training never saw. The model was given the first microstate alone; everything after "
        "time 0 is predicted. Panels are ordered by the error of the trajectory."
        + (" The band holds 80 % of the sampled rollouts." if several else "")
        + _first_seed(run)
    )
    observables = ", ".join(escape(name) for name in run.observables)
    alt = f"Curves of {observables} over time, true and predicted, for picked test trajectories of each split."
    return Section(
        "predictions",
        title,
        plot("fig-predictions", variants, "Split", alt, caption, f"height: {140 + 240 * rows}px") + _damaged(run),
    )


def spread(run: Run) -> Section | None:
    """Mean and standard deviation over trajectories, of a stochastic model."""
    several = {split for split, arrays in run.evaluations.items() if arrays["predicted"].ndim == 4}
    if not several:
        return None
    variants = {label(SPLITS, split): plots.spread(run, split) for split in run.evaluations if split in several}
    caption = (
        "Mean over all trajectories of a split and one standard deviation around it: of the true trajectories, and of "
        "one rollout from each of their first microstates. The metrics compare these two sets." + _first_seed(run)
    )
    alt = "Mean and standard deviation over trajectories against time, true and predicted."
    return Section(
        "spread", "The distribution over time", plot("fig-spread", variants, "Split", alt, caption, "height: 400px")
    )


def errors(run: Run) -> Section:
    """Error over time, and its distribution over trajectories."""
    title = "How large the errors are, and when"
    if not run.evaluations:
        return Section("errors", title, _no_evaluation(run))
    caption = (
        "Deviation of prediction from truth, divided by the root mean square of the true trajectory: median over the "
        "trajectories of a split (line) and the range from 10 to 90 % of them (band). Its squared time average is a "
        "trajectory’s share of the MRE." + _first_seed(run)
    )
    body = plot(
        "fig-errors", {"": plots.errors(run)}, "",
        "Relative deviation over time of each split: median and band of 10 to 90 %.", caption, "height: 430px",
    )  # fmt: skip
    body += "<h3>Error of each trajectory</h3>"
    unplotted = sum(int((~np.isfinite(a["error"]) | (a["status"] == 1)).sum()) for a in run.evaluations.values())
    note = f" {unplotted} diverged or not finite, and not drawn." if unplotted else ""
    caption = (
        "Each mark is one test trajectory; open circle: median; bar: 10 to 90 %. Those far to the right dominate the "
        f"mean.{note}" + _first_seed(run)
    )
    height = 130 + 90 * len(run.evaluations)
    body += plot(
        "fig-distribution", {"": plots.distribution(run)}, "",
        "Relative error of each test trajectory, a row for each split.", caption, f"height: {height}px",
    )  # fmt: skip
    return Section("errors", title, body)


def ranges(run: Run) -> Section:
    """What was flagged before and during the rollouts."""
    title = "Outside the training range"
    if not run.evaluations:
        return Section("ranges", title, _no_evaluation(run))
    rows = []
    for split, arrays in run.evaluations.items():
        inside, error, status = arrays["in_range"].astype(bool), arrays["error"], arrays["status"]
        steps = arrays["status_step"][status != 0]
        rows.append([
            escape(label(SPLITS, split)), f"{number(int((~inside).sum()))} of {number(len(error))}",
            number(int((status == 2).sum())), number(int((status == 1).sum())),
            number(int(steps.min())) if len(steps) else "–", _median(error[inside]), _median(error[~inside]),
        ])  # fmt: skip
    head = [
        "Split", "X₀ flagged", "Left the range", "Diverged", "Earliest frame", "Median error, inside",
        "Median error, flagged",
    ]  # fmt: skip
    text = (
        "<p>Before a rollout the model checks the first microstate, X₀, against what it has seen in training; during "
        "the rollout it watches the macrostate. A flag is a warning and no verdict: compare the errors in the "
        "last two columns. A start counts as what the worst of its rollouts is. The earliest frame is the first at "
        "which any rollout of the split left the range or diverged."
        f"{_first_seed(run)}</p>"
    )
    return Section("ranges", title, text + table(head, rows, "Flags of each split.", wide=True))


def snapshots(run: Run) -> Section | None:
    """Microstates with target and decoded density."""
    title = "What the closure keeps of a microstate"
    if not run.snapshots and run.videos:
        return None  # they show it
    if not run.snapshots:
        return Section("snapshots", title, missing(run.reasons["snapshots"]))
    rows, columns = density_plots.shape(run)
    S = run.snapshots["decoded"].shape[1]
    caption = (
        "One test trajectory. "
        + (f"The {S} species have a colour each. " if S > 1 else "")
        + "The target is the particles smoothed by a Gaussian of bandwidth "
        f"{escape(number(run.info.get('bandwidth')))} (or of the grid’s spacing, if larger); the decoded density is "
        f"all that the decoder recovers from the {escape(number(run.info.get('closure_dim')))} numbers of the closure. "
        "Target and decoded density share one colour scale in each frame, from zero (white) to the larger of their "
        "maxima." + _first_seed(run)
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


def videos(run: Run) -> Section | None:
    """One trajectory of each test as a video."""
    if not run.videos:
        return None
    caption = (
        "The first trajectory of the test, from its first to its last frame: above, the image that the model sees as a "
        "set of pixels; below the line, if there is one, points drawn from the density that the decoder recovers from "
        "the closure of that frame." + _first_seed(run)
    )
    body = "".join(
        video(gif, f"A trajectory of the test {name} as a video.", f"<b>{escape(name)}.</b> {caption}")
        for name, gif in ((label(SPLITS, split), gif) for split, gif in run.videos.items())
    )
    return Section("videos", "As a video", body)


def permutation(run: Run) -> Section:
    """Does the order of the particles matter."""
    title = "Does the order of the particles matter?"
    if not run.permutation:
        return Section("permutation", title, missing(run.reasons["permutation"]))
    count, deviation = len(run.permutation["predicted"]), float(run.permutation["deviation"])
    size = float(np.nanmax(np.abs(run.permutation["truth"])))
    answer = "Not beyond rounding." if deviation < 1e-4 * size else "Yes, more than rounding explains."
    text = (
        f"<p>{answer} One test trajectory is predicted from {count} random orders of the particles of its first "
        "microstate (as in Fig. 5(c) of the paper); the predictions differ by at most "
        f"{escape(number(deviation))}, where the observable reaches {escape(number(size))}.</p>"
    )
    caption = "Predictions from the reordered first microstates, drawn over each other, and the truth." + _first_seed(
        run
    )
    alt = f"The true curve and {count} predictions from reordered particles."
    return Section(
        "permutation",
        title,
        text + plot("fig-permutation", {"": plots.permutation(run)}, "", alt, caption, "height: 380px"),
    )


def closure(run: Run) -> Section:
    """The learned variables over time."""
    title = "The closure over time"
    with_closure = [
        split for split, arrays in run.evaluations.items()
        if {"closure_true", "closure_predicted"} <= set(arrays) and arrays["closure_true"].size
    ]  # fmt: skip
    if not with_closure:
        no_closure = missing("no split of the evaluation holds the closure of its picked trajectories.")
        return Section("closure", title, no_closure if run.evaluations else _no_evaluation(run))
    variants = {label(SPLITS, split): plots.closure(run, split) for split in with_closure}
    c = max(run.evaluations[split]["closure_true"].shape[2] for split in with_closure)
    shown = min(c, plots.MOST_CLOSURE_NUMBERS)
    caption = (
        f"The {f'first {shown} of the ' if shown < c else ''}{c} numbers of the closure ẑ, along the picked "
        "trajectories: encoded from the true microstates at every time (pale), and predicted from the first (dashed). "
        "Each has its own scale, which the encoder chose; point at a curve to read it." + _first_seed(run)
    )
    alt = "Numbers of the closure over time, encoded from true microstates and predicted."
    height = 150 + 190 * -(-shown // 4)
    return Section("closure", title, plot("fig-closure", variants, "Split", alt, caption, f"height: {height}px"))


def _split(split: str) -> str:
    meaning = sentence(SPLITS, split)
    note = f'<span class="note">{escape(meaning)}</span>' if meaning else ""
    return f"{escape(label(SPLITS, split))}{note}"


def _meaning(run: Run, name: str) -> str:
    text = escape(sentence(METRICS, name))
    single = values.singles(run).get(name)
    if single is not None:
        text = f"<b>{escape(values.written(single))}</b>. {text}"
    return text


def _median(error: np.ndarray) -> str:
    finite = error[np.isfinite(error)]
    return escape(number(float(np.median(finite)))) if len(finite) else "–"


def _first_seed(run: Run) -> str:
    return f" Seed {run.seeds[0]}, the first of {len(run.seeds)}." if len(run.seeds) > 1 else ""


def _evaluation_reasons(run: Run) -> list[str]:
    return [reason for piece, reason in run.reasons.items() if piece.startswith("evaluation ")]


def _no_evaluation(run: Run) -> str:
    folder = f"seed-{run.seeds[0]}/evaluation"
    return missing(
        " ".join(_evaluation_reasons(run)) or f"{folder} holds no evaluated split: that step was not reached."
    )


def _damaged(run: Run) -> str:
    return "".join(missing(reason) for reason in _evaluation_reasons(run))
