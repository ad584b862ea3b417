"""A fit is judged on its validation trajectories: the errors of the model and of naive predictions side by side."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

MODEL = "model"
"""The row of the model itself."""

PAGE = "Why is my model no better than a straight line?"
"""The page of the documentation that goes through the causes."""


@dataclass(frozen=True)
class Skill:
    """The errors on the validation trajectories, each predicted from its first frame over its own times.

    Attributes
    ----------
    rmse : dict
        Row → root mean square error of the observables over frames 1 … T. The first row is the model, the others are
        naive predictions that were fitted to the training trajectories.
    unit : str
        The unit of the errors; with several observables each is in units of its training standard deviation.
    trajectories : int
        The number of validation trajectories that were predicted.

    Examples
    --------
    >>> skill = Skill({"model": 0.1, "persistence": 0.4, "linear fit": 0.2}, "nm", 12)
    >>> skill.best_naive, skill.value
    ('linear fit', 0.75)
    >>> print(skill)
    Validation (12 trajectories), RMSE in nm:
      model        0.1
      persistence  0.4
      linear fit   0.2  best naive prediction
    skill 0.75
    """

    rmse: dict[str, float]
    unit: str
    trajectories: int

    @property
    def best_naive(self) -> str:
        """The name of the best naive prediction."""
        naive = {name: error for name, error in self.rmse.items() if name != MODEL}
        return min(naive, key=lambda name: naive[name])

    @property
    def value(self) -> float:
        """The skill 1 − MSE / MSE of the best naive prediction: 1 is perfect, below 0 is worse than naive."""
        best, model = self.rmse[self.best_naive], self.rmse[MODEL]
        return 1.0 - (model / best) ** 2 if best > 0 else (0.0 if model == 0 else -1.0)

    def __str__(self) -> str:
        width = max(map(len, self.rmse))
        unit = f" in {self.unit}" if self.unit else ""
        lines = [f"Validation ({self.trajectories} trajectories), RMSE{unit}:"]
        for name, error in self.rmse.items():
            note = "  best naive prediction" if name == self.best_naive else ""
            lines.append(f"  {name:<{width}}  {error:.3g}{note}")
        return "\n".join([*lines, f"skill {self.value:.2f}"])

    def warning(self) -> str | None:
        """Say in plain words that the model is worse than a naive prediction, and what to try; None if it is not."""
        if self.value >= 0:
            return None
        return (
            "the model is worse than the best naive prediction on its validation trajectories: RMSE "
            f"{self.rmse[MODEL]:.3g} against {self.rmse[self.best_naive]:.3g} of the {self.best_naive} (skill "
            f"{self.value:.2f}). Do not use it as it is. 'setclosure compare' tries closures and descriptors; a "
            "context that decides the future and is not given, too few trajectories, or noise may be the reason. The "
            f"page '{PAGE}' of the documentation goes through the causes."
        )

    def to_json(self) -> dict[str, Any]:
        """Give the errors as JSON values, which :meth:`from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Skill:
        """Make the errors from the JSON values of :meth:`to_json`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the values are something else.
        """
        rmse = {str(name): float(error) for name, error in values["rmse"].items()}
        if MODEL not in rmse or len(rmse) < 2 or any(math.isnan(error) for error in rmse.values()):
            raise ValueError(f"expected errors of the model and of naive predictions; got {values!r}")
        return cls(rmse, str(values["unit"]), int(values["trajectories"]))
