"""Fitting: the estimator, stage one (the autoencoder) and stage two (the dynamics), exactly resumable."""
