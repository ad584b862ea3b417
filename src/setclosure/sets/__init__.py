"""A microstate is a set of particles with weights, features that have roles, a cell, and standard coordinates."""
