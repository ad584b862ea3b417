"""Encoders φ̂ map a microstate to its closure, whatever the order of its particles (Sec. 3.2, B.1)."""
