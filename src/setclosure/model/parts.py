"""The parts of a closure model stand in one module, so that one file of weights holds them all."""

from __future__ import annotations

from torch import nn

from setclosure.descriptors.joined import Descriptors
from setclosure.dynamics.base import Dynamics
from setclosure.model.autoencoder import Autoencoder
from setclosure.model.facts import ModelFacts
from setclosure.model.range_check import TrainingRange
from setclosure.model.specification import ModelSettings

REFERENCE_SIZE = 4096
"""The number of training macrostates that are kept for the range check."""


class ModelParts(nn.Module):
    """A module of the descriptors, the autoencoder, the macro dynamics and the training range of a model.

    Parameters
    ----------
    settings : ModelSettings
        The specification of all parts.
    facts : ModelFacts
        The sizes for which the parts are made.
    """

    def __init__(self, settings: ModelSettings, facts: ModelFacts) -> None:
        super().__init__()
        self.facts = facts
        self.describe = Descriptors(settings.descriptors, facts.kind)
        self.autoencoder = Autoencoder(settings, self.describe.described, facts.n_axes)
        self.dynamics: Dynamics = new_dynamics(settings, facts, self.autoencoder.closure_dim)
        self.range = TrainingRange(self.dynamics.dim, REFERENCE_SIZE)


def new_dynamics(settings: ModelSettings, facts: ModelFacts, closure_dim: int) -> Dynamics:
    """Make untrained dynamics of the observables and ``closure_dim`` = S·c numbers of the closure.

    The numbers of the composition that change in training come last in the macrostate, and all of them, at the start,
    last in the context.
    """
    o, known = len(facts.observable_names), facts.composition
    n_columns, n_context = (len(known.columns), len(known.names)) if known else (0, 0)
    dim = o + closure_dim + n_columns
    return settings.dynamics.build(dim, o, len(facts.context_names) + n_context, facts.time_step)
