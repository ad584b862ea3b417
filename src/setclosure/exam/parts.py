"""The import of this module registers all parts of the exam."""

from setclosure.exam import flocking, noisy_decay, observables, phase_separation, study  # noqa: F401
