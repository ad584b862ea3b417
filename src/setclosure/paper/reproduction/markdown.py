"""The Markdown of a result: a table for each metric, the paper's numbers in the line below ours."""

from __future__ import annotations

from typing import Any

from setclosure.experiments.report.formatting import mean_and_sd
from setclosure.experiments.report.words import METRICS, label

ORDER = (
    "kl",
    "kl_shown",
    "mmd",
    "mmd_unbiased",
    "inside_band",
    "mean_error",
    "sd_error",
    "mre_scaled",
    "mre",
    "mre_median",
    "diverged",
    "warned",
    "effective_rank",
    "closure_variance",
    "seconds",
)
"""Metrics of general interest, in this order; others of a result come after them."""


def markdown(title: str, printed_metric: str, result: dict[str, Any]) -> str:
    """Write ``result``, the content of a JSON file, for people."""
    metrics = {m for columns in result["rows"].values() for cell in columns.values() for m in cell}
    seeds = result["provenance"]["seeds"]
    out = [f"# {title}", "", _source(result), ""]
    of = {0: "of the simulations", 1: "one training seed"}
    many = of.get(len(seeds), f"mean ± standard deviation of {len(seeds)} training seeds")
    for metric in [m for m in ORDER if m in metrics] + sorted(metrics - set(ORDER)):
        if metric.startswith("seconds_"):
            continue  # the parts of a sum, in the JSON file
        out += [f"**{label(METRICS, metric)}** (`{metric}`), {many}:", "", _table(result, metric, printed_metric), ""]
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
