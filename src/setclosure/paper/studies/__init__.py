"""paper/studies."""
