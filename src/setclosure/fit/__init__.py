"""Fitting: the estimator, stage one (the autoencoder), stage two (the dynamics), through Lightning, exactly resumable."""
