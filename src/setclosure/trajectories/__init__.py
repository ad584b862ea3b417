"""Ensembles of trajectories on disk: the store, batches from memory or disk, splits."""
