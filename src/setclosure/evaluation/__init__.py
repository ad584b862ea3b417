"""Evaluation: rollouts of whole test sets, metrics, and the naive predictions that a model must beat."""
