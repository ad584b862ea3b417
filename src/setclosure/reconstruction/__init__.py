"""Reconstructions: what is compared with what when an autoencoder is trained."""
