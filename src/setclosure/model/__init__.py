"""Trained models: specification, parts, prediction, range check and files; nothing here trains or draws."""
