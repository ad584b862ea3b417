"""The result table that evaluate and run print."""

from __future__ import annotations

from typing import Any

from rich.table import Table

TITLES = {
    "mmd": "MMD",
    "mmd_unbiased": "MMD, unbiased",
    "mean_error": "error of the mean",
    "inside_band": "frames inside the band",
    "mre": "relative error (MRE)",
    "mre_scaled": "MRE, scaled units",
    "mre_median": "median over trajectories",
    "diverged": "diverged rollouts",
    "outside": "rollouts out of the training range",
    "warned": "starts out of the training range",
    "effective_rank": "effective rank of ẑ",
}


def metrics_table(metrics: dict[str, Any]) -> Table:
    """One row for each metric, one column for each test split."""
    shown = [metric for metric in TITLES if metric in metrics]
    table = Table(title="Macroscopic prediction from the first frame alone", title_justify="left")
    table.add_column("")
    splits = list(metrics[shown[0]]) if shown else []
    for split in splits:
        table.add_column(split, justify="right")
    for metric in shown:
        table.add_row(TITLES[metric], *(_number(metrics[metric][split]) for split in splits))
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
