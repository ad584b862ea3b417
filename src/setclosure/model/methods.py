"""A method is a preset of parts that has a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from setclosure.registry import find, names, register

PARTS = ("encoder", "decoder", "reconstruction")
"""The parts that a method chooses."""


@dataclass(frozen=True)
class Method:
    """A preset of the parts of stage one.

    A part is the section of a configuration that makes it, with its ``name`` and any options; None means that the
    method has no such part.

    Attributes
    ----------
    summary : str
        One line that describes the method.
    encoder, decoder, reconstruction : mapping or None
        The sections of the parts.
    dynamics_weight : float
        λ_dyn of the joint objective (Sec. 3.3); with 0 stage one sees no dynamics.

    Examples
    --------
    >>> Method("moments and a flow", {"name": "deep_set", "width": 16}, {"name": "spline_flow"}).dynamics_weight
    0.0
    """

    summary: str
    encoder: Mapping[str, Any] | None = None
    decoder: Mapping[str, Any] | None = None
    reconstruction: Mapping[str, Any] | None = None
    dynamics_weight: float = 0.0


_FLOW, _KL = {"name": "spline_flow"}, {"name": "distribution"}

register("method", "density")(Method("DeepSet, spline flow, KL(q_X ‖ p)", {"name": "deep_set"}, _FLOW, _KL))
register("method", "density-set-transformer")(
    Method("Set Transformer, spline flow, KL(q_X ‖ p)", {"name": "set_transformer"}, _FLOW, _KL)
)
register("method", "density-mixture")(
    Method(
        "DeepSet, Gaussian mixture, KL(q_X ‖ p)",
        {"name": "deep_set"},
        {"name": "gaussian_mixture"},
        _KL,
    )
)
register("method", "density-joint")(
    Method("density, trained jointly with the dynamics", {"name": "deep_set"}, _FLOW, _KL, dynamics_weight=0.1)
)
register("method", "pooled")(
    Method("pooled means and spreads of the particles, by PCA; nothing is trained", {"name": "pooled"})
)
register("method", "inve")(Method("DeepSet trained by the dynamics alone", {"name": "deep_set"}, dynamics_weight=1.0))
register("method", "none")(Method("no closure: the observable alone"))


def get_method(name: str) -> Method:
    """Look a method up by name.

    Raises
    ------
    ConfigurationError
        If there is no method of that name; the message has the known ones.

    Examples
    --------
    >>> get_method("density").encoder
    {'name': 'deep_set'}
    """
    method: Method = find("method", name).value
    return method


def method_names() -> list[str]:
    """List the names of all methods, those of plugins included.

    Examples
    --------
    >>> "density" in method_names()
    True
    """
    return names("method")


def is_method(name: Any) -> bool:
    """Tell whether there is a method of that name.

    Examples
    --------
    >>> is_method("density"), is_method("densiti")
    (True, False)
    """
    return isinstance(name, str) and name in names("method")
