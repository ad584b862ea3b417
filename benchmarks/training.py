"""Speed of stage one and of encoding, at the sizes of the laptop configuration."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from setclosure.experiments.configuration import load_study
from setclosure.model.autoencoder import Autoencoder
from setclosure.sets.microstates import MicrostateBatch, MicrostateKind
from setclosure.sets.symmetry import random_orthogonal, rotated

LAPTOP = Path(__file__).parent.parent / "configs" / "interacting_particles" / "laptop.yaml"
PEAK_SIZE = 2048


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _matrix_product() -> Callable[[], Any]:
    a, b = torch.randn(PEAK_SIZE, PEAK_SIZE), torch.randn(PEAK_SIZE, PEAK_SIZE)
    return lambda: a @ b


def _model() -> tuple[Autoencoder, int, int]:
    study = load_study(LAPTOP)
    torch.manual_seed(0)
    n_particles = study.simulation.system.n_particles
    return Autoencoder(study.model, MicrostateKind(2, 1, n_particles)), study.training.stage_one.batch_sets, n_particles


def stage_one_step(rounds: int = 15) -> dict[str, Any]:
    """Microstates a second of a whole optimiser step, and its share of the peak of matrix products.

    The share is the floating-point operations of all matrix products of a step, counted by PyTorch, over its time,
    as a part of the rate of a single-precision product of 2048² matrices, the two timed in turns.
    """
    model, n_sets, n_particles = _model()
    batch = MicrostateBatch.from_points(torch.randn(n_sets, n_particles, 2))
    model.coordinates.fit(batch)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    stream = torch.Generator().manual_seed(0)

    def step() -> None:
        optimiser.zero_grad()
        turned = rotated(batch, random_orthogonal(n_sets, 2, stream))
        model.loss(turned, stream).mean().backward()
        optimiser.step()

    step()
    with FlopCounterMode(display=False) as counter:
        step()
    product = _matrix_product()
    product()
    pairs = [(_timed(step), _timed(product)) for _ in range(rounds)]
    shares = [counter.get_total_flops() / own / (2 * PEAK_SIZE**3 / peak) for own, peak in pairs]
    return {
        "name": "stage_one_step",
        "value": n_sets / statistics.median(own for own, _ in pairs),
        "unit": f"microstates/s of {n_particles} particles",
        "share_of_matrix_product_peak": statistics.median(shares),
        "ratio": {},
    }


def encode(rounds: int = 9) -> dict[str, Any]:
    """Microstates encoded a second, and the share of the peak of matrix products, as in :func:`stage_one_step`."""
    model, _, n_particles = _model()
    batch = MicrostateBatch.from_points(torch.randn(301, n_particles, 2))
    model.coordinates.fit(batch)
    model.eval()
    with FlopCounterMode(display=False) as counter:
        model.encode(batch)
    product = _matrix_product()
    product()
    pairs = [(_timed(lambda: model.encode(batch)), _timed(product)) for _ in range(rounds)]
    shares = [counter.get_total_flops() / own / (2 * PEAK_SIZE**3 / peak) for own, peak in pairs]
    return {
        "name": "encode",
        "value": len(batch) / statistics.median(own for own, _ in pairs),
        "unit": f"microstates/s of {n_particles} particles",
        "share_of_matrix_product_peak": statistics.median(shares),
        "ratio": {},
    }
