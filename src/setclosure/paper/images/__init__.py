"""Images of particles are rendered, read as sets of pixels and back, and written as videos (Sec. 4.4, A.5)."""
