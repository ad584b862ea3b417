"""Data that a model is fitted to must share no frame with data that judge it, in whatever files they are."""

from __future__ import annotations

from setclosure.errors import DatasetError
from setclosure.trajectories.description import Description


def require_disjoint(data: Description, name: str, other: Description, of_other: str) -> None:
    """Refuse two data sets of which a trajectory is in both, unless the stretches of time do not overlap.

    Parameters
    ----------
    data, other : TrajectoryDataset
        The data sets.
    name, of_other : str
        What they are called in the message.

    Raises
    ------
    DatasetError
        If they share frames; the message names the first trajectory that is in both.
    """
    known: dict[bytes, list[tuple[int, int, int]]] = {}
    for m, (digest, first, last) in enumerate(data.contents()):
        known.setdefault(digest, []).append((m, first, last))
    for k, (digest, first, last) in enumerate(other.contents()):
        for m, begin, end in known.get(digest, []):
            if digest and first < end and begin < last:
                raise DatasetError(
                    f"trajectory {k} of '{of_other}' ({other.path}) is trajectory {m} of '{name}' ({data.path}): a "
                    "model must be judged by what it was not fitted to. Leave it out of one."
                )
