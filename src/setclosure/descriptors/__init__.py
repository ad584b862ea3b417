"""Descriptors say what a particle is: its features, its surroundings, its motion about a centre."""
