"""Macroscopic observables z̄ = φ̄(X): built in, registered by users, or plain functions."""
