"""setclosure: closure variables for unordered microstates, and the macroscopic dynamics they close.

The names below are what most programs need; everything else is imported from its module. They are loaded when
they are first used, so that ``import setclosure`` and the command line's ``--help`` stay fast.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from setclosure.model.autoencoder import ModelSettings
    from setclosure.model.closure_model import ClosureModel, Prediction
    from setclosure.trajectories.dataset import Ensemble
    from setclosure.dynamics.rollout import RolloutStatus
    from setclosure.errors import SetclosureError, SetclosureWarning
    from setclosure.model.methods import METHODS
    from setclosure.sets.microstates import MicrostateBatch
    from setclosure.observables.registered import register
    from setclosure.model.range_check import RangeCheck
    from setclosure.fit.training import FitSettings

__version__ = version("setclosure")

_HOMES = {
    "METHODS": "model.methods",
    "ClosureModel": "model.closure_model",
    "Ensemble": "trajectories.dataset",
    "FitSettings": "fit.training",
    "MicrostateBatch": "sets.microstates",
    "ModelSettings": "model.autoencoder",
    "Prediction": "model.closure_model",
    "RangeCheck": "model.range_check",
    "RolloutStatus": "dynamics.rollout",
    "SetclosureError": "errors",
    "SetclosureWarning": "errors",
    "register": "observables.registered",
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
