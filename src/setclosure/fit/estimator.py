"""The estimator holds a specification and budgets, and its ``fit`` gives a trained model."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from setclosure.decoders.base import DecoderConfig
from setclosure.descriptors.base import DescriptorConfig
from setclosure.dynamics.base import DynamicsConfig
from setclosure.encoders.base import EncoderConfig
from setclosure.errors import ModelError, SkillWarning
from setclosure.fit.judging import judge, warnings_of
from setclosure.fit.settings import FitSettings
from setclosure.fit.training import Training
from setclosure.model.closure_model import ClosureModel
from setclosure.model.observable_map import Transform
from setclosure.model.specification import ModelSettings, SymmetrySettings
from setclosure.observables.registered import as_observable
from setclosure.progress import progress_shown
from setclosure.reconstruction.base import ReconstructionConfig
from setclosure.sets.microstates import MicrostateBatch
from setclosure.sets.symmetry import ShortSymmetry
from setclosure.trajectories.dataset import TrajectoryDataset

_log = logging.getLogger(__name__)

Part = Mapping[str, Any] | str | None
"""A part as in a configuration: its options with a ``name``, or the name alone."""


class ClosureEstimator:
    """An estimator learns a closure and its macro dynamics from trajectories.

    Parameters
    ----------
    method : str
        A preset of encoder, decoder and reconstruction; see :func:`setclosure.method_names`.
    closure_dim : int, optional
        Numbers of the closure ẑ for each species, c; 8 by default.
    bandwidth : float, sequence of float or "auto", optional
        ε of q_X (Eq. 2), in the units of the coordinates, one number or one for each feature; 0.01 by default.
        ``"auto"`` takes half the usual distance of neighbours in training.
    symmetry : {"none", "translation", "euclidean"} or dict
        Changes of coordinates that neither law nor observable sees: a short name, or translations and rotations by
        their own keys, as in ``{"translation": ["x"], "rotation": "reflections"}`` for a channel along x.
    descriptors : sequence, optional
        What encoder, q_X and decoder see of a particle: names or sections such as ``"environment"`` or
        ``{"name": "environment", "n_radii": 4}``; the features as they are by default.
    axes : {"principal", "given"}, optional
        Whether the closure is turned to its principal axes and those that carry next to nothing are dropped, by
        default, or not.
    views : int, optional
        Most rotations over which a prediction is averaged; 8 by default.
    harmonics : int, optional
        Harmonics of a periodic coordinate that the encoder sees, in a cell; 2 by default.
    weight_feature : int, optional
        The feature by which particles weigh; all weigh alike by default.
    ignore_constant_features : bool
        Whether features that never change in training are left out; they are refused by default.
    composition : bool
        Whether the dynamics knows how many particles there are and the shares of the species.
    observables : dict, optional
        For an observable by name the transform by which the dynamics sees it: ``"log"`` or ``"logit"``.
    encoder, decoder, reconstruction : dict or str, optional
        Options of the method's parts, or other parts by ``name``.
    dynamics : dict or str, optional
        The macro dynamics, ``"ode"`` by default; ``{"name": "euler_maruyama"}`` has noise.
    dynamics_weight : float, optional
        λ_dyn of the joint objective; the method's by default.
    training : FitSettings or dict, optional
        Budgets of both stages, and the trainer; a dict has the keys of the section ``training`` of a configuration.
    settings : ModelSettings, optional
        The whole specification at once, instead of the arguments above other than ``training``.

    Raises
    ------
    ConfigurationError
        If an option is unknown or out of range; the message has a line for each.
    ModelError
        If ``settings`` are given together with their fields.

    Examples
    --------
    >>> estimator = ClosureEstimator(closure_dim=4, dynamics="euler_maruyama", training={"stage_one": {"steps": 500}})
    >>> estimator.settings.dynamics.diffusion.part_name, estimator.training.stage_one.steps
    ('diagonal', 500)
    """

    def __init__(
        self,
        method: str = "density",
        *,
        closure_dim: int | None = None,
        bandwidth: float | Sequence[float] | Literal["auto"] | None = None,
        symmetry: ShortSymmetry | SymmetrySettings | Mapping[str, Any] = "none",
        descriptors: Sequence[Part | DescriptorConfig] | None = None,
        axes: Literal["principal", "given"] | None = None,
        views: int | None = None,
        harmonics: int | None = None,
        weight_feature: int | None = None,
        ignore_constant_features: bool | None = None,
        composition: bool | None = None,
        observables: Mapping[str, Transform] | None = None,
        encoder: Part | EncoderConfig = None,
        decoder: Part | DecoderConfig = None,
        reconstruction: Part | ReconstructionConfig = None,
        dynamics: Part | DynamicsConfig = None,
        dynamics_weight: float | None = None,
        training: FitSettings | Mapping[str, Any] | None = None,
        settings: ModelSettings | None = None,
    ) -> None:
        given = {
            "closure_dim": closure_dim,
            "bandwidth": bandwidth,
            "descriptors": descriptors,
            "axes": axes,
            "views": views,
            "harmonics": harmonics,
            "weight_feature": weight_feature,
            "ignore_constant_features": ignore_constant_features,
            "composition": composition,
            "observables": None if observables is None else dict(observables),
            "encoder": encoder,
            "decoder": decoder,
            "reconstruction": reconstruction,
            "dynamics": dynamics,
            "dynamics_weight": dynamics_weight,
        }
        said = {key: value for key, value in given.items() if value is not None}
        if settings is not None and (said or method != "density" or symmetry != "none"):
            raise ModelError("settings and some of their fields were given; give either, not both.")
        self.settings = settings or ModelSettings.parse({"method": method, "symmetry": symmetry, **said})
        self.training = training if isinstance(training, FitSettings) else FitSettings.parse(dict(training or {}))

    def __repr__(self) -> str:
        s = self.settings
        return (
            f"ClosureEstimator: method '{s.method}', {s.closure_dim} numbers of closure a species, symmetry "
            f"{_words(s.symmetry)}, dynamics {s.dynamics.part_name}; {self.training.stage_one.steps} and "
            f"{self.training.stage_two.steps} steps"
        )

    def fit(
        self,
        data: TrajectoryDataset,
        validation: TrajectoryDataset | None = None,
        *,
        seed: int = 0,
        folder: str | Path | None = None,
        resume: bool = False,
        reuse: Sequence[Path] = (),
        observable: Callable[[MicrostateBatch], Any] | None = None,
        progress: bool = True,
    ) -> ClosureModel:
        """Train both stages and return the trained model.

        Parameters
        ----------
        data : TrajectoryDataset
            Training trajectories.
        validation : TrajectoryDataset, optional
            Validation trajectories; by default a fifth of those in ``data``, split by trajectory.
        seed : int
            Root seed: with the same data and machine it fixes every number.
        folder : path, optional
            The folder of checkpoints, macrostates and history, from which a killed fit can be resumed; a temporary
            folder by default.
        resume : bool
            Whether to go on with the fit in ``folder``; refused if it has other data or another configuration.
        reuse : sequence of Path, optional
            Folders of other fits. Encoder, decoder and macrostates are copied from one with the same data, seed and
            settings up to stage two, instead of being trained again.
        observable : callable, optional
            The function φ̄ for the model's predictions, where that of the data is not registered.
        progress : bool
            Whether progress is shown on standard error.

        Raises
        ------
        ModelError
            If an argument is of another kind, or the observable does not have the symmetry that was declared.
        DatasetError
            If a data set is unfinished, has too few trajectories, or is of another kind than the other.
        RunError
            If ``folder`` holds a fit and ``resume`` is false, or a fit of other data or another configuration.
        TrainingError
            If the loss is not finite, or no two frames follow each other.

        Warns
        -----
        SkillWarning
            If the model is worse than a naive prediction on its validation trajectories, or has learned nothing of the
            next frame. The numbers are kept as :attr:`ClosureModel.skill`.
        """
        for name, given in (("data", data), ("validation", data if validation is None else validation)):
            if not isinstance(given, TrajectoryDataset):
                raise ModelError(
                    f"{name} is a {type(given).__name__}; fit takes a TrajectoryDataset: "
                    "TrajectoryDataset.from_arrays(path, points, …) makes one from arrays, and "
                    "TrajectoryDataset.open(path) reads one."
                )
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ModelError(f"seed is a whole number of at least 0; got {seed!r}.")
        if resume and folder is None:
            raise ModelError("a fit is resumed in the folder where it was begun: give folder=, or leave resume out.")
        with tempfile.TemporaryDirectory(prefix="setclosure-") as temporary, progress_shown(progress):
            place = Path(folder or temporary)
            function = None if observable is None else as_observable(observable, data.layout.observable_names)
            work = Training(self.settings, self.training, data, validation, int(seed), place, resume, reuse, function)
            parts, history = work.run()
            model = ClosureModel(work.model, parts, observable=observable, history=history, seconds=work.seconds)
            model.skill = judge(model, work.training, work.validation)
        _log.info("%s", model.skill)
        for warning in warnings_of(model, self.training.stage_two):
            warnings.warn(warning, SkillWarning, stacklevel=2)
        return model


def _words(symmetry: ShortSymmetry | SymmetrySettings) -> str:
    if isinstance(symmetry, str):
        return symmetry
    along = symmetry.translation if isinstance(symmetry.translation, str) else ", ".join(symmetry.translation)
    return f"(translation along {along or 'nothing'}; rotation {symmetry.rotation})"
