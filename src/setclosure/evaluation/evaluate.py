"""Evaluation of one model on one test ensemble: rollouts from X_0, the metrics of A.2, and what the report shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from setclosure.model.closure_model import ClosureModel
from setclosure.trajectories.dataset import Ensemble
from setclosure.dynamics.rollout import RolloutStatus
from setclosure.files import write_arrays
from setclosure.evaluation.metrics import effective_rank, mean_relative_error, mmd, moment_errors, scaled_to_range
from setclosure.reconstruction.target_density import TargetDensity
from setclosure.seeds import torch_stream

N_SAMPLES = 16
"""Rollouts of each start of stochastic dynamics: for the bands of the report. Metrics take the first of each."""

N_PICKS, N_PERMUTATIONS, N_SNAPSHOTS, N_CLOSURE_FRAMES, GRID = 3, 3, 5, 16, 96


def evaluate_split(model: ClosureModel, ensemble: Ensemble, path: Path, unit_range: bool = False) -> dict[str, float]:
    """Predict every trajectory from its first frame, write the curves to ``path``, return the metrics.

    Parameters
    ----------
    model : ClosureModel
        Trained.
    ensemble : Ensemble
        A test.
    path : Path
        ``.npz`` to write.
    unit_range : bool
        Whether the discrepancies of a stochastic model are taken of observables scaled to [0, 1] by their training
        range.

    Returns
    -------
    dict
        Of a deterministic model :func:`path_metrics`, of a stochastic one :func:`distribution_metrics`, each over the
        predicted frames t = 1 … T; ``diverged`` and ``outside`` as numbers of rollouts, ``warned`` as the
        number of X_0 that :meth:`ClosureModel.check` finds outside the training range; and of the closure of true
        microstates over the whole time, ``effective_rank`` and ``closure_variance`` (the mean of its columns'
        variances), which are small if it has collapsed.
    """
    usable = ensemble.usable
    truth = ensemble.observables(usable)
    x0 = ensemble.microstates(usable, np.zeros(len(usable), dtype=np.int64))
    dynamics = model.parts.dynamics
    samples = N_SAMPLES if dynamics.is_stochastic else 1
    prediction = model.predict(x0, ensemble.n_frames - 1, samples=samples)
    predicted = prediction.observables  # (M, R, T, o)
    _, errors = mean_relative_error(truth[:, 1:], predicted[:, :, 1:].mean(axis=1))
    low, high = (limit[: dynamics.n_observables].double().numpy() for limit in (dynamics.low, dynamics.high))
    if dynamics.is_stochastic:
        metrics = distribution_metrics(truth, predicted[:, 0], (low, high) if unit_range else None)
    else:
        metrics = path_metrics(truth, predicted[:, 0], low, high)
    closure = _closures(model, ensemble)
    picks = _picks(errors)
    status, step = prediction.worst()
    write_arrays(
        path,
        times=ensemble.times,
        truth=truth,
        predicted=predicted.astype(np.float32) if dynamics.is_stochastic else predicted[:, 0],
        observable_names=np.array(list(ensemble.observable_names)),
        status=status,
        status_step=step,
        error=errors,
        in_range=prediction.check.inside,
        picks=picks,
        closure_true=np.stack([model.encode(ensemble.trajectory(int(usable[i]))) for i in picks]),
        closure_predicted=prediction.closure[picks, 0],
    )
    return metrics | {
        "diverged": float((prediction.status == RolloutStatus.DIVERGED).sum()),
        "outside": float((prediction.status == RolloutStatus.OUTSIDE).sum()),
        "warned": float((~prediction.check.inside).sum()),
        "effective_rank": effective_rank(closure) if closure.shape[1] else 0.0,
        "closure_variance": float(closure.var(axis=0).mean()) if closure.shape[1] else 0.0,
    }


def path_metrics(truth: np.ndarray, predicted: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, float]:
    """Errors of single paths, for dynamics without noise.

    ``mre`` as printed in A.2 over all frames but the first, which is given; ``mre_scaled`` on observables scaled to
    [−1, 1] by their training range; ``mre_median`` over the trajectories.

    Parameters
    ----------
    truth, predicted : array
        ``(M, T, o)``.
    low, high : array
        Training range of the observables, ``(o,)``.
    """
    mre, errors = mean_relative_error(truth[:, 1:], predicted[:, 1:])
    scaled = (scaled_to_range(z[:, 1:], low, high) for z in (truth, predicted))
    return {"mre": mre, "mre_scaled": mean_relative_error(*scaled)[0], "mre_median": float(np.median(errors))}


def distribution_metrics(
    truth: np.ndarray, predicted: np.ndarray, unit_range: tuple[np.ndarray, np.ndarray] | None = None
) -> dict[str, float]:
    """Distances of distributions over trajectories, ``(M, T, o)`` and ``(M', T, o)``, over all frames but the first.

    ``mmd`` as printed in A.2 with its biased estimate, and ``mmd_unbiased``, of the observables, or with ``unit_range``
    of what is zero at the first and one at the second of its vectors ``(o,)``; and :func:`moment_errors`.
    """
    q, p = truth[:, 1:], predicted[:, 1:]
    moments = moment_errors(q, p)
    if unit_range is not None:
        q, p = ((scaled_to_range(z, *unit_range) + 1.0) / 2.0 for z in (q, p))
    return {"mmd": mmd(q, p), "mmd_unbiased": mmd(q, p, unbiased=True), **moments}


def permutation_test(model: ClosureModel, ensemble: Ensemble, path: Path) -> float:
    """Predictions of one trajectory under random orders of its particles (Fig. 5c); the largest deviation."""
    first = ensemble.usable[:1]
    x0 = ensemble.microstates(first, np.zeros(1, dtype=np.int64))
    stream = torch_stream(0, "permutation test")
    shuffled = [x0.permuted(stream) for _ in range(N_PERMUTATIONS)]
    predicted = np.stack([model.predict(x, ensemble.n_frames - 1).observables[0, 0] for x in shuffled])
    deviation = float(np.abs(predicted - predicted[:1]).max())
    truth = ensemble.observables(first)[0]
    write_arrays(path, times=ensemble.times, truth=truth, predicted=predicted, deviation=np.array(deviation))
    return deviation


def snapshots(model: ClosureModel, ensemble: Ensemble, path: Path) -> None:
    """Some frames of one trajectory with the target and the decoded density on a grid, for two features.

    The target is drawn with a bandwidth of at least the spacing of the grid, or it would fall between its points.
    """
    if ensemble.n_features != 2 or not model.parts.autoencoder.has_density:
        return
    T = ensemble.n_frames
    frames = np.unique((np.array([0.0, 0.04, 0.12, 0.35, 1.0])[:N_SNAPSHOTS] * (T - 1)).astype(int))
    batch = ensemble.trajectory(int(ensemble.usable[0]))[torch.from_numpy(frames)]
    there = batch.mask[..., None]  # (F, N, 1): the sets may be ragged
    points = torch.where(there, batch.points, torch.nan)
    low = torch.where(there, batch.points, torch.inf).amin(dim=(0, 1))
    high = torch.where(there, batch.points, -torch.inf).amax(dim=(0, 1))
    middle, reach = (low + high) / 2, (high - low).max() * 0.575  # equal scales, and a margin
    axes = [torch.linspace(float(m - reach), float(m + reach), GRID) for m in middle]
    y, x = torch.meshgrid(axes[1], axes[0], indexing="ij")
    grid = torch.stack([x, y], dim=-1).reshape(1, -1, 2).expand(len(batch), -1, -1)  # (F, G², 2)
    spacing = max(float(axis[1] - axis[0]) for axis in axes)
    with torch.inference_mode():
        decoded = model.parts.autoencoder.log_density(grid, batch).exp()
        target = TargetDensity(batch, max(model.settings.bandwidth, spacing)).log_prob(
            grid[:, None].expand(-1, batch.n_species, -1, -1)
        )
    shape = (len(batch), batch.n_species, GRID, GRID)
    write_arrays(
        path,
        frames=frames,
        times=ensemble.times[frames],
        points=points.numpy(),  # NaN where a smaller set has no particle
        species=batch.weights.amax(dim=0).argmax(dim=0).numpy(),
        grid_x=axes[0].numpy(),
        grid_y=axes[1].numpy(),
        decoded=decoded.reshape(shape).numpy(),
        target=target.exp().reshape(shape).numpy(),
    )


def _closures(model: ClosureModel, ensemble: Ensemble) -> np.ndarray:
    """Closures of some frames of every usable trajectory, from the first to the last: ``(M · frames, S·c)``."""
    frames = np.unique(np.linspace(0, ensemble.n_frames - 1, N_CLOSURE_FRAMES).round().astype(np.int64))
    parts = [model.encode(ensemble.microstates(np.full(len(frames), m), frames)) for m in ensemble.usable]
    return np.concatenate(parts).astype(np.float64)


def _picks(errors: np.ndarray) -> np.ndarray:
    """The trajectories of smallest, median and largest error: picked by a rule, not by eye."""
    order = np.argsort(errors)
    return np.unique(order[np.linspace(0, len(order) - 1, N_PICKS).round().astype(int)])
