"""Decoders: conditional densities p_θ(x | ẑ), and point-wise baselines."""
