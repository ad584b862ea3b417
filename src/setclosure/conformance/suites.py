"""One entrance to the suites of all kinds of parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from setclosure.conformance.decoder import check_decoder
from setclosure.conformance.descriptor import check_descriptor
from setclosure.conformance.diffusion import check_diffusion
from setclosure.conformance.drift import check_drift
from setclosure.conformance.dynamics import check_dynamics
from setclosure.conformance.encoder import check_encoder
from setclosure.conformance.method import check_method
from setclosure.conformance.observable import check_observable
from setclosure.conformance.reader import check_reader, check_reader_on_files
from setclosure.conformance.reconstruction import check_reconstruction
from setclosure.conformance.report import Report
from setclosure.conformance.simulator import check_simulator
from setclosure.conformance.study import check_study
from setclosure.errors import ConfigurationError
from setclosure.registry import find

CHECKS: dict[str, Callable[..., Report]] = {
    "descriptor": check_descriptor,
    "encoder": check_encoder,
    "decoder": check_decoder,
    "reader": check_reader,
    "reconstruction": check_reconstruction,
    "dynamics": check_dynamics,
    "drift": check_drift,
    "diffusion": check_diffusion,
    "method": check_method,
    "observable": check_observable,
    "simulator": check_simulator,
    "study": check_study,
}
"""The suite of every kind of part."""

BY_NAME = ("method", "observable")
"""Kinds that have no options."""


def check(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Report:
    """Check the promises of a registered part.

    Parameters
    ----------
    kind : str
        A kind of part, for instance ``"encoder"``.
    name : str
        The name under which it was registered.
    options : mapping, optional
        Options of the part; those that are not given have their defaults. Those of a reader have the file, or the list
        of files, of a trajectory under ``files``.

    Raises
    ------
    ConformanceError
        If it breaks one; the message says which, and what was found.
    ConfigurationError
        If there is no such part, or an option does not fit it.

    Examples
    --------
    >>> print(check("diffusion", "constant"))
    The diffusion 'constant' keeps all 7 promises:
      - its configuration is stored with every option and read back the same
      - y (*, D) and context (*, p) have a diagonal (*, D), or a lower triangle (*, D, D)
      - the diagonal is positive, far outside of the data, too
      - every row depends on its own macrostate and context alone
      - every parameter has a finite gradient
      - its weights are saved and loaded
      - it is the noise of dynamics, whose loss is finite
    """
    part = find(kind, name.partition("(")[0] if kind == "observable" else name)
    if kind == "reader":
        return check_reader_on_files(lambda given: part.value.parse(given, f"of reader '{name}'"), dict(options or {}))
    if kind not in BY_NAME:
        return CHECKS[kind](part.value.parse(dict(options or {}), f"of {kind} '{name}'"))
    if options:
        raise ConfigurationError(f"a {kind} has no options; got {', '.join(options)}.")
    return CHECKS[kind](name)
