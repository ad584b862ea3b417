"""Put the page together and write it: one file that needs nothing else."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Template

from plotly.offline import get_plotlyjs

from setclosure.files import write_text
from setclosure.experiments.report import background, sections, values
from setclosure.experiments.report.formatting import escape, number
from setclosure.experiments.report.load import Run, load_run
from setclosure.experiments.report.words import METRICS, SPLITS, STATUSES, STUDIES, label, sentence

_SECTIONS = (
    sections.results, sections.predictions, sections.spread, sections.errors, sections.ranges, sections.snapshots,
    sections.videos, sections.permutation, sections.closure, background.training, background.timings, background.data,
    background.configuration, background.provenance,
)  # fmt: skip


def build_report(run: Path) -> Path:
    """Read the run folder ``run`` and write its report to ``run/report.html``.

    The file is self-contained: it opens from the disk, by mail or from a web server, and fetches nothing. A piece
    of the run that is missing or damaged leaves a sentence in its section.

    Parameters
    ----------
    run : Path
        Folder of a run, with at least ``run.json``.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    RunError
        If ``run.json`` is missing, damaged, or of another schema.
    StorageError
        If the report cannot be written.
    """
    loaded = load_run(run)
    parts = [part for make in _SECTIONS if (part := make(loaded)) is not None]
    template = Template(resources.files("setclosure.experiments.report").joinpath("page.html").read_text(encoding="utf-8"))
    title = label(STUDIES, str(loaded.info["study"]))
    page = template.substitute(
        title=escape(title),
        introduction=_introduction(loaded),
        contents="".join(f'<li><a href="#{part.key}">{part.title}</a></li>' for part in parts),
        body="\n".join(part.html() for part in parts),
        plotly=get_plotlyjs(),
    )
    target = Path(run) / "report.html"
    write_text(target, page)
    return target


def _introduction(run: Run) -> str:
    """The answer first, then what was run."""
    status = str(run.info.get("status", "unknown"))
    known = STATUSES.get(status, f"The status of the run is “{escape(status)}”.")
    kind = "good" if status == "complete" else "warning"
    return f'<p class="status {kind}">{known}</p><p class="lead">{_answer(run)}</p>{_cards(run)}<p>{_what(run)}</p>'


def _answer(run: Run) -> str:
    found, counted = values.headline(run), values.diverged(run)
    parts = []
    if found:
        name, of_splits = found
        split, value = next(iter(of_splits.items()))
        parts.append(
            f"From the first microstate alone, the model predicted {_quantity(run)} of unseen trajectories with "
            f"{escape(label(METRICS, name))} <b>{escape(values.written(value))}</b> ({_split_in_words(split)})."
        )
    else:
        parts.append("This run has no results yet.")
    if counted:
        bad, every = counted
        what = "None" if bad == 0 else f"<b>{number(bad)}</b>"
        over = f" over {len(run.seeds)} seeds" if len(run.seeds) > 1 else ""
        parts.append(f"{what} of {number(every)} starts{over} had a rollout that diverged.")
    return " ".join(parts)


def _cards(run: Run) -> str:
    found = values.headline(run)
    if not found:
        return ""
    name, of_splits = found
    cards = "".join(
        f"<div><dt>{escape(label(SPLITS, split))}</dt><dd>{escape(values.written(value))}</dd></div>"
        for split, value in of_splits.items()
    )
    return f'<p class="kicker">{escape(label(METRICS, name))} of each split</p><dl class="cards">{cards}</dl>'


def _what(run: Run) -> str:
    ensembles, dim = run.info.get("ensembles") or {}, run.info.get("closure_dim")
    train = ensembles.get("train", {}).get("n_trajectories") if isinstance(ensembles.get("train"), dict) else None
    n = len(run.seeds)
    trained_on = f" ({number(train)} training trajectories)" if train else ""
    repeated = f"repeated with {n} seeds" if n > 1 else "done with one seed"
    return (
        f"{escape(sentence(STUDIES, str(run.info['study'])))} A <i>closure</i> of {escape(number(dim))} numbers was "
        f"learned from unordered sets of particles{trained_on}, such that their smoothed density returns from it; then "
        "an equation of motion was learned for observable and closure together. A test predicts the observable from "
        f"the first microstate and compares it with the simulation. Learning was {repeated}. "
        "(Drag in a figure to enlarge a part of it; a double click brings back the whole.)"
    )


def _quantity(run: Run) -> str:
    names = run.observables
    return f"the {escape(' and '.join(names))}" if names else "the observable"


def _split_in_words(split: str) -> str:
    return escape(sentence(SPLITS, split) or f"split {split}")
