"""Reconstructions compare microstates with the output of a decoder, and so train an autoencoder."""
