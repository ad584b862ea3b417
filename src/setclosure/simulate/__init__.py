"""Campaigns fill data sets with the trajectories of a simulator, over cores or a cluster."""
