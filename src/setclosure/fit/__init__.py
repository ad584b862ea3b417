"""A fit trains the autoencoder in stage one and the dynamics in stage two, and can be resumed exactly."""
