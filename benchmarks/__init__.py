"""Benchmarks: medians of paired runs, with ratios measured in one run. ``python -m benchmarks`` runs all."""
