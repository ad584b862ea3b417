"""Splits by trajectory, which never put frames of one trajectory on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from setclosure.errors import ConfigurationError
from setclosure.seeds import numpy_stream
from setclosure.trajectories.layout import Array


def split_trajectories(n: int, fractions: Sequence[float], seed: int) -> list[Array]:
    """Split 0 … n−1 at random into parts of about the given fractions, none of them empty.

    Parameters
    ----------
    n : int
        Trajectories.
    fractions : sequence of float
        Positive, with sum one.
    seed : int
        Of the shuffle.

    Returns
    -------
    list of array
        Rising indices, one array per fraction; together each index once.

    Raises
    ------
    ConfigurationError
        If the fractions are not positive with sum one, or there are fewer trajectories than parts.

    Examples
    --------
    >>> [len(part) for part in split_trajectories(10, (0.8, 0.2), seed=0)]
    [8, 2]
    """
    shares = np.asarray(fractions, dtype=float)
    if shares.ndim != 1 or np.any(shares <= 0) or not np.isclose(shares.sum(), 1.0):
        raise ConfigurationError(f"fractions of a split are positive with sum one; got {list(fractions)}.")
    if n < len(shares):
        raise ConfigurationError(f"{n} trajectories cannot be split into {len(shares)} parts; each needs one.")
    sizes = np.maximum(1, np.floor(shares * n)).astype(int)
    while sizes.sum() != n:  # hand out the rest, or take back, where the share is missed most
        missed = shares * n - sizes
        k = int(np.argmax(missed)) if sizes.sum() < n else int(np.argmin(np.where(sizes > 1, missed, np.inf)))
        sizes[k] += 1 if sizes.sum() < n else -1
    order = numpy_stream(seed, "split").permutation(n)
    return [np.sort(part) for part in np.split(order, np.cumsum(sizes)[:-1])]
