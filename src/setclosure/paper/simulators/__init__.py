"""Microscopic simulators, and campaigns that fill data sets with their trajectories."""
