"""The package learns closure variables of unordered microstates, and the macroscopic dynamics that they close.

Most programs need the names below alone; everything else is imported from its module. A name is loaded when it is
first used, so that ``import setclosure`` and the command line's ``--help`` stay fast.
"""

from __future__ import annotations

import importlib
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from setclosure.extras import missing_extra

if TYPE_CHECKING:
    from setclosure.dynamics.rollout import RolloutStatus
    from setclosure.errors import SetclosureError, SetclosureWarning, SkillWarning
    from setclosure.fit.estimator import ClosureEstimator
    from setclosure.fit.settings import FitSettings
    from setclosure.model.closure_model import ClosureModel
    from setclosure.model.methods import method_names
    from setclosure.model.prediction import Prediction
    from setclosure.model.range_check import RangeCheck
    from setclosure.model.specification import ModelSettings
    from setclosure.registry import load_plugin, register
    from setclosure.sets.features import Features
    from setclosure.sets.microstates import MicrostateBatch
    from setclosure.trajectories.dataset import TrajectoryDataset
    from setclosure.trajectories.layout import Layout, Trajectory

__version__ = version("setclosure")

logging.getLogger(__name__).addHandler(logging.NullHandler())  # the program that uses it decides what is shown

_HOMES = {
    "ClosureEstimator": "fit.estimator",
    "ClosureModel": "model.closure_model",
    "Features": "sets.features",
    "FitSettings": "fit.settings",
    "Layout": "trajectories.layout",
    "MicrostateBatch": "sets.microstates",
    "ModelSettings": "model.specification",
    "Prediction": "model.prediction",
    "RangeCheck": "model.range_check",
    "RolloutStatus": "dynamics.rollout",
    "SetclosureError": "errors",
    "SetclosureWarning": "errors",
    "SkillWarning": "errors",
    "Trajectory": "trajectories.layout",
    "TrajectoryDataset": "trajectories.dataset",
    "load_plugin": "registry",
    "method_names": "model.methods",
    "register": "registry",
}

__all__ = [
    "ClosureEstimator",
    "ClosureModel",
    "Features",
    "FitSettings",
    "Layout",
    "MicrostateBatch",
    "ModelSettings",
    "Prediction",
    "RangeCheck",
    "RolloutStatus",
    "SetclosureError",
    "SetclosureWarning",
    "SkillWarning",
    "Trajectory",
    "TrajectoryDataset",
    "load_plugin",
    "method_names",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'setclosure' has no attribute '{name}'")
    try:
        return getattr(importlib.import_module(f"setclosure.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        needed = missing_extra(error)
        if needed is None:
            raise
        raise needed from error
