"""Closure models encode, check, predict, and are saved and loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setclosure.errors import ModelError
from setclosure.model.composition import of_batch
from setclosure.model.context import as_numbers, read_context
from setclosure.model.facts import ModelFacts
from setclosure.model.files import ModelFile, read_model, write_model
from setclosure.model.parts import ModelParts
from setclosure.model.prediction import Prediction, worst_of
from setclosure.model.range_check import RangeCheck, outside_range
from setclosure.model.skill import Skill
from setclosure.model.specification import ModelSettings
from setclosure.observables.registered import Observable, as_observable, get_observable, require_no_padding
from setclosure.seeds import torch_stream
from setclosure.sets.microstates import MicrostateBatch, as_microstates
from setclosure.sets.symmetry import turned, views_of
from setclosure.trajectories.layout import GIVEN
from setclosure.trajectories.transitions import step_ratios

History = dict[str, list[dict[str, float]]]
"""The losses of each stage of a training, a row for each epoch."""


class ClosureModel:
    """A trained model of the closure of unordered microstates and of the macro dynamics that it closes.

    :meth:`setclosure.ClosureEstimator.fit` gives one; :meth:`load` reads one.

    Parameters
    ----------
    settings : ModelSettings
        Everything that defines the model.
    parts : ModelParts
        The trained parts.
    observable : callable, optional
        The function φ̄ from microstates to ``(B, o)``; by default that which is registered under the name of the
        observable.
    history : dict, optional
        The losses of each stage of the training, a row for each epoch.
    seconds : dict, optional
        The seconds that each step of the training took.

    Examples
    --------
    >>> import numpy as np, setclosure
    >>> data = setclosure.TrajectoryDataset.open("data/train.zarr")       # doctest: +SKIP
    >>> estimator = setclosure.ClosureEstimator(closure_dim=8)            # doctest: +SKIP
    >>> estimator.fit(data).save("model")                                 # doctest: +SKIP
    >>> x0 = np.random.normal(size=(300, 2))
    >>> model = setclosure.ClosureModel.load("model")                     # doctest: +SKIP
    >>> model.check(x0).message(0), model.predict(x0, steps=300).observables.shape  # doctest: +SKIP
    """

    def __init__(
        self,
        settings: ModelSettings,
        parts: ModelParts,
        *,
        observable: Callable[[MicrostateBatch], Any] | None = None,
        history: History | None = None,
        seconds: dict[str, float] | None = None,
        skill: Skill | None = None,
    ) -> None:
        self.settings, self.parts = settings, parts.eval().requires_grad_(False)
        self.history, self.seconds = history or {}, seconds or {}
        self.skill = skill
        """The errors in validation, beside those of naive predictions; None where the model was not judged."""
        self._observable, self._padding_tried = observable, False

    def __repr__(self) -> str:
        facts = self.facts
        context = f", given {', '.join(facts.context_names)}" if facts.context_names else ""
        unit = f" {facts.time_unit}" if facts.time_unit else ""
        species = "" if facts.species_names == ("particles",) else f" of {', '.join(facts.species_names)}"
        return (
            f"ClosureModel of {facts.system}: method '{self.settings.method}', "
            f"{self.parts.autoencoder.closure_dim} numbers of closure\n"
            f"  predicts {', '.join(facts.observable_names)}{context}, every {facts.time_step:g}{unit}, "
            f"{'with' if self.parts.dynamics.stochastic else 'without'} noise\n"
            f"  reads particles{species} with features "
            f"{', '.join(facts.kind.features.names)}{self._described}"
            + ("" if self.skill is None else f"\n  skill {self.skill.value:.2f} in validation")
        )

    @property
    def _described(self) -> str:
        parts = self.parts.describe
        return "" if parts.plain else f", described by {', '.join(part.part_name for part in parts.parts)}"

    @property
    def facts(self) -> ModelFacts:
        """Names, units and sizes of the training data."""
        return self.parts.facts

    # ── use ───────────────────────────────────────────────────────────────────────────────────────────────────

    def encode(self, x: Any) -> np.ndarray:
        """Give the closures ẑ of microstates, ``(B, S·c)`` float32.

        Parameters
        ----------
        x : array, list of arrays, or MicrostateBatch
            One microstate ``(N, d)``, several ``(B, N, d)``, or sets of different sizes.

        Raises
        ------
        MicrostateError
            If a coordinate is NaN or infinite, or the shapes do not fit together.
        ModelError
            If features or species are not those of the model.
        """
        closure: np.ndarray = self.parts.autoencoder.encode(self.parts.describe(self._microstates(x))).numpy()
        return closure

    def observe(self, x: Any) -> np.ndarray:
        """Give the observables z̄ = φ̄(X) of microstates, ``(B, o)`` float64, in the units of the data.

        Parameters
        ----------
        x : array, list of arrays, or MicrostateBatch
            Microstates, as in :meth:`encode`.

        Raises
        ------
        ModelError
            If the model does not know the function of its observable.
        MicrostateError
            If the function gives another shape, or a number that is not finite.
        """
        batch, names = self._microstates(x), self.facts.observable_names
        function = self._registered() if self._observable is None else as_observable(self._observable, names)
        z = function(batch)
        if not self._padding_tried:
            require_no_padding(function, batch)
            self._padding_tried = True
        if z.shape[1] != len(names):
            raise ModelError(f"the observable gave {z.shape[1]} numbers; this model was trained on {list(names)}.")
        return z

    @property
    def can_observe(self) -> bool:
        """Whether the function of the observable is known here."""
        if self._observable is not None:
            return True
        try:
            self._registered()
        except ModelError:
            return False
        return True

    def check(self, x: Any, observables: Any = None, context: Any = None) -> RangeCheck:
        """Compare microstates with the range of the training data.

        Every observable and every number of the context is compared with its own range in training, the closure and the
        decoder's score with a training quantile, and the composition where the model knows it.

        Parameters
        ----------
        x : array, list of arrays, or MicrostateBatch
            Microstates, as in :meth:`encode`.
        observables : array, optional
            z̄ of the microstates, ``(B, o)``, where the model cannot compute it.
        context : optional
            The context at the start, as in :meth:`predict`; by default it is not compared.

        Returns
        -------
        RangeCheck
            Whether each microstate is inside, with what is outside in words.

        Raises
        ------
        ModelError
            If features, species or observables do not fit the model.
        """
        batch = self._microstates(x)
        described = self.parts.describe(batch)
        known = None if context is None else self._context(context, batch, 1)[:, 0]
        return self._check(batch, described, self._macrostates(batch, described, observables), known)

    def predict(
        self,
        x0: Any,
        steps: int | None = None,
        *,
        times: Any = None,
        context: Any = None,
        samples: int = 1,
        seed: int = 0,
        observables: Any = None,
        check: bool = True,
    ) -> Prediction:
        """Roll the macro dynamics out from initial microstates alone (Algorithm 2).

        Under a symmetry with rotations the start is encoded in some views of :func:`setclosure.sets.symmetry.views`,
        8 at most by default. A deterministic prediction is the mean over the views, and sample r of a stochastic one
        starts in view r. The status of a mean is the worst of its views; the mean includes the held
        states of a view that diverged.

        Parameters
        ----------
        x0 : array, list of arrays, or MicrostateBatch
            Initial microstates, as in :meth:`encode`.
        steps : int, optional
            Frames to predict, H, each a time step of the training data after the last.
        times : array, optional
            Times of the frames instead of their number, ``(H + 1,)``, rising; the first is that of the start.
        context : optional
            The numbers that are known from outside, where the model was trained with them: a dictionary with, for each
            name, a number for all frames, a schedule ``(H + 1,)`` for all starts, or ``(B, 1)`` or ``(B, H + 1)`` for
            each; or an array ``(p,)``, ``(H + 1, p)``, ``(B, 1, p)`` or ``(B, H + 1, p)``.
        samples : int
            Paths with independent noise for each microstate, R; one for a model without noise.
        seed : int
            The seed of the noise.
        observables : array, optional
            z̄ at the start, ``(B, o)``, where the model cannot compute it.
        check : bool
            Whether to compare the starts with the training range.

        Returns
        -------
        Prediction
            Observables and closures at the frames, with the status of each path.

        Raises
        ------
        ModelError
            If an argument does not fit the model.
        MicrostateError
            If a coordinate is NaN or infinite, or the shapes do not fit together.
        """
        dt, elapsed = self._frames(steps, times)
        _require_whole("samples", samples, 1)
        _require_whole("seed", seed, 0)
        batch = self._microstates(x0)
        parts, n = self.parts, self.parts.dynamics.n_observables
        stochastic = parts.dynamics.stochastic
        if samples > 1 and not stochastic:
            raise ModelError(
                f"this model has no noise, so all of its {samples} samples would be equal; leave samples at 1."
            )
        known = self._context(context, batch, len(dt) + 1)
        if observables is None:
            observables = self.observe(batch)  # once for all views, which share it
        symmetry = parts.autoencoder.coordinates.symmetry
        described = parts.describe(batch)
        group = views_of(symmetry, described, self.settings.views)
        if stochastic:
            group = group[:samples]
        views = [described] if len(group) < 2 else [turned(described, matrices) for matrices in group]
        z0 = torch.stack([self._macrostates(batch, view, observables) for view in views], dim=1)
        found = self._check(batch, described, z0[:, 0], known[:, 0]) if check else None
        if stochastic:
            z0 = z0[:, torch.arange(samples) % len(group)]
        paths = known.repeat_interleave(z0.shape[1], dim=0)
        out = parts.dynamics.simulate(
            parts.dynamics.start(z0.flatten(0, 1)[:, None], paths[:, :1]),
            paths,
            dt,
            generator=torch_stream(seed, "rollout"),
        )
        states = out.states.reshape(len(batch), -1, len(dt) + 1, z0.shape[-1]).numpy().astype(np.float64)
        status = out.status.reshape(len(batch), -1).numpy()
        step = out.step.reshape(len(batch), -1).numpy()
        if not stochastic:
            status, step = worst_of(status, step)
            mean = states[..., :n].mean(axis=1, keepdims=True)
            states = np.concatenate([mean, states[:, :1, :, n:]], axis=-1)  # closures stay those of the first view
        facts, behind = self.facts, n + parts.autoencoder.closure_dim
        return Prediction(
            elapsed,
            facts.observable_map.inverse(states[..., :n]),
            states[..., n:behind],
            status,
            step,
            found,
            facts.observable_names,
            facts.observable_units,
            facts.time_unit,
            states[..., behind:] if states.shape[-1] > behind else None,
            () if facts.composition is None else tuple(facts.composition.names[k] for k in facts.composition.columns),
        )

    # ── files ─────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, path: str | Path) -> None:
        """Write the model to a folder, its weights in safetensors and the rest in JSON.

        Raises
        ------
        StorageError
            If the folder may not be written or the disk is full.
        """
        write_model(
            Path(path),
            ModelFile(self.settings, self.facts, self.parts.state_dict(), self.history, self.seconds, self.skill),
        )

    @classmethod
    def load(cls, path: str | Path, observable: Callable[[MicrostateBatch], Any] | None = None) -> ClosureModel:
        """Read a model from a folder; nothing in the files can run code.

        Parameters
        ----------
        path : path
            The folder, as :meth:`save` wrote it.
        observable : callable, optional
            The function φ̄, if none is registered under the name of the observable.

        Raises
        ------
        ModelError, SchemaVersionError, DamagedFileError
            If the folder holds no model, a model of another schema, or a damaged one.
        """
        stored, parts = read_model(Path(path))
        return cls(
            stored.settings,
            parts,
            observable=observable,
            history=stored.history,
            seconds=stored.seconds,
            skill=stored.skill,
        )

    # ── within ────────────────────────────────────────────────────────────────────────────────────────────────

    def _microstates(self, x: Any) -> MicrostateBatch:
        """Read microstates; those without roles of their own have the features of the training data."""
        batch = as_microstates(x)
        self.parts.describe.check_fits(batch)
        features = self.facts.kind.features
        return batch if batch.roles == features else replace(batch, features=features, cell=batch.cell)

    def _frames(self, steps: int | None, times: Any) -> tuple[Tensor, np.ndarray]:
        """Give the times between frames in time steps ``(H,)``, and the times from the start ``(H + 1,)``."""
        step = self.facts.time_step
        if (steps is None) == (times is None):
            raise ModelError(
                "give either steps, the number of frames to predict, or the times of the frames; expected one of them."
            )
        if times is None:
            _require_whole("steps", steps, 1)
            return torch.ones(int(steps or 1)), np.arange(int(steps or 1) + 1) * step
        given = as_numbers(times, "times")
        if given.ndim != 1 or len(given) < 2 or not np.isfinite(given).all() or (np.diff(given) <= 0).any():
            raise ModelError(
                f"times have shape {given.shape}; expected (H + 1,) finite numbers that rise, the first for the start."
            )
        return torch.as_tensor(step_ratios(given, step), dtype=torch.float32), given - given[0]

    def _registered(self) -> Observable:
        facts = self.facts
        if facts.observable == GIVEN:
            raise ModelError(
                f"this model was trained on given values of {', '.join(facts.observable_names)}, and cannot "
                "compute them: pass observables= of the start, or give load(path, observable=...) a function."
            )
        try:
            return get_observable(facts.observable)
        except Exception as error:
            raise ModelError(
                f"the observable '{facts.observable}' is not registered here: register it (--plugin FILE on the "
                "command line), give ClosureModel.load(path, observable=...) the function, or pass observables=."
            ) from error

    def _macrostates(self, batch: MicrostateBatch, described: MicrostateBatch, observables: Any) -> Tensor:
        """Give the macrostates z = [z̄, ẑ] of microstates and their description, ``(B, D)``."""
        o = len(self.facts.observable_names)
        z_bar = self.observe(batch) if observables is None else as_numbers(observables, "observables")
        if z_bar.ndim < 2 and o == 1:
            z_bar = z_bar.reshape(-1, 1)
        if z_bar.shape != (len(batch), o):
            raise ModelError(f"observables have shape {z_bar.shape}; expected ({len(batch)}, {o}).")
        self.facts.observable_map.require_inside(z_bar, "microstate ")
        seen = torch.as_tensor(self.facts.observable_map.forward(z_bar), dtype=torch.float32)
        parts = [seen, self.parts.autoencoder.encode(described)]
        if self.facts.composition is not None:
            numbers = of_batch(batch)[:, self.facts.composition.columns]
            parts.append(torch.as_tensor(numbers, dtype=torch.float32))
        return torch.cat(parts, dim=1)

    def _context(self, given: Any, batch: MicrostateBatch, T: int) -> Tensor:
        """Give the context of T frames ``(B, T, p)``, with the composition at the start behind the user's."""
        known = read_context(given, self.facts.context_names, len(batch), T)
        if self.facts.composition is None:
            return known
        numbers = torch.as_tensor(of_batch(batch), dtype=torch.float32)
        return torch.cat([known, numbers[:, None].expand(-1, T, -1)], dim=-1)

    def _check(
        self, batch: MicrostateBatch, described: MicrostateBatch, z: Tensor, context: Tensor | None
    ) -> RangeCheck:
        facts, dynamics = self.facts, self.parts.dynamics
        with torch.inference_mode():
            found = self.parts.range.check(dynamics.standardise(z), self.parts.autoencoder.score(described))
        o, p, seen = len(facts.observable_names), len(facts.context_names), facts.observable_map
        values, low, high = (seen.inverse(of[..., :o].double().numpy()) for of in (z, dynamics.low, dynamics.high))
        notes = [outside_range(facts.observable_names, values, low, high)]
        if context is not None and p:
            given, low, high = (
                of[..., :p].double().numpy() for of in (context, dynamics.context_low, dynamics.context_high)
            )
            notes.append(outside_range(facts.context_names, given, low, high))
        if facts.composition is not None:
            notes.append(facts.composition.outside(of_batch(batch)))
        return found.noted(["; ".join(filter(None, of_one)) for of_one in zip(*notes, strict=True)])


def _require_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int | np.integer) or value < least:
        raise ModelError(f"{name} is a whole number of at least {least}; got {value!r}.")
