"""Experiments: studies and their configuration, run folders, the main job in pieces, report and command line."""
