"""Trajectory data sets on disk: layout, writing, reading, transitions, splits, batches."""
