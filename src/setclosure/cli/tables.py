"""The result table that evaluate and run print."""

from __future__ import annotations

from typing import Any

from rich.table import Table

TITLES = {
    "mre": "relative error (MRE)",
    "mre_scaled": "MRE, scaled units",
    "mre_median": "median over trajectories",
    "diverged": "diverged rollouts",
    "outside": "left the training range",
    "warned": "X_0 out of range",
    "effective_rank": "effective rank of ẑ",
}


def metrics_table(metrics: dict[str, Any]) -> Table:
    """One row for each test split, one column for each metric."""
    columns = [metric for metric in metrics if metric in TITLES]
    table = Table(title="Macroscopic prediction from the first frame alone", title_justify="left")
    table.add_column("test")
    for metric in columns:
        table.add_column(TITLES[metric], justify="right")
    for split in metrics[columns[0]] if columns else []:
        table.add_row(split, *(_number(metrics[metric][split]) for metric in columns))
    seconds = metrics.get("seconds", {})
    table.caption = "seconds: " + ", ".join(f"{part} {_number(value)}" for part, value in seconds.items())
    table.caption_justify = "left"
    return table


def _number(value: float | dict[str, float]) -> str:
    if isinstance(value, dict):
        return f"{_number(value['mean'])} ± {_number(value['sd'])}"
    if value == round(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.2e}" if abs(value) < 0.01 else f"{value:.3g}"
