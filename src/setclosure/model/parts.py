"""The trained parts of a closure model in one module, so that one file of weights holds them all."""

from __future__ import annotations

from torch import nn

from setclosure.model.autoencoder import Autoencoder, ModelSettings
from setclosure.trajectories.dataset import Ensemble
from setclosure.dynamics.macro_dynamics import MacroDynamics
from setclosure.sets.microstates import MicrostateKind
from setclosure.model.range_check import TrainingRange

REFERENCE_SIZE = 4096
"""Training macrostates that are kept for the range check."""


class ModelParts(nn.Module):
    """Autoencoder, macro dynamics, training range, and what they were made for.

    Parameters
    ----------
    settings : ModelSettings
        Defines all parts.
    kind : MicrostateKind
        d, S and N of the training microstates.
    observable : str
        Registered name of φ̄.
    observable_names : sequence of str
        Names of the o numbers of z̄.
    time_step : float
        Time between frames.
    """

    def __init__(
        self,
        settings: ModelSettings,
        kind: MicrostateKind,
        observable: str,
        observable_names: tuple[str, ...],
        time_step: float,
    ) -> None:
        super().__init__()
        self.observable, self.observable_names, self.time_step = (
            observable,
            tuple(observable_names),
            time_step,
        )
        self.autoencoder = Autoencoder(settings, kind)
        dim = len(observable_names) + self.autoencoder.closure_dim
        self.dynamics = MacroDynamics(dim, len(observable_names), settings.drift, settings.diffusion, time_step)
        self.range = TrainingRange(dim, REFERENCE_SIZE)

    @classmethod
    def create(cls, settings: ModelSettings, ensemble: Ensemble) -> ModelParts:
        """Untrained parts that fit an ensemble."""
        return cls(
            settings,
            MicrostateKind(ensemble.n_features, ensemble.n_species, ensemble.max_particles),
            ensemble.observable,
            tuple(ensemble.observable_names),
            ensemble.time_step,
        )
