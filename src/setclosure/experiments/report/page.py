"""Put the page together and write it: one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from plotly.offline import get_plotlyjs

from setclosure.evaluation.comparison import best_naive, value_at, worse_than_naive
from setclosure.evaluation.numbers import number, written
from setclosure.evaluation.table import metric_of
from setclosure.experiments.report import background, sections, values
from setclosure.experiments.report.elements import table
from setclosure.experiments.report.formatting import escape
from setclosure.experiments.report.load import LoadedRun, load_run
from setclosure.experiments.report.words import STATUSES, listed
from setclosure.files import write_text

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
    frame = resources.files("setclosure.experiments.report").joinpath("page.html").read_text(encoding="utf-8")
    page = Template(frame).substitute(
        title=escape(loaded.title),
        introduction=_introduction(loaded),
        contents="".join(f'<li><a href="#{part.key}">{part.title}</a></li>' for part in parts),
        body="\n".join(part.html() for part in parts),
        plotly=get_plotlyjs(),
    )
    target = Path(run) / "report.html"
    write_text(target, page)
    return target


def _introduction(run: LoadedRun) -> str:
    """Say the warnings and the answer first, then what was run."""
    status = str(run.info.get("status", "unknown"))
    known = STATUSES.get(status, f"The status of the run is “{escape(status)}”.")
    kind = "good" if status == "complete" else "warning"
    warnings = worse_than_naive(run.metrics, run.naive, lambda test: run.test(test).label)
    advice = " Do not rely on its predictions there." if warnings else ""
    alarm = f'<p class="status warning" role="alert">{escape(" ".join(warnings))}{advice}</p>' if warnings else ""
    return (
        f'{alarm}<p class="status {kind}">{known}</p>{_pays(run)}<p class="lead">{_answer(run)}</p>{_cards(run)}'
        f"<p>{_what(run)}</p><p>{_how_to_read()}</p>"
    )


def _pays(run: LoadedRun) -> str:
    """Set the error of the model beside those of the naive predictions in every test, with the skill below."""
    tests = [test for test in values.tests(run) if value_at(run.metrics, "rmse", test) is not None]
    if not tests or not run.naive:
        return ""

    def errors(metrics: Mapping[str, Any]) -> list[str]:
        return [escape(written(value_at(metrics, "rmse", test))) for test in tests]

    skills = [f"<b>{escape(written(value_at(run.metrics, 'skill', test)))}</b>" for test in tests]
    rows = [["model", *errors(run.metrics)], *([escape(name), *errors(of)] for name, of in run.naive.items())]
    caption = f"Does it pay? {escape(metric_of('rmse').label)} of the model and of naive predictions, and the skill"
    return table(["", *(escape(run.test(test).label) for test in tests)], [*rows, ["skill", *skills]], caption)


def _answer(run: LoadedRun) -> str:
    name, counted = values.headline(run), values.diverged(run)
    parts = ["This run has no results yet."]
    if name:
        test = next(test for test in values.tests(run) if test in run.metrics[name])
        words = run.test(test)
        meaning = f" ({escape(words.sentence)})" if words.sentence else ""
        value = escape(values.with_unit(run, name, run.metrics[name][test]))
        parts = [
            f"From the first microstate alone, the model predicted {_observables(run)} of unseen trajectories with "
            f"{escape(metric_of(name).symbol)} <b>{value}</b> in the test “{escape(words.label)}”{meaning}."
            + _rival(run, name, test)
        ]
    if counted:
        bad, every = counted
        what = "None" if bad == 0 else f"<b>{number(bad)}</b>"
        over = f" over {len(run.seeds)} seeds" if len(run.seeds) > 1 else ""
        parts.append(f"{what} of {number(every)} starts{over} had a rollout that diverged.")
    return " ".join(parts)


def _rival(run: LoadedRun, name: str, test: str) -> str:
    row = best_naive(run.naive, name, test)
    if row is None:
        return ""
    value = escape(values.with_unit(run, name, value_at(run.naive[row], name, test)))
    return f" The best naive prediction, “{escape(row)}”, has {value}."


def _cards(run: LoadedRun) -> str:
    name = values.headline(run)
    if not name:
        return ""
    cards = ""
    for test in values.tests(run):
        if test in run.metrics[name]:
            skill = value_at(run.metrics, "skill", test)
            note = f'<span class="note">skill {escape(written(skill))}</span>' if skill is not None else ""
            value = escape(values.with_unit(run, name, run.metrics[name][test]))
            cards += f"<div><dt>{escape(run.test(test).label)}</dt><dd>{value}{note}</dd></div>"
    return f'<p class="kicker">{escape(metric_of(name).label)} in each test</p><dl class="cards">{cards}</dl>'


def _what(run: LoadedRun) -> str:
    """Describe the run in a few sentences that hold for every system."""
    info = run.info
    train = info.get("data", {}).get("train", {}).get("n_trajectories")
    trained_on = f" from {number(train)} training trajectories" if train else ""
    method = f" by the method “{info['method']}”" if info.get("method") else ""
    dim = info.get("closure_dim")
    learned = (
        f"A closure of {number(dim)} variables was learned from unordered sets of particles{method}{trained_on}; then "
        f"{'a stochastic' if info.get('stochastic') else 'an'} equation of motion was learned for observables and "
        "closure together"
        if dim
        else f"An equation of motion was learned for the observables alone, without a closure{trained_on}"
    )
    context = listed([quantity.axis for quantity in run.context.values()]) if run.context else ""
    n = len(run.seeds)
    sentences = [
        str(info.get("description", "")).strip(),
        f"{learned}{f', given the context: {context}' if context else ''}.",
        f"Learning was repeated with {n} seeds." if n > 1 else "Learning was done with one seed.",
    ]
    return escape(" ".join(sentence for sentence in sentences if sentence))


def _how_to_read() -> str:
    return (
        "A test predicts the observables of a trajectory from its first microstate and compares them with those that "
        "were given. (Drag in a figure to enlarge a part of it; a double click brings back the whole.)"
    )


def _observables(run: LoadedRun) -> str:
    names = [observable.label for observable in run.observables]
    return f"the {escape(listed(names))}" if names else "the observables"
