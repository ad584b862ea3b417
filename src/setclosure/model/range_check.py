"""The range check compares a start with the training data: every observable and context, the closure, the decoder.

Observables, context and composition are compared one by one with their training range. The decoder's score and the
distance of the macrostate have a training quantile as their limit. In the distance a column counts as much as it stays
from frame to frame, so that columns of noise do not drown the one that is out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Array = np.ndarray[Any, Any]

QUANTILE = 0.99
"""The quantile of a number over training data that is its limit."""

MARGIN = 0.05
"""A number is outside the training range if it is out by more than this share of the range's width."""


@dataclass(frozen=True)
class RangeCheck:
    """The result of :meth:`ClosureModel.check`, one entry for each microstate.

    Attributes
    ----------
    inside : array
        Whether nothing is outside, ``(B,)`` boolean.
    kl, kl_limit : array, float
        KL(q_X ‖ p), ``(B,)``, which is small if the decoder knows such a set, and its 99 % quantile over training
        microstates (the larger of that over first frames and that over all). NaN for a method without a density.
    distance, distance_limit : array, float
        Distance of the standardised macrostate to the nearest training macrostate, ``(B,)``, in which a column weighs
        as much as it stays from frame to frame. It is small if the macro dynamics has seen such a state, and its limit
        is the 99 % quantile of that distance between training trajectories. NaN for a model of one training trajectory,
        which is not enough to say.
    notes : tuple of str
        What else lies outside, in words, for each microstate: observables, context, composition. Empty for nothing.
    """

    inside: np.ndarray
    kl: np.ndarray
    kl_limit: float
    distance: np.ndarray
    distance_limit: float
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inside)

    def message(self, b: int) -> str:
        """Say in one sentence whether microstate ``b`` is inside, and if it is not, by what.

        Examples
        --------
        >>> RangeCheck(np.array([True]), np.array([0.1]), 0.5, np.array([0.2]), 0.4).message(0)
        'inside the training range (KL 0.1, limit 0.5; distance 0.2, limit 0.4)'
        >>> notes = ("T 9, in training 1 to 2",)
        >>> RangeCheck(np.array([False]), np.array([0.1]), 0.5, np.array([0.6]), 0.4, notes).message(0)
        'OUTSIDE the training range: T 9, in training 1 to 2; distance 0.6, limit 0.4 (KL 0.1, limit 0.5)'
        """
        outside: list[str] = [self.notes[b]] if self.notes and self.notes[b] else []
        within: list[str] = []
        for name, value, limit in (
            ("KL", self.kl[b], self.kl_limit),
            ("distance", self.distance[b], self.distance_limit),
        ):
            if np.isfinite(limit):
                (within if value <= limit else outside).append(f"{name} {value:.3g}, limit {limit:.3g}")
        if not np.isfinite(self.distance_limit):
            within.append(f"distance {self.distance[b]:.3g}, for which one training trajectory gives no limit")
        rest = f" ({'; '.join(within)})" if within else ""
        if not self.inside[b]:
            return f"OUTSIDE the training range{': ' if outside else ''}{'; '.join(outside)}{rest}"
        if not np.isfinite(self.distance_limit):
            return f"perhaps in the training range, which one training trajectory is not enough to say{rest}"
        return f"inside the training range{rest}"

    def noted(self, notes: Sequence[str]) -> RangeCheck:
        """Give the check with further reasons to be outside, in words, for each microstate; empty for none."""
        return replace(self, inside=self.inside & np.array([not note for note in notes]), notes=tuple(notes))


class TrainingRange(nn.Module):
    """The part of the training data that a :class:`RangeCheck` needs, which is saved with the model.

    Parameters
    ----------
    dim : int
        Numbers of a macrostate, D.
    size : int
        Training macrostates that are kept.

    Attributes
    ----------
    reference : Tensor
        The kept macrostates, standardised and weighed, ``(size, D)``.
    weights : Tensor
        The weight of each column in a distance, ``(D,)``.
    limits : Tensor
        The limits of the KL and of the distance, ``(2,)``.
    """

    reference: Tensor
    weights: Tensor
    limits: Tensor

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.register_buffer("reference", torch.zeros(size, dim))
        self.register_buffer("weights", torch.ones(dim))
        self.register_buffer("limits", torch.full((2,), float("nan"), dtype=torch.float64))

    def fit(
        self,
        z: Tensor,
        trajectory: Tensor,
        first: Tensor,
        kl: list[Tensor],
        stream: np.random.Generator,
        persistence: Tensor | None = None,
    ) -> None:
        """Keep some training macrostates, and take the limits from other training trajectories.

        Initial states differ more than later ones, which relax to the same. So half of those kept are first frames,
        and a limit is the larger of the quantile over first frames and that over all frames.

        Parameters
        ----------
        z : Tensor
            Standardised training macrostates in a row, ``(F, D)``.
        trajectory : Tensor
            The trajectory of each macrostate, ``(F,)``, from zero; several views of one trajectory share its number.
        first : Tensor
            Whether each macrostate is that of a first frame, ``(F,)`` boolean.
        kl : list of Tensor
            Scores of training microstates in first frames, and in all frames; NaN or empty for a method without one.
        stream : numpy.random.Generator
            Source of the choice of macrostates.
        persistence : Tensor, optional
            How much of each column's variance stays from one frame to the next, ``(D,)``; all of it by default.
        """
        if persistence is not None and bool((persistence > 0).any()):  # else all columns are noise alike
            self.weights.copy_((persistence / persistence.max()).sqrt())
        M = int(trajectory.max()) + 1
        half = max(1, M // 2)  # a limit needs distances between different trajectories, not views of the same
        kept, others = trajectory < half, trajectory >= (half if M > 1 else 0)
        size = len(self.reference) // 2
        draws = [_draw(z[part], size, stream) for part in (kept & first, kept, others & first, others)]
        self.reference.copy_(torch.cat(draws[:2]) * self.weights)
        distances = [self.distance(part) for part in draws[2:]] if M > 1 else []  # of itself it says nothing
        self.limits.copy_(torch.stack([_limit(kl), _limit(distances)]))

    def distance(self, z: Tensor) -> Tensor:
        """Give the distance of standardised macrostates ``(B, D)`` to the nearest kept macrostate, ``(B,)``."""
        # without matrix products, which lose the small distances to cancellation
        return (
            torch.cdist(z * self.weights, self.reference, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1).values
        )

    def check(self, z: Tensor, kl: Tensor) -> RangeCheck:
        """Compare standardised macrostates ``(B, D)`` and their KL ``(B,)`` with the limits."""
        distance = self.distance(z)
        kl_limit, distance_limit = self.limits.tolist()
        far = distance > distance_limit  # False where there is no limit
        strange = kl > kl_limit  # False where either is NaN
        inside = ~(far | strange) & z.isfinite().all(dim=1)
        return RangeCheck(inside.numpy(), kl.numpy(), kl_limit, distance.numpy(), distance_limit)


def outside_range(names: Sequence[str], values: Array, low: Array, high: Array) -> list[str]:
    """Say for each row of ``values (B, n)`` which number lies outside its training range; empty where none does.

    Examples
    --------
    >>> outside_range(["E"], np.array([[0.5], [2.0]]), np.array([0.0]), np.array([1.0]))
    ['', 'E 2 is above the training range 0 … 1']
    """
    reach = np.maximum(MARGIN * (high - low), 1e-6 * np.maximum(np.abs(low), np.abs(high)))
    found = []
    for row in values:
        below, above = row < low - reach, row > high + reach
        found.append(
            "; ".join(
                f"{names[k]} {row[k]:.4g} is {'below' if below[k] else 'above'} the training range "
                f"{low[k]:.4g} … {high[k]:.4g}"
                for k in map(int, np.flatnonzero(below | above))
            )
        )
    return found


def _draw(z: Tensor, size: int, stream: np.random.Generator) -> Tensor:
    return z[torch.from_numpy(stream.integers(len(z), size=size))]


def _limit(samples: list[Tensor]) -> Tensor:
    quantiles = [part.double().quantile(QUANTILE) for part in samples if len(part) and not bool(part.isnan().any())]
    return torch.stack(quantiles).max() if quantiles else torch.tensor(float("nan"), dtype=torch.float64)
