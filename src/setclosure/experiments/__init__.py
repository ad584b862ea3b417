"""An experiment is a study in a run folder: its configuration, the main job in pieces, report and command line."""
