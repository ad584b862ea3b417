"""The phase of microstates in a cell takes translations off: it is the angle of a first harmonic of the particles.

Each species has a harmonic of its own. They are added with a weight for each species that makes the sum as large as it
can be on training microstates: in a dense mixture the particles together have no harmonic, and the difference of the
species has one. The phase keeps the invariance exact, with one encoding. Its weakness is a microstate whose first
harmonic vanishes, such as one with two equal domains: the phase, and so the closure, is then noise. Random shifts in
training with views in prediction had the smaller error in ``benchmarks/cells.py``, three fifths of whose starts are
such microstates, but they leave the closure a function of the shift.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

TURN = 2.0 * math.pi
"""One period of an angle."""


def first_harmonics(weights: Tensor, fractions: Tensor) -> Tensor:
    """Give the first harmonic of each species along each direction, ``(B, S, k)`` complex.

    Parameters
    ----------
    weights : Tensor
        Weights of the particles, ``(B, S, N)``.
    fractions : Tensor
        Positions as multiples of the lattice vectors, ``(B, N, k)``.
    """
    angle = fractions * TURN
    return torch.complex(weights @ angle.cos(), weights @ angle.sin())


def phase(harmonics: Tensor, species_weights: Tensor) -> Tensor:
    """Give the phase of harmonics ``(B, S, k)`` as fractions ``(B, k)``, with the species weighed by ``(k, S)``.

    Examples
    --------
    >>> phase(torch.tensor([[[1j]]]), torch.ones(1, 1)).item()
    0.25
    """
    wave = (harmonics * species_weights.T).sum(dim=1)
    return torch.atan2(wave.imag, wave.real) / TURN


def largest_weights(harmonics: Tensor) -> Tensor:
    """Give the weights of species ``(k, S)`` whose sum of the harmonics ``(B, S, k)`` is largest over a batch."""
    waves = harmonics.to(torch.complex128)
    product = torch.einsum("bsk,btk->kst", waves, waves.conj()).real
    leading: Tensor = torch.linalg.eigh(product).eigenvectors[..., -1]  # (k, S)
    sign = leading.gather(1, leading.abs().argmax(dim=1, keepdim=True)).sign()
    return leading * sign
