"""Training: stage one (the autoencoder), stage two (the macro dynamics), through Lightning, exactly resumable."""
