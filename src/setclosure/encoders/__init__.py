"""Encoders φ̂: permutation-invariant maps from a microstate to its closure (Sec. 3.2, B.1)."""
