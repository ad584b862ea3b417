"""paper/models."""
