"""Microscopic simulators, and campaigns that fill ensembles with their trajectories."""
