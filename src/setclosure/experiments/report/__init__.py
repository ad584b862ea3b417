"""The report of a run: one self-contained HTML file, and figures for a README or a paper."""

from setclosure.experiments.report.page import build_report

__all__ = ["build_report"]
