"""Sets of particles: microstates as points and weights, the roles of their features, cells and coordinates."""
