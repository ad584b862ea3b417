"""The plan of an import says which frames of which source become which trajectory of which data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from setclosure.errors import ReaderError
from setclosure.trajectories.readers.spec import Windows
from setclosure.trajectories.splits import split_trajectories


@dataclass(frozen=True)
class Stretch:
    """Frames ``first`` … ``last`` − 1, of those that are read of a source, which become one trajectory."""

    source: int
    first: int
    last: int


def plan(
    lengths: Sequence[int],
    splits: Mapping[str, float],
    windows: Windows | None = None,
    by: str | None = None,
    seed: int = 0,
) -> dict[str, list[Stretch]]:
    """Share the frames of some sources among data sets, no frame to two of them.

    Parameters
    ----------
    lengths : sequence of int
        Frames of each source; zero for one that cannot be read, which holds the place of one trajectory.
    splits : mapping
        The share of each data set by its name, with sum one.
    windows : Windows, optional
        Cut what a data set gets of a source into windows. They lie within it, so they share frames with windows of the
        same data set at most.
    by : str, optional
        ``"trajectory"``: every source belongs to one data set; ``"time"``: every data set gets a stretch of every
        source, in the order of the splits. By default by time if there is one source and several data sets.
    seed : int
        Of the shuffle of the sources.

    Raises
    ------
    ReaderError
        If there is too little for that many data sets or for one window.

    Examples
    --------
    >>> plan([10], {"train": 0.6, "test": 0.4}, Windows(length=2, stride=2))["test"]
    [Stretch(source=0, first=6, last=8), Stretch(source=0, first=8, last=10)]
    """
    by = by or ("time" if len(lengths) == 1 and len(splits) > 1 else "trajectory")
    if by == "time":
        shares = _in_time(lengths, splits)
    elif len(lengths) < len(splits):
        raise ReaderError(
            f"{len(lengths)} trajectories cannot be shared among the {len(splits)} data sets {', '.join(splits)}; each "
            "needs one. Name fewer in 'splits', add files, or say split_by: time, which cuts every trajectory."
        )
    else:
        parts = split_trajectories(len(lengths), list(splits.values()), seed)
        shares = {
            name: [Stretch(m, 0, lengths[m]) for m in part.tolist()] for name, part in zip(splits, parts, strict=True)
        }
    if windows is None:
        return shares
    cut = {
        name: [window for share in of_name for window in _windows(share, windows)] for name, of_name in shares.items()
    }
    for name, of_name in cut.items():
        if not any(stretch.last for stretch in of_name):
            longest = max(share.last - share.first for share in shares[name])
            raise ReaderError(
                f"no window of {windows.length} frames fits into what the data set '{name}' gets: {longest} frames "
                "in a row at most. Make windows shorter or the share larger."
            )
    return cut


def _in_time(lengths: Sequence[int], splits: Mapping[str, float]) -> dict[str, list[Stretch]]:
    ends = np.cumsum([0.0, *splits.values()])
    shares: dict[str, list[Stretch]] = {name: [] for name in splits}
    for m, T in enumerate(lengths):
        edges = np.rint(ends * T).astype(int).tolist()
        for k, name in enumerate(splits):
            if T and edges[k + 1] - edges[k] < 2:
                raise ReaderError(
                    f"the data set '{name}' gets {edges[k + 1] - edges[k]} of the {T} frames of source {m}; expected "
                    "at least two. Give it a larger share, or say split_by: trajectory."
                )
            shares[name].append(Stretch(m, edges[k], edges[k + 1]))
    return shares


def _windows(share: Stretch, windows: Windows) -> list[Stretch]:
    """Cut a stretch into windows of full length; a source that cannot be read keeps its place."""
    if share.last == 0:
        return [share]
    starts = range(share.first, share.last - windows.length + 1, windows.stride or windows.length)
    return [Stretch(share.source, start, start + windows.length) for start in starts]
