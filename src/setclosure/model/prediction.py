"""A prediction is a rollout from first microstates, with the status of each path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from setclosure.dynamics.rollout import RolloutStatus
from setclosure.model.range_check import RangeCheck

_SEVERITY = {int(RolloutStatus.OK): 0, int(RolloutStatus.OUTSIDE): 1, int(RolloutStatus.DIVERGED): 2}


@dataclass(frozen=True)
class Prediction:
    """The paths that a model predicts from first microstates X_0 alone.

    Attributes
    ----------
    times : array
        Times since the start, ``(H + 1,)``, in the unit of time of the data.
    observables : array
        Observables z̄, ``(B, R, H + 1, o)``, with R samples of the noise, one for a model without noise.
    closure : array
        Closures ẑ, ``(B, R, H + 1, S·c)``.
    status : array
        :class:`~setclosure.RolloutStatus` of each path, ``(B, R)``.
    step : array
        Frame at which a path diverged or else first left the training range, ``(B, R)``; −1 if it did neither.
    check : RangeCheck or None
        The comparison of X_0 with the training range; None if it was not asked for.
    observable_names, observable_units : tuple of str
        Names and units of the o observables.
    time_unit : str
        Unit of the times.
    composition : array or None
        The numbers of the composition that change, ``(B, R, H + 1, K)``; None if the model predicts none.
    composition_names : tuple of str
        Their names.
    """

    times: np.ndarray
    observables: np.ndarray
    closure: np.ndarray
    status: np.ndarray
    step: np.ndarray
    check: RangeCheck | None
    observable_names: tuple[str, ...] = ()
    observable_units: tuple[str, ...] = ()
    time_unit: str = ""
    composition: np.ndarray | None = None
    composition_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.status)

    def __repr__(self) -> str:
        B, R, T, _ = self.observables.shape
        samples = f", {R} samples each" if R > 1 else ""
        worst, _ = self.worst()
        counted = (RolloutStatus.OK, RolloutStatus.OUTSIDE, RolloutStatus.DIVERGED)
        ok, outside, lost = (int((worst == status).sum()) for status in counted)
        unit = f" {self.time_unit}" if self.time_unit else ""
        lines = [
            f"Prediction of {', '.join(self.observable_names) or 'observables'} from {B} starts{samples}: "
            f"{T - 1} frames, to time {self.times[-1]:g}{unit}",
            f"  {ok} ok, {outside} outside the training range, {lost} diverged",
        ]
        if self.check is not None:
            lines.append(f"  {int((~self.check.inside).sum())} of the starts are outside the training range")
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write the prediction to a file, in the form that its ending says.

        ``.npz`` has arrays as they are here. ``.csv`` and ``.parquet`` have a row for each start, sample and frame.
        ``.nc`` is NetCDF, whose dimensions are start, sample and frame. Parquet and NetCDF need ``setclosure[io]``.

        Raises
        ------
        ConfigurationError
            If the ending is another.
        MissingExtraError
            If the packages for that form are not installed.
        StorageError
            If the folder may not be written or the disk is full.
        """
        from setclosure.model.prediction_files import write_prediction

        write_prediction(self, Path(path))

    def worst(self) -> tuple[np.ndarray, np.ndarray]:
        """Give the worst status of each microstate's paths ``(B,)``, and the first frame that had it ``(B,)``."""
        status, step = worst_of(self.status, self.step)
        return status[:, 0], step[:, 0]

    def message(self, b: int = 0) -> str:
        """Say in one sentence how the worst path of microstate ``b`` ended, and whether its start is in range."""
        of_all, steps = self.worst()
        status, step = RolloutStatus(int(of_all[b])), int(steps[b])
        where = f" at frame {step}" if step >= 0 else ""
        start = "was not compared with the training range" if self.check is None else f"is {self.check.message(b)}"
        return f"{status.name.lower()}{where}; X_0 {start}"


def worst_of(status: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the worst status of R paths, and the first frame at which one of them had it.

    Parameters
    ----------
    status, step : array
        The status of each path, and the frame at which it took it, ``(B, R)``.

    Returns
    -------
    (array, array)
        Status and frame, ``(B, 1)`` each.

    Examples
    --------
    >>> worst_of(np.array([[0, 2, 1]]), np.array([[-1, 7, 3]]))  # to diverge (1) is worse than to be outside (2)
    (array([[1]]), array([[3]]))
    """
    severity = np.vectorize(_SEVERITY.__getitem__)(status)
    is_worst = severity == severity.max(axis=1, keepdims=True)
    first = np.where(is_worst, step, np.iinfo(step.dtype).max).argmin(axis=1)[:, None]
    return np.take_along_axis(status, first, 1), np.take_along_axis(step, first, 1)
