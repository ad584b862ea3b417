"""Images of particles: rendering, images as sets of pixels and back, videos (Sec. 4.4, A.5)."""
