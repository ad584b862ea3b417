"""ClosureModel: fit, encode, predict, check, save, load."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from setclosure.model.autoencoder import ModelSettings
from setclosure.trajectories.dataset import Ensemble
from setclosure.trajectories.layout import GIVEN
from setclosure.dynamics.rollout import RolloutStatus, rollout
from setclosure.errors import ModelError
from setclosure.sets.microstates import MicrostateBatch, as_microstates
from setclosure.model.parts import ModelParts
from setclosure.observables.registered import Observable, as_observable, get_observable
from setclosure.model.range_check import RangeCheck
from setclosure.seeds import seeded, torch_stream
from setclosure.sets.coordinates import rotated, views
from setclosure.fit.training import FitSettings, Training


@dataclass(frozen=True)
class Prediction:
    """Rollouts from X_0 alone.

    Attributes
    ----------
    times : array
        ``(H + 1,)``, in the units of the ensemble, from zero.
    observables : array
        z̄, ``(B, R, H + 1, o)``; R samples of the noise (one for a deterministic model).
    closure : array
        ẑ, ``(B, R, H + 1, S·c)``.
    status : array
        :class:`RolloutStatus` of each path, ``(B, R)``.
    step : array
        Frame at which a path first diverged or left the training range, ``(B, R)``; -1 if it did not.
    check : RangeCheck
        Whether X_0 lies in the training range.
    """

    times: np.ndarray
    observables: np.ndarray
    closure: np.ndarray
    status: np.ndarray
    step: np.ndarray
    check: RangeCheck

    def worst(self) -> tuple[np.ndarray, np.ndarray]:
        """The worst status of each microstate's paths ``(B,)``, and the first frame at which one had it ``(B,)``."""
        status, step = _worst(self.status, self.step)
        return status[:, 0], step[:, 0]

    def message(self, b: int = 0) -> str:
        """One sentence about the worst path of microstate ``b`` and its start."""
        of_all, steps = self.worst()
        status, step = RolloutStatus(int(of_all[b])), int(steps[b])
        where = f" at frame {step}" if step >= 0 else ""
        return f"{status.name.lower()}{where}; X_0 is {self.check.message(b)}"


def _require_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ModelError(f"{name} is a whole number of at least {least}; got {value!r}.")


_SEVERITY = {int(RolloutStatus.OK): 0, int(RolloutStatus.OUTSIDE): 1, int(RolloutStatus.DIVERGED): 2}


def _worst(status: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The worst status of the views ``(B, V)``, and the first frame at which one of them had it: ``(B, 1)`` each."""
    severity = np.vectorize(_SEVERITY.__getitem__)(status)
    is_worst = severity == severity.max(axis=1, keepdims=True)
    first = np.where(is_worst, step, np.iinfo(step.dtype).max).argmin(axis=1)[:, None]
    return np.take_along_axis(status, first, 1), np.take_along_axis(step, first, 1)


class ClosureModel:
    """The learned closure of unordered microstates, and the macro dynamics that it closes.

    Parameters
    ----------
    settings : ModelSettings, optional
        Everything that defines the model; or give its fields as keywords.
    observable : callable, optional
        φ̄, from microstates to ``(B, o)``; by default the function that is registered under the ensemble's
        observable name.
    **options : Any
        Fields of :class:`ModelSettings`.

    Examples
    --------
    >>> import numpy as np, setclosure
    >>> ensemble = setclosure.Ensemble.open("data/train.zarr")            # doctest: +SKIP
    >>> model = setclosure.ClosureModel(closure_dim=8, bandwidth=0.01)    # doctest: +SKIP
    >>> model.fit(ensemble).save("model")                                 # doctest: +SKIP
    >>> x0 = np.random.normal(size=(300, 2))
    >>> model = setclosure.ClosureModel.load("model")                     # doctest: +SKIP
    >>> model.check(x0).message(0), model.predict(x0, steps=300).observables.shape  # doctest: +SKIP
    """

    def __init__(
        self,
        settings: ModelSettings | None = None,
        *,
        observable: Callable[[MicrostateBatch], Any] | None = None,
        **options: Any,
    ) -> None:
        if settings is not None and options:
            raise ModelError("give either settings or their fields as keywords, not both.")
        self.settings = settings or ModelSettings.parse(options)
        self._observable = observable
        self._parts: ModelParts | None = None
        self.history: dict[str, list[dict[str, float]]] = {}
        self.seconds: dict[str, float] = {}

    # ------------------------------------------------------------------ training

    def fit(
        self,
        ensemble: Ensemble,
        validation: Ensemble | None = None,
        *,
        training: FitSettings | dict[str, Any] | None = None,
        seed: int = 0,
        folder: str | Path | None = None,
        resume: bool = False,
        reuse: Sequence[Path] = (),
    ) -> Self:
        """Train both stages.

        Parameters
        ----------
        ensemble : Ensemble
            Training trajectories.
        validation : Ensemble, optional
            Validation trajectories; by default a fifth of ``ensemble``'s, split by trajectory.
        training : FitSettings or dict, optional
            Budgets of both stages, and the trainer; a dict has the keys of the section ``training`` of a configuration.
        seed : int
            Root seed: with the same data and machine it fixes every number.
        folder : path, optional
            Where checkpoints, macrostates and history stay, so that a killed fit can be resumed; a temporary
            folder by default.
        resume : bool
            Go on with what is in ``folder``; refused if it belongs to other data or another configuration.
        reuse : sequence of Path, optional
            Folders of other fits. Encoder, decoder and macrostates are taken from one that would make the same (same
            data, seed and settings up to stage two) instead of being trained again.

        Raises
        ------
        ModelError
            If an argument is of another kind.
        RunError
            If ``folder`` holds another fit, or one that ``resume`` does not continue.
        """
        for name, given in (("ensemble", ensemble), ("validation", ensemble if validation is None else validation)):
            if not isinstance(given, Ensemble):
                raise ModelError(
                    f"{name} is a {type(given).__name__}; fit takes an Ensemble: Ensemble.from_arrays(path, points, …) "
                    "makes one of arrays, Ensemble.open(path) reads one."
                )
        _require_whole("seed", seed, 0)
        if resume and folder is None:
            raise ModelError("a fit is resumed in the folder where it was begun: give folder=, or leave resume out.")
        training = training if isinstance(training, FitSettings) else FitSettings.parse(training or {})
        with tempfile.TemporaryDirectory(prefix="setclosure-") as temporary:
            work = Training(
                self.settings, training, ensemble, validation, seed, Path(folder or temporary), resume, reuse
            )
            with seeded(seed, "weights"):
                parts = ModelParts.create(self.settings, ensemble)
            self.history = {"stage_one": work.stage_one(parts.autoencoder)}
            macrostates = work.macrostates(parts.autoencoder)
            self.history["stage_two"] = work.stage_two(parts.dynamics, macrostates)
            work.training_range(parts, macrostates)
            self.seconds = work.seconds
        self.adopt(parts)
        return self

    def adopt(self, parts: ModelParts) -> None:
        """Take trained parts as this model's own."""
        self._parts = parts.eval().requires_grad_(False)

    # ------------------------------------------------------------------ use

    @property
    def parts(self) -> ModelParts:
        """The trained parts.

        Raises
        ------
        ModelError
            Before :meth:`fit` or :meth:`load`.
        """
        if self._parts is None:
            raise ModelError("this model has not been trained: call fit(ensemble), or ClosureModel.load(path).")
        return self._parts

    def encode(self, x: Any) -> np.ndarray:
        """Closures ẑ of microstates, ``(B, S·c)``.

        Parameters
        ----------
        x : array, list of arrays, or MicrostateBatch
            One microstate ``(N, d)``, several ``(B, N, d)``, or sets of different sizes.
        """
        closure: np.ndarray = self.parts.autoencoder.encode(as_microstates(x)).numpy()
        return closure

    def observe(self, x: Any) -> np.ndarray:
        """Observables z̄ = φ̄(X) of microstates, ``(B, o)``.

        Raises
        ------
        ModelError
            If the model does not know the function of its observable.
        MicrostateError
            If the function gives another shape, or a number that is not finite.
        """
        batch = as_microstates(x)
        names = self.parts.observable_names
        function = self._registered() if self._observable is None else as_observable(self._observable, names)
        z = function(batch)
        if z.shape[1] != len(names):
            raise ModelError(f"the observable gave {z.shape[1]} numbers; this model was trained on {list(names)}.")
        return z

    def check(self, x: Any, observables: Any = None) -> RangeCheck:
        """Say whether microstates lie in the range of the training data."""
        batch = as_microstates(x)
        z = self._macrostates(batch, observables, rotation=None)
        return self._check(batch, z)

    def predict(
        self,
        x0: Any,
        steps: int,
        *,
        samples: int = 1,
        seed: int = 0,
        observables: Any = None,
        integrator: Literal["euler", "rk4"] = "euler",
    ) -> Prediction:
        """Roll the macro dynamics out from initial microstates alone (Algorithm 2).

        Under ``euclidean`` symmetry the start is encoded in every view of :func:`setclosure.sets.coordinates.views`: a
        deterministic prediction is the mean over the views, and sample r of a stochastic one starts in view r. Its
        status is the worst of its views'; the mean includes the held states of a view that diverged.

        Parameters
        ----------
        x0 : array, list of arrays, or MicrostateBatch
            Initial microstates, as in :meth:`encode`.
        steps : int
            Frames to predict, H.
        samples : int
            Paths of the noise for each microstate, R (stochastic models).
        seed : int
            Of the noise.
        observables : array, optional
            z̄ at the start, ``(B, o)``, where the model cannot compute it.
        integrator : {"euler", "rk4"}
            As :func:`setclosure.dynamics.rollout.rollout`.
        """
        _require_whole("steps", steps, 1)
        _require_whole("samples", samples, 1)
        batch = as_microstates(x0)
        parts, n = self.parts, self.parts.dynamics.n_observables
        stochastic = parts.dynamics.is_stochastic
        if samples > 1 and not stochastic:
            raise ModelError(
                f"this model has no noise, so all of its {samples} samples would be one; leave samples at 1."
            )
        if observables is None:
            observables = self.observe(batch)  # once for all views: they share it
        group = views(self.settings.symmetry, batch.n_features)
        if stochastic:
            group = group[:samples]
        z0 = torch.stack([self._macrostates(batch, observables, g if len(group) > 1 else None) for g in group], dim=1)
        check = self._check(batch, z0[:, 0])
        if stochastic:
            z0 = z0[:, torch.arange(samples) % len(group)]
        out = rollout(
            parts.dynamics, z0.flatten(0, 1), steps, integrator=integrator, generator=torch_stream(seed, "rollout")
        )
        states = out.states.reshape(len(batch), -1, steps + 1, z0.shape[-1]).numpy().astype(np.float64)
        status = out.status.reshape(len(batch), -1).numpy()
        step = out.step.reshape(len(batch), -1).numpy()
        if not stochastic:
            status, step = _worst(status, step)
            mean = states[..., :n].mean(axis=1, keepdims=True)
            states = np.concatenate([mean, states[:, :1, :, n:]], axis=-1)  # closures stay those of the first view
        times = np.arange(steps + 1) * parts.time_step
        return Prediction(times, states[..., :n], states[..., n:], status, step, check)

    def _registered(self) -> Observable:
        if self.parts.observable == GIVEN:
            raise ModelError(
                f"this model was trained on given values of {', '.join(self.parts.observable_names)}, and cannot "
                "compute them: pass observables= of the start, or give load(path, observable=...) a function."
            )
        try:
            return get_observable(self.parts.observable)
        except Exception as error:
            raise ModelError(
                f"the observable '{self.parts.observable}' is not registered here: register it, give "
                "ClosureModel(observable=...) or load(path, observable=...) the function, or pass observables=."
            ) from error

    def _macrostates(self, batch: MicrostateBatch, observables: Any, rotation: Tensor | None) -> Tensor:
        """Macrostates z = [z̄, ẑ] of microstates, ``(B, D)``."""
        self.parts.autoencoder.check_fits(batch)
        z_bar = self.observe(batch) if observables is None else np.asarray(observables, dtype=np.float64)
        if z_bar.ndim < 2 and len(self.parts.observable_names) == 1:
            z_bar = z_bar.reshape(-1, 1)
        if z_bar.shape != (len(batch), len(self.parts.observable_names)):
            raise ModelError(
                f"observables have shape {z_bar.shape}; expected ({len(batch)}, {len(self.parts.observable_names)})."
            )
        turned = batch if rotation is None else rotated(batch, rotation)
        return torch.cat([torch.as_tensor(z_bar, dtype=torch.float32), self.parts.autoencoder.encode(turned)], dim=1)

    def _check(self, batch: MicrostateBatch, z: Tensor) -> RangeCheck:
        with torch.inference_mode():
            standard = self.parts.dynamics.standardise(z)
            return self.parts.range.check(standard, self.parts.autoencoder.encode_kl(batch))

    # ------------------------------------------------------------------ files

    def save(self, path: str | Path) -> None:
        """Write the model to a folder: weights in safetensors, the rest in a JSON manifest."""
        from setclosure.model.files import save

        save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, observable: Callable[[MicrostateBatch], Any] | None = None) -> ClosureModel:
        """Read a model; nothing in the files can run code.

        Raises
        ------
        ModelError, SchemaVersionError, DamagedFileError
            If the folder is not a model, of a newer schema, or damaged.
        """
        from setclosure.model.files import load

        return load(Path(path), observable)
