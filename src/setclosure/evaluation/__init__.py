"""Evaluation predicts whole tests, computes metrics, and sets naive predictions beside the model."""
