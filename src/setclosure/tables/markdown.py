"""The Markdown of a result has a table for each metric, with the paper's numbers in the line below ours."""

from __future__ import annotations

from typing import Any

from setclosure.evaluation.numbers import mean_and_sd
from setclosure.evaluation.table import UNIT_OF_OBSERVABLE, Metric, in_order, metric_of, register_metric

METRICS_OF_THE_PAPER = (
    Metric("kl", "KL", "", "KL(q_X ‖ p)", "Divergence of the decoded density from the target density.", True),
    Metric("kl_shown", "KL, shown", "", "KL(q_X ‖ p), of the set in the picture", "", True),
    Metric(
        "r2", "R²", "", "R²", "Share of the variance that a regression explains, each case predicted by others.", False
    ),
    Metric("r2_error", "se of R²", "", "Standard error of R²", "Standard deviation of R² over resampled cases.", None),
    Metric(
        "permutation_deviation",
        "deviation",
        UNIT_OF_OBSERVABLE,
        "Largest deviation under permutations",
        "Largest change of a prediction when the particles of the first microstate are renumbered.",
        True,
    ),
    Metric("extension", "extension", UNIT_OF_OBSERVABLE, "Extension", "Length of the chain along the flow.", None),
    Metric("seconds", "seconds", "s", "Seconds of training", "Wall-clock time of both stages.", None),
)
"""Metrics that only tables and figures of the paper have."""

for _metric in METRICS_OF_THE_PAPER:
    register_metric(_metric)


def markdown(title: str, printed_metric: str, result: dict[str, Any]) -> str:
    """Write ``result``, the content of a JSON file, for people."""
    metrics = {m for columns in result["rows"].values() for cell in columns.values() for m in cell}
    seeds = result["provenance"]["seeds"]
    out = [f"# {title}", "", _source(result), ""]
    of = {0: "of the simulations", 1: "one training seed"}
    many = of.get(len(seeds), f"mean ± standard deviation of {len(seeds)} training seeds")
    for metric in dict.fromkeys([*([printed_metric] if printed_metric in metrics else []), *in_order(sorted(metrics))]):
        if metric.startswith("seconds_"):
            continue  # the parts of a sum, in the JSON file
        out += [f"**{metric_of(metric).label}** (`{metric}`), {many}:", "", _table(result, metric, printed_metric), ""]
    out += [f"{note}\n" for note in result["notes"]]
    return "\n".join([*out, _provenance(result["provenance"]), ""])


def _table(result: dict[str, Any], metric: str, printed_metric: str) -> str:
    lines = [["", *(f"`{column}`" for column in result["columns"])]]
    lines.append(["---"] * len(lines[0]))
    for row, cells in result["rows"].items():
        lines.append([f"`{row}`", *(_cell(cells.get(column), metric) for column in result["columns"])])
        printed = result["paper"].get(row)
        if printed and metric == printed_metric:
            lines.append([f"`{row}`, paper", *(_cell(printed.get(column), metric) for column in result["columns"])])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: dict[str, Any] | None, metric: str) -> str:
    if cell is None:
        return "n/a"
    return mean_and_sd(cell[metric]["mean"], cell[metric]["sd"]) if metric in cell else "–"


def _source(result: dict[str, Any]) -> str:
    return f"`setclosure reproduce {result['name']} --scale {result['scale']}`" + "".join(
        f" `--set {override}`" for override in result["provenance"]["overrides"]
    )


def _provenance(facts: dict[str, Any]) -> str:
    machine = facts["machine"]
    commits = sorted({piece["commit"][:12] for piece in facts["pieces"].values() if piece.get("commit")})
    seeds = f"Seeds {', '.join(map(str, facts['seeds']))}; trained" if facts["seeds"] else "Made"
    return (
        f"{seeds} with commit {', '.join(commits) or 'unknown'}; "
        f"{machine['processor']}, {machine['cores']} cores, GPU: {machine['gpu'] or 'none'}; "
        + ", ".join(f"{name} {number}" for name, number in facts["versions"].items() if number)
        + "."
    )
