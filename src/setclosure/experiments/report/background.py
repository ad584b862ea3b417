"""These sections say how the results came to be: training, time, data, configuration, machine."""

from __future__ import annotations

from typing import Any

from setclosure.evaluation.numbers import duration, mean_of, number, of_seeds
from setclosure.experiments.report import plots
from setclosure.experiments.report.elements import Section, definitions, details, missing, plot, table
from setclosure.experiments.report.formatting import escape
from setclosure.experiments.report.load import LoadedRun
from setclosure.experiments.report.words import STEPS, word


def training(run: LoadedRun) -> Section:
    """Show the loss curves of both stages, with a choice of seeds."""
    variants = {
        f"seed {seed}": plots.losses(run, seed) for seed, history in run.histories.items() if any(history.values())
    }
    if not variants:
        return Section("training", "Training", missing(run.reasons.get("history", "history.json holds no step.")))
    stages = {stage: None for history in run.histories.values() for stage in history}
    words = " ".join(
        f"<b>{escape(about.label)}.</b> {escape(about.sentence)}"
        for about in (word(STEPS, stage) for stage in stages)
        if about.sentence
    )
    caption = (
        "Loss over the optimiser’s steps, on training and on validation data; the axis is logarithmic where all "
        "losses are positive."
    )
    body = plot("fig-losses", variants, "Seed", "Loss curves of each training stage.", caption, "height: 400px")
    return Section("training", "Training", f"<p>{words}</p>{body}" if words else body)


def timings(run: LoadedRun) -> Section:
    """Say which step took which share of the time."""
    known = {name: mean for name, value in run.seconds.items() if (mean := mean_of(value)) is not None}
    if not known:
        return Section("timings", "Time", missing(run.reasons.get("seconds", "seconds.json holds no timings.")))
    total = sum(known.values())
    rows = []
    for name, mean in known.items():
        each = [v for v in of_seeds(run.seconds[name]) if isinstance(v, (int, float))]
        spread = f' <span class="note">{duration(min(each))} to {duration(max(each))}</span>' if len(each) > 1 else ""
        share = 100 * mean / total if total else 0.0
        bar = f'<span class="bar" style="width: {share:.1f}%"></span>'
        rows.append(
            [
                escape(word(STEPS, name).label),
                duration(mean) + spread,
                f'<span class="track" aria-hidden="true">{bar}</span>',
                f"{share:.0f} %",
            ]
        )
    rows.append(["Total", duration(total), "", ""])
    caption = f"Wall-clock time of each step on {_machine_in_words(run)}" + (
        ", mean over the seeds." if len(run.seeds) > 1 else "."
    )
    return Section("timings", "Time", table(["Step", "Time", "", "Share"], rows, caption))


def data(run: LoadedRun) -> Section:
    """Describe the microstates, the data sets, and the range of the context in each test."""
    sets = run.info.get("data", {})
    if not sets:
        return Section("data", "Data", missing("run.json names no data."))
    rows = [
        [
            _name(run, name, about),
            escape(number(about.get("n_trajectories"))),
            escape(_range(about.get("frames"))),
            escape(_range(about.get("particles"))),
            f"<code>{escape(str(about.get('fingerprint') or '–')[:16])}</code>",
        ]
        for name, about in sets.items()
    ]
    caption = (
        "Data sets of trajectories. Equal fingerprints mean equal data. Scales and bandwidth come from the training "
        "data alone."
    )
    head = ["Data set", "Trajectories", "Frames of each", "Particles of each", "Fingerprint"]
    return Section("data", "Data", _kinds(run) + table(head, rows, caption, wide=True) + _context(run))


def _kinds(run: LoadedRun) -> str:
    """List the quantities of the system by name."""
    species = [str(name) for name in run.info.get("species", [])]
    groups = {
        "Features": run.features,
        "Species": species if len(species) > 1 else [],
        "Observables": [observable.axis for observable in run.observables],
        "Context": [quantity.axis for quantity in run.context.values()],
        "Unit of time": [run.time.unit] if run.time.unit else [],
    }
    return definitions((term, escape(", ".join(names))) for term, names in groups.items() if names)


def _context(run: LoadedRun) -> str:
    """Tabulate the least and largest context of each test, if the system has any."""
    known = run.context
    ranges = {
        test: {
            str(name): (float(arrays["context"][:, k].min()), float(arrays["context"][:, k].max()))
            for k, name in enumerate(arrays["context_names"])
        }
        for test, arrays in run.evaluations.items()
        if "context" in arrays
    }
    names = list(dict.fromkeys([*known, *(name for of in ranges.values() for name in of)]))
    if not names:
        return ""
    if not ranges:
        return "<h3>Context</h3>" + missing("no test of the evaluation holds the context of its trajectories.")
    head = ["Test", *(escape(known[name].axis if name in known else name) for name in names)]
    rows = [
        [escape(run.test(test).label), *(escape(_range(of.get(name))) for name in names)] for test, of in ranges.items()
    ]
    caption = "Least and largest context of the trajectories of each test, at the first frame." + (
        f" Seed {run.seeds[0]}." if len(run.seeds) > 1 else ""
    )
    return "<h3>Context</h3>" + table(head, rows, caption)


def _name(run: LoadedRun, name: str, about: dict[str, Any]) -> str:
    words = run.test(name)
    path = f'<span class="note"><code>{escape(about["path"])}</code></span>' if about.get("path") else ""
    meaning = f'<span class="note">{escape(words.sentence)}</span>' if words.sentence else ""
    return f"{escape(words.label)}{meaning}{path}"


def _range(limits: Any) -> str:
    """Write the least and the largest of something, once if they are equal."""
    if not isinstance(limits, (list, tuple)) or not limits:
        return number(limits)
    least, most = number(limits[0]), number(limits[-1])
    return least if least == most else f"{least} to {most}"


def configuration(run: LoadedRun) -> Section:
    """Show the resolved configuration, closed at first."""
    if not run.configuration:
        return Section(
            "configuration", "Configuration", missing(run.reasons.get("configuration", "config.yaml is empty."))
        )
    body = details(
        "Every setting of this run (config.yaml)", f'<pre tabindex="0"><code>{escape(run.configuration)}</code></pre>'
    )
    return Section("configuration", "Configuration", body)


def provenance(run: LoadedRun) -> Section:
    """Name commit, machine and versions, and say how to run it again."""
    about = run.info.get("provenance") or {}
    machine, versions = about.get("machine") or {}, about.get("versions") or {}
    commit = f"<code>{escape(about['commit'])}</code>" if about.get("commit") else "unknown: not run from a source tree"
    if about.get("dirty"):
        commit += (
            ", with changes that were not committed: <strong>the commit alone does not reproduce this run</strong>"
        )
    memory = f"{number(machine['memory_gib'])} GiB" if machine.get("memory_gib") else None
    entries = [
        ("Commit", commit),
        ("Started", escape(about.get("started", "unknown"))),
        ("Seeds", escape(", ".join(str(seed) for seed in run.seeds))),
        (
            "Machine",
            escape(
                ", ".join(str(v) for v in (_machine_in_words(run, escaped=False), memory, machine.get("system")) if v)
            ),
        ),
        ("GPU", escape(machine.get("gpu") or "none")),
        ("Versions", escape(", ".join(f"{k} {v}" for k, v in versions.items() if v)) or "unknown"),
    ]
    repeat = (
        "<h3>How to repeat it</h3><p>Take <code>config.yaml</code> of this run’s folder and the commit above, and "
        "give a new folder:</p>"
        '<pre tabindex="0"><code>setclosure run config.yaml --out repeated-run</code></pre>'
        "<p>On the same machine and the same versions the same seed gives the same numbers; elsewhere rounding may "
        "differ.</p>"
    )
    return Section("provenance", "Where these numbers come from", definitions(entries) + repeat)


def _machine_in_words(run: LoadedRun, escaped: bool = True) -> str:
    machine = (run.info.get("provenance") or {}).get("machine") or {}
    cores = f" ({machine['cores']} cores)" if machine.get("cores") else ""
    text = f"{machine.get('processor') or 'an unnamed processor'}{cores}"
    return escape(text) if escaped else text
