"""Simulation: what a simulator is, and campaigns that fill a data set over cores or a cluster."""
