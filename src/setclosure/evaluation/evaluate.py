"""One model is evaluated on one test: rollouts from X_0, metrics, and the naive predictions beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from setclosure.dynamics.rollout import RolloutStatus
from setclosure.errors import DatasetError
from setclosure.evaluation.metrics import effective_rank
from setclosure.evaluation.naive import NAIVE, NaivePredictions
from setclosure.evaluation.scores import (
    Range,
    common_frames,
    distribution_metrics,
    path_metrics,
    relative_errors,
    squared_error,
)
from setclosure.files import write_arrays
from setclosure.model.closure_model import ClosureModel
from setclosure.trajectories.dataset import TrajectoryDataset
from setclosure.trajectories.layout import Array

N_SAMPLES = 16
"""Stochastic dynamics gives so many rollouts of each start, for bands and means; metrics of A.2 take the first."""

N_PICKS = 3
"""So many test trajectories are shown in detail."""

N_CLOSURE_FRAMES = 16
"""The rank of the closure is measured at so many frames of each trajectory."""

Metrics = dict[str, float]


@dataclass(frozen=True)
class Rollouts:
    """The predictions of all usable trajectories of a test, each over its own frames.

    Attributes
    ----------
    indices : array
        The trajectories, ``(M,)``.
    times, truth, context : list of array
        ``(T_m,)``, ``(T_m, o)`` and ``(T_m, p)``.
    predicted, closure : list of array
        ``(R, T_m, o)`` and ``(R, T_m, S·c)``.
    status, step : array
        Of the worst path of each start, ``(M,)``.
    paths : array
        Status of every path, ``(M, R)``.
    inside : array
        Whether each start lies in the training range, ``(M,)``.
    """

    indices: Array
    times: list[Array]
    truth: list[Array]
    context: list[Array]
    predicted: list[Array]
    closure: list[Array]
    status: Array
    step: Array
    paths: Array
    inside: Array

    @property
    def mean(self) -> list[Array]:
        """The mean of the samples of each trajectory, ``(T_m, o)``."""
        return [p.mean(axis=0) for p in self.predicted]


def roll_out(
    model: ClosureModel,
    data: TrajectoryDataset,
    samples: int | None = None,
    *,
    trajectories: Array | None = None,
    known_start: bool = False,
    check: bool = True,
) -> Rollouts:
    """Predict trajectories from their first frames, each over its own times and with its own context.

    Parameters
    ----------
    model : ClosureModel
        Trained.
    data : TrajectoryDataset
        A test.
    samples : int, optional
        Paths of each start; :data:`N_SAMPLES` for a stochastic model by default, else one.
    trajectories : array, optional
        The trajectories; all usable ones by default.
    known_start : bool
        Whether the observables of the first frames are those of the data, also where the model could compute them.
    check : bool
        Whether the starts are compared with the training range.
    """
    usable = data.usable if trajectories is None else trajectories
    times = [data.times(int(i)) for i in usable]
    truth, context = data.observables(usable), [data.context(int(i)) for i in usable]
    R = (samples or N_SAMPLES) if model.parts.dynamics.stochastic else 1
    M = len(usable)
    predicted: list[Array] = [np.empty(0)] * M
    closure: list[Array] = [np.empty(0)] * M
    status, step = np.zeros(M, dtype=np.int64), np.zeros(M, dtype=np.int64)
    paths, inside = np.zeros((M, R), dtype=np.int64), np.zeros(M, dtype=bool)
    groups: dict[bytes, list[int]] = {}  # trajectories of the same times are predicted together
    for m, t in enumerate(times):
        groups.setdefault(np.round((t - t[0]) / data.time_step, 4).tobytes(), []).append(m)
    for members in groups.values():
        given = model.predict(
            data.first(usable[members]),
            times=times[members[0]],
            context=np.stack([context[m] for m in members]) if data.context_names else None,
            samples=R,
            observables=None if model.can_observe and not known_start else np.stack([truth[m][0] for m in members]),
            check=check,
        )
        worst = given.worst()
        for k, m in enumerate(members):
            predicted[m], closure[m] = given.observables[k], given.closure[k]
            status[m], step[m], paths[m] = worst[0][k], worst[1][k], given.status[k]
            inside[m] = given.check is None or given.check.inside[k]
    return Rollouts(usable, times, truth, context, predicted, closure, status, step, paths, inside)


def evaluate(
    model: ClosureModel,
    data: TrajectoryDataset,
    naive: NaivePredictions,
    path: Path,
    unit_range: bool = False,
) -> tuple[Metrics, dict[str, Metrics]]:
    """Predict every trajectory of a test, write the curves to ``path``, and return the metrics.

    Parameters
    ----------
    model : ClosureModel
        Trained.
    data : TrajectoryDataset
        A test.
    naive : NaivePredictions
        Fitted to the training data of the model.
    path : Path
        ``.npz`` to write.
    unit_range : bool
        Whether the discrepancies of a stochastic model are taken of observables scaled to [0, 1] by their training
        range.

    Returns
    -------
    metrics : dict
        Of a deterministic model :func:`path_metrics`, of a stochastic one :func:`distribution_metrics`, each over the
        predicted frames; ``rmse`` and ``skill`` of the mean prediction; ``diverged`` and ``outside`` as numbers of
        rollouts; ``warned`` as the number of X_0 that :meth:`ClosureModel.check` finds outside the training range; and
        of the closure of true microstates, ``effective_rank`` and ``closure_variance`` (the mean of its columns'
        variances), which are small if it has collapsed.
    of_naive : dict
        For each naive prediction the metrics that it has.
    """
    rollouts = roll_out(model, data)
    dynamics = model.parts.dynamics
    seen = model.facts.observable_map
    training: Range = (seen.inverse(_observed(model, dynamics.low)), seen.inverse(_observed(model, dynamics.high)))
    scale = error_scale(model)
    errors = relative_errors([z[1:] for z in rollouts.truth], [z[1:] for z in rollouts.mean])
    simple: dict[str, list[Array]] = {name: [] for name in NAIVE}
    for times, truth, context in zip(rollouts.times, rollouts.truth, rollouts.context, strict=True):
        for name, predicted in naive.predict(times, truth[0], context[0]).items():
            simple[name].append(predicted)
    squared = {name: squared_error(rollouts.truth, paths, scale) for name, paths in simple.items()}
    first = [p[0] for p in rollouts.predicted]
    shown = {"the model": first, **simple}
    scores = {
        name: _scores(rollouts, paths, training, dynamics.stochastic, unit_range) for name, paths in shown.items()
    }
    of_naive = {
        name: scores[name] | {"rmse": squared[name] ** 0.5, "skill": _skill(squared[name], squared)} for name in NAIVE
    }
    mse = squared_error(rollouts.truth, rollouts.mean, scale)
    closure = _closures(model, data)
    metrics = scores["the model"] | {
        "rmse": mse**0.5,
        "skill": _skill(mse, squared),
        "diverged": float((rollouts.paths == RolloutStatus.DIVERGED).sum()),
        "outside": float((rollouts.paths == RolloutStatus.OUTSIDE).sum()),
        "warned": float((~rollouts.inside).sum()),
        "effective_rank": effective_rank(closure) if closure.shape[1] else 0.0,
        "closure_variance": float(closure.var(axis=0).mean()) if closure.shape[1] else 0.0,
    }
    _write(path, model, data, rollouts, errors)
    return metrics, of_naive


def _scores(rollouts: Rollouts, paths: list[Array], training: Range, stochastic: bool, unit_range: bool) -> Metrics:
    """Give the metrics of A.2: of paths for a deterministic model, of distributions for a stochastic one."""
    if not stochastic:
        return path_metrics(rollouts.truth, paths, training)
    in_units = training if unit_range and np.all(training[0] < training[1]) else None
    try:
        truth = common_frames(rollouts.times, rollouts.truth)
        return distribution_metrics(truth, common_frames(rollouts.times, paths), in_units)
    except DatasetError:  # a single trajectory, or other times in each: there is no distribution at a time
        return {}


def _skill(mse: float, of_naive: dict[str, float]) -> float:
    """Give 1 − MSE / MSE of the best naive prediction; a perfect naive one leaves zero or minus one."""
    best = min(of_naive.values())
    return 1.0 - mse / best if best > 0 else (0.0 if mse == 0 else -1.0)


def _observed(model: ClosureModel, buffer: object) -> Array:
    n = model.parts.dynamics.n_observables
    return np.asarray(buffer[:n].double().numpy())  # type: ignore[index]


def error_scale(model: ClosureModel) -> Array:
    """Give the units of errors, ``(o,)``: one for a single observable, of several their training deviations."""
    if len(model.facts.observable_names) == 1:
        return np.ones(1)
    seen, scale = model.facts.observable_map, _observed(model, model.parts.dynamics.scale)
    return np.array([s if f == "none" else sd for s, f, sd in zip(scale, seen.transforms, seen.spreads, strict=True)])


def _closures(model: ClosureModel, data: TrajectoryDataset) -> Array:
    """Encode some frames of every usable trajectory, from the first to the last: ``(M · frames, S·c)``."""
    parts = []
    for m in data.usable:
        frames = np.unique(np.linspace(0, data.lengths[m] - 1, N_CLOSURE_FRAMES).round().astype(np.int64))
        parts.append(model.encode(data.microstates(np.full(len(frames), m), frames)))
    return np.concatenate(parts).astype(np.float64)


def _write(path: Path, model: ClosureModel, data: TrajectoryDataset, rollouts: Rollouts, errors: Array) -> None:
    """Write the curves of a test; behind the end of a trajectory its last values are repeated."""
    T = max(len(t) for t in rollouts.times)
    ranked = np.where(np.isfinite(errors), errors, 0.0)
    picks = picked(ranked)
    closures = [model.encode(data.trajectory(int(rollouts.indices[i]))) for i in picks]
    arrays = {
        "lengths": np.array([len(t) for t in rollouts.times]),
        "times": _padded(rollouts.times, T),
        "truth": _padded(rollouts.truth, T),
        "predicted": _padded([p.swapaxes(0, 1) for p in rollouts.predicted], T).swapaxes(1, 2),  # (M, R, T, o)
        "observable_names": np.array(list(data.observable_names)),
        "status": rollouts.status,
        "status_step": rollouts.step,
        "error": ranked,
        "in_range": rollouts.inside,
        "picks": picks,
        "closure_true": _padded(closures, T),
        "closure_predicted": _padded([rollouts.closure[i][0] for i in picks], T),
    }
    if not model.parts.dynamics.stochastic:
        arrays["predicted"] = arrays["predicted"][:, 0]
    else:
        arrays["predicted"] = arrays["predicted"].astype(np.float32)
    if data.context_names:
        arrays["context"] = np.stack([u[0] for u in rollouts.context])
        arrays["context_names"] = np.array(list(data.context_names))
    write_arrays(path, **arrays)


def picked(errors: Array) -> Array:
    """Give the trajectories of smallest, median and largest error: picked by a rule, not by eye."""
    order = np.argsort(errors)
    return np.unique(order[np.linspace(0, len(order) - 1, N_PICKS).round().astype(int)])


def _padded(rows: list[Array], T: int) -> Array:
    """Stack rows ``(T_m, …)``, the last value of each repeated to ``T`` rows."""
    return np.stack([np.concatenate([row, np.repeat(row[-1:], T - len(row), axis=0)]) for row in rows])
