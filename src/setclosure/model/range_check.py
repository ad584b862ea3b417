"""The range check compares a microstate with the training data by two numbers, each against a training quantile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

QUANTILE = 0.99
"""The quantile of a number over training data that is its limit."""


@dataclass(frozen=True)
class RangeCheck:
    """The result of :meth:`ClosureModel.check`, one entry for each microstate.

    Attributes
    ----------
    inside : array
        Whether both numbers are below their limits, ``(B,)`` boolean.
    kl, kl_limit : array, float
        KL(q_X ‖ p), ``(B,)``, which is small if the decoder knows such a set, and its 99 % quantile over training
        microstates (the larger of that over first frames and that over all). NaN for a method without a density.
    distance, distance_limit : array, float
        Distance of the standardised macrostate to the nearest training macrostate, ``(B,)``, which is small if the
        macro dynamics has seen such a state, and the 99 % quantile of that distance between training trajectories. NaN
        for a model of one training trajectory, which is not enough to say.
    notes : tuple of str
        What else lies outside, in words, for each microstate; empty for nothing.
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
        """Say in one sentence whether microstate ``b`` is inside, with both numbers and their limits.

        Examples
        --------
        >>> RangeCheck(np.array([True]), np.array([0.1]), 0.5, np.array([0.2]), 0.4).message(0)
        'inside the training range (KL 0.1, limit 0.5; distance 0.2, limit 0.4)'
        """
        where = "inside" if self.inside[b] else "OUTSIDE"
        kl = f"KL {self.kl[b]:.3g}, limit {self.kl_limit:.3g}; " if np.isfinite(self.kl_limit) else ""
        note = f"{self.notes[b]}; " if self.notes and self.notes[b] else ""
        if np.isfinite(self.distance_limit):
            distance = f"distance {self.distance[b]:.3g}, limit {self.distance_limit:.3g}"
            return f"{where} the training range ({note}{kl}{distance})"
        too_few = f"{note}{kl}distance {self.distance[b]:.3g}, for which one training trajectory gives no limit"
        if not self.inside[b]:
            return f"OUTSIDE the training range ({too_few})"
        return f"perhaps in the training range, which one training trajectory is not enough to say ({too_few})"

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
        The kept macrostates, standardised, ``(size, D)``.
    limits : Tensor
        The limits of the KL and of the distance, ``(2,)``.
    """

    reference: Tensor
    limits: Tensor

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.register_buffer("reference", torch.zeros(size, dim))
        self.register_buffer("limits", torch.full((2,), float("nan"), dtype=torch.float64))

    def fit(self, z: Tensor, trajectory: Tensor, first: Tensor, kl: list[Tensor], stream: np.random.Generator) -> None:
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
        """
        M = int(trajectory.max()) + 1
        half = max(1, M // 2)  # a limit needs distances between different trajectories, not views of the same
        kept, others = trajectory < half, trajectory >= (half if M > 1 else 0)
        size = len(self.reference) // 2
        draws = [_draw(z[part], size, stream) for part in (kept & first, kept, others & first, others)]
        self.reference.copy_(torch.cat(draws[:2]))
        distances = [self.distance(part) for part in draws[2:]] if M > 1 else []  # of itself it says nothing
        self.limits.copy_(torch.stack([_limit(kl), _limit(distances)]))

    def distance(self, z: Tensor) -> Tensor:
        """Give the distance of standardised macrostates ``(B, D)`` to the nearest kept macrostate, ``(B,)``."""
        # without matrix products, which lose the small distances to cancellation
        return torch.cdist(z, self.reference, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1).values

    def check(self, z: Tensor, kl: Tensor) -> RangeCheck:
        """Compare standardised macrostates ``(B, D)`` and their KL ``(B,)`` with the limits."""
        distance = self.distance(z)
        kl_limit, distance_limit = self.limits.tolist()
        far = distance > distance_limit  # False where there is no limit
        strange = kl > kl_limit  # False where either is NaN
        inside = ~(far | strange) & z.isfinite().all(dim=1)
        return RangeCheck(inside.numpy(), kl.numpy(), kl_limit, distance.numpy(), distance_limit)


def _draw(z: Tensor, size: int, stream: np.random.Generator) -> Tensor:
    return z[torch.from_numpy(stream.integers(len(z), size=size))]


def _limit(samples: list[Tensor]) -> Tensor:
    quantiles = [part.double().quantile(QUANTILE) for part in samples if len(part) and not bool(part.isnan().any())]
    return torch.stack(quantiles).max() if quantiles else torch.tensor(float("nan"), dtype=torch.float64)
