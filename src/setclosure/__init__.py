"""setclosure: closure variables for unordered microstates, and the macroscopic dynamics they close.

The names below are what most programs need; everything else is imported from its module. They are loaded when
they are first used, so that ``import setclosure`` and the command line's ``--help`` stay fast.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from setclosure.autoencoder import ModelSettings
    from setclosure.closure_model import ClosureModel, Prediction
    from setclosure.data.ensemble import Ensemble
    from setclosure.dynamics.rollout import RolloutStatus
    from setclosure.errors import SetclosureError, SetclosureWarning
    from setclosure.methods import METHODS
    from setclosure.microstates import MicrostateBatch
    from setclosure.observables.registry import register
    from setclosure.range_check import RangeCheck
    from setclosure.training.fit import FitSettings

__version__ = version("setclosure")

_HOMES = {
    "METHODS": "methods",
    "ClosureModel": "closure_model",
    "Ensemble": "data.ensemble",
    "FitSettings": "training.fit",
    "MicrostateBatch": "microstates",
    "ModelSettings": "autoencoder",
    "Prediction": "closure_model",
    "RangeCheck": "range_check",
    "RolloutStatus": "dynamics.rollout",
    "SetclosureError": "errors",
    "SetclosureWarning": "errors",
    "register": "observables.registry",
}

__all__ = [
    "METHODS",
    "ClosureModel",
    "Ensemble",
    "FitSettings",
    "MicrostateBatch",
    "ModelSettings",
    "Prediction",
    "RangeCheck",
    "RolloutStatus",
    "SetclosureError",
    "SetclosureWarning",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'setclosure' has no attribute '{name}'")
    return getattr(importlib.import_module(f"setclosure.{_HOMES[name]}"), name)
