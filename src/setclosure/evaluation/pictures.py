"""The report shows two things of one trajectory: the effect of permutations, and decoded microstates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from setclosure.files import write_arrays
from setclosure.model.closure_model import ClosureModel
from setclosure.reconstruction.target_density import TargetDensity
from setclosure.seeds import torch_stream
from setclosure.trajectories.dataset import TrajectoryDataset

N_PERMUTATIONS = 3
"""So many random orders of the particles are compared."""

GRID = 96
"""The grid of densities has so many points along each axis."""

SNAPSHOTS = (0.0, 0.04, 0.12, 0.35, 1.0)
"""Microstates are shown at these shares of a trajectory."""


def permutation_test(model: ClosureModel, data: TrajectoryDataset, path: Path) -> float:
    """Predict one trajectory from random orders of its particles (Fig. 5c); return the largest deviation."""
    first = data.usable[:1]
    x0, times = data.first(first), data.times(int(first[0]))
    context = data.context(int(first[0]))[None] if data.context_names else None
    truth = data.observables(first)[0]
    given = None if model.can_observe else truth[:1]
    stream = torch_stream(0, "permutation test")
    shuffled = [x0.permuted(stream) for _ in range(N_PERMUTATIONS)]
    paths = [
        model.predict(x, times=times, context=context, observables=given, check=False).observables[0, 0]
        for x in shuffled
    ]
    predicted = np.stack(paths)
    deviation = float(np.abs(predicted - predicted[:1]).max())
    write_arrays(path, times=times, truth=truth, predicted=predicted, deviation=np.array(deviation))
    return deviation


def snapshots(model: ClosureModel, data: TrajectoryDataset, path: Path) -> None:
    """Write some frames of one trajectory with the target and the decoded density on a grid, for two features.

    The target is drawn with a bandwidth of at least the spacing of the grid, or it would fall between its points.
    """
    if data.n_features != 2 or not model.parts.describe.plain or not model.parts.autoencoder.has_density:
        return
    m = int(data.usable[0])
    frames = np.unique((np.array(SNAPSHOTS) * (data.lengths[m] - 1)).astype(int))
    batch = data.trajectory(m)[torch.from_numpy(frames)]
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
        target = TargetDensity(batch, _smoothing(model, spacing)).log_prob(
            grid[:, None].expand(-1, batch.n_species, -1, -1)
        )
    shape = (len(batch), batch.n_species, GRID, GRID)
    write_arrays(
        path,
        frames=frames,
        times=data.times(m)[frames],
        points=points.numpy(),  # NaN where a smaller set has no particle
        species=batch.weights.amax(dim=0).argmax(dim=0).numpy(),
        grid_x=axes[0].numpy(),
        grid_y=axes[1].numpy(),
        decoded=decoded.reshape(shape).numpy(),
        target=target.exp().reshape(shape).numpy(),
    )


def _smoothing(model: ClosureModel, least: float) -> Tensor:
    """Give the bandwidth of each feature ``(2,)``, or ``least`` where it is smaller."""
    return torch.as_tensor(model.settings.bandwidth).expand(2).clamp(min=least)
