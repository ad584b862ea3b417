"""Decoders give conditional densities p_θ(x | ẑ) of particles."""
