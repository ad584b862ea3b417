"""The sections about how the results came to be: training, time, data, configuration, machine."""

from __future__ import annotations

from setclosure.experiments.report import plots, values
from setclosure.experiments.report.elements import Section, definitions, details, missing, plot, table
from setclosure.experiments.report.formatting import duration, escape, number
from setclosure.experiments.report.load import Run
from setclosure.experiments.report.words import SPLITS, STEPS, label, sentence


def training(run: Run) -> Section:
    """Loss curves of both stages, a choice of seeds."""
    variants = {
        f"seed {seed}": plots.losses(run, seed) for seed, history in run.histories.items() if any(history.values())
    }
    if not variants:
        return Section("training", "Training", missing(run.reasons.get("history", "history.json holds no step.")))
    stages = {stage: None for history in run.histories.values() for stage in history}
    words = " ".join(
        f"<b>{escape(label(STEPS, s))}.</b> {escape(sentence(STEPS, s))}" for s in stages if sentence(STEPS, s)
    )
    caption = (
        "Loss over the optimiser’s steps, on training and on validation data; the axis is logarithmic where all "
        "losses are positive."
    )
    body = plot("fig-losses", variants, "Seed", "Loss curves of each training stage.", caption, "height: 400px")
    return Section("training", "Training", f"<p>{words}</p>{body}" if words else body)


def timings(run: Run) -> Section:
    """Where the time went."""
    seconds = run.metrics.get("seconds")
    means = {k: values.mean(v) for k, v in seconds.items()} if isinstance(seconds, dict) else {}
    known = {name: value for name, value in means.items() if value is not None}
    if not isinstance(seconds, dict) or not known:
        return Section("timings", "Time", missing(run.reasons.get("metrics", "metrics.json holds no timings.")))
    total = sum(known.values())
    rows = []
    for name, mean in known.items():
        of_seeds = [v for v in values.of_seeds(seconds[name]) if isinstance(v, (int, float))]
        spread = (
            f' <span class="note">{duration(min(of_seeds))} to {duration(max(of_seeds))}</span>'
            if len(of_seeds) > 1
            else ""
        )
        share = 100 * mean / total if total else 0.0
        bar = f'<span class="bar" style="width: {share:.1f}%"></span>'
        rows.append(
            [
                escape(label(STEPS, name)),
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


def data(run: Run) -> Section:
    """The ensembles."""
    ensembles = run.info.get("ensembles")
    if not isinstance(ensembles, dict) or not ensembles:
        return Section("data", "Data", missing("run.json names no ensembles."))
    keys = ("n_trajectories", "n_frames", "max_particles")
    rows = [
        [escape(label(SPLITS, split)), *(escape(number(about.get(key))) for key in keys),
         f"<code>{escape(str(about.get('fingerprint', ''))[:16])}</code>"]
        for split, about in ensembles.items() if isinstance(about, dict)
    ]  # fmt: skip
    caption = (
        "Ensembles of trajectories. Equal fingerprints mean equal data. Scales and bandwidth come from the training "
        "split alone."
    )
    return Section(
        "data",
        "Data",
        table(["Ensemble", "Trajectories", "Frames", "Most particles", "Fingerprint"], rows, caption, wide=True),
    )


def configuration(run: Run) -> Section:
    """The resolved configuration, closed at first."""
    if not run.configuration:
        return Section(
            "configuration", "Configuration", missing(run.reasons.get("configuration", "config.yaml is empty."))
        )
    body = details(
        "Every setting of this run (config.yaml)", f'<pre tabindex="0"><code>{escape(run.configuration)}</code></pre>'
    )
    return Section("configuration", "Configuration", body)


def provenance(run: Run) -> Section:
    """Commit, machine, versions, and how to run it again."""
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


def _machine_in_words(run: Run, escaped: bool = True) -> str:
    machine = (run.info.get("provenance") or {}).get("machine") or {}
    cores = f" ({machine['cores']} cores)" if machine.get("cores") else ""
    text = f"{machine.get('processor') or 'an unnamed processor'}{cores}"
    return escape(text) if escaped else text
