"""Comparisons behind the promises: each raises a :class:`ConformanceError` with what it found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from setclosure.errors import ConformanceError
from setclosure.parts import PartConfig
from setclosure.registry import find

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Largest difference, as a share of the largest number, that rounding may make."""


def require(kept: bool, otherwise: str) -> None:
    """Raise a :class:`ConformanceError` that says ``otherwise`` unless a promise is kept."""
    if not kept:
        raise ConformanceError(otherwise)


def require_shape(value: Any, shape: tuple[int, ...], what: str) -> None:
    """Require a tensor of a shape."""
    found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    require(found == shape, f"{what}: expected a tensor of shape {shape}; got {found}.")


def require_finite(value: Tensor, what: str) -> None:
    """Require that no number is NaN or infinite."""
    bad = int((~torch.isfinite(value)).sum())
    require(bad == 0, f"{what}: {bad} of {value.numel()} numbers are NaN or infinite.")


def require_same(found: Tensor, expected: Tensor, what: str, tolerance: float | None = None) -> None:
    """Require equal tensors up to a share of the largest number, by default what rounding in their dtype may make."""
    require_shape(found, tuple(expected.shape), what)
    require_finite(found, what)
    limit = TOLERANCE[expected.dtype] if tolerance is None else tolerance
    size = max(1.0, float(expected.detach().abs().max())) if expected.numel() else 1.0
    gap = float((found - expected).detach().abs().max()) if expected.numel() else 0.0
    require(
        gap <= limit * size,
        f"{what}: the numbers differ by up to {gap:.3g}; at most {limit * size:.3g} may come from rounding.",
    )


def require_different(one: Tensor, other: Tensor, what: str) -> None:
    """Require tensors that differ by more than rounding."""
    gap = float((one - other).detach().abs().max())
    size = float(other.detach().abs().max())
    require(gap > 1e-6 * size and gap > 0, f"{what}: the numbers are the same to one part in a million.")


def require_gradients(module: nn.Module, loss: Tensor) -> None:
    """Require that a loss has a finite gradient for every parameter of a module, and that some are not zero."""
    module.zero_grad()
    loss.backward()
    found = dict(module.named_parameters())
    lacking = [name for name, p in found.items() if p.requires_grad and p.grad is None]
    require(
        not lacking, f"the parameters {', '.join(lacking[:5])} get no gradient: the result does not depend on them."
    )
    bad = [name for name, p in found.items() if p.grad is not None and not bool(torch.isfinite(p.grad).all())]
    require(not bad, f"the gradients of {', '.join(bad[:5])} are NaN or infinite.")
    moving = any(bool((p.grad != 0).any()) for p in found.values() if p.grad is not None)
    require(moving or not found, "all gradients are zero, so training could change nothing.")
    module.zero_grad()


def require_reload(made: nn.Module, other: nn.Module, evaluate: Callable[[Any], Tensor]) -> None:
    """Require that the weights of a module, written to a file and read by another, give the same numbers.

    Parameters
    ----------
    made : Module
        The module.
    other : Module
        Another of the same configuration, with other weights.
    evaluate : callable
        What is compared.
    """
    require(isinstance(made, nn.Module), f"expected a torch.nn.Module, whose weights are saved; got {type(made)}.")
    content = safetensors.torch.save({key: value.contiguous() for key, value in made.state_dict().items()})
    other.load_state_dict(safetensors.torch.load(content))
    require_same(evaluate(other), evaluate(made), "after saving and loading")


def require_round_trip(kind: str, config: PartConfig) -> None:
    """Require that a configuration, written with every default and read again, is the same."""
    name = type(config).part_name
    require(bool(name), f"its class is not registered: decorate it with @setclosure.register('{kind}', 'a-name').")
    registered = find(kind, name).value
    require(registered is type(config), f"'{name}' is registered for {registered.__name__}; expected its own class.")
    stored = json.loads(json.dumps(config.model_dump(mode="json")))
    lacking = [key for key in type(config).model_fields if key not in stored]
    require(not lacking, f"the stored configuration lacks {', '.join(lacking)}; every option is expected.")
    read = registered.checked(stored)
    require(read == config, f"it was read as {read!r}; expected {config!r}.")
